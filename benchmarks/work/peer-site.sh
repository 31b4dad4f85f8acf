# Run on a host, once: all that a peer's first deploy needs. usage: NAME PORT
# A user, folders, a bare repository, a virtualenv, gunicorn by supervisor, a site of nginx, and a way to reload it.
set -eu
name=$1 port=$2 folder=/srv/$1
export DEBIAN_FRONTEND=noninteractive
missing=
for package in git nginx python3-venv supervisor; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# shellcheck disable=SC2086
[ -z "$missing" ] || apt-get install -qq -y --no-install-recommends $missing > /dev/null 2>&1
id "$name" > /dev/null 2>&1 || useradd --system --home-dir "$folder" --shell /usr/sbin/nologin "$name"
mkdir -p "$folder/releases" "$folder/shared" "$folder/run"
chown "$name" "$folder/run"
[ -d "$folder/app.git" ] || git init -q --bare "$folder/app.git"
[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
cat > "/etc/nginx/sites-available/$name" << END
server {
    listen $port;
    location / {
        proxy_pass http://unix:$folder/run/web.sock;
    }
}
END
ln -sfn "/etc/nginx/sites-available/$name" "/etc/nginx/sites-enabled/$name"
nginx -qt
systemctl enable -q --now nginx supervisor
systemctl reload nginx
# From /, and by the path of the symlink, so that HUP is enough to have the workers import another release.
cat > "/etc/supervisor/conf.d/$name.conf" << END
[program:$name]
command=$folder/venv/bin/gunicorn --pythonpath $folder/current --bind unix:$folder/run/web.sock --pid $folder/run/pid app:app
directory=/
user=$name
autostart=false
stopsignal=TERM
END
supervisorctl -s unix:///run/supervisor.sock update > /dev/null
# The quickest that there is: no wait until the app answers, as with most Capfiles.
cat > "$folder/reload" << END
#!/bin/sh
kill -HUP "\$(cat $folder/run/pid)" 2> /dev/null || supervisorctl start $name
END
# pip is asked only when the requirements are others than the last.
cat > "$folder/require" << END
#!/bin/sh
set -eu
cmp -s "\$1" $folder/venv/required ||
    { $folder/venv/bin/pip install -q --disable-pip-version-check --cache-dir $folder/cache -r "\$1" && cp "\$1" $folder/venv/required; }
END
chmod +x "$folder/reload" "$folder/require"
