# The 18 resources as a shell script would have them: looks first, changes what differs. Needs: $number
set -eu
changed=0
changes() { changed=$((changed + 1)); }
is() { [ "$(stat -c '%F %a %U %G' "$1" 2> /dev/null)" = "$2" ]; }

directory() {
    is "$1" "directory ${2#0} $3 $3" && return
    mkdir -p "$1" && chmod "$2" "$1" && chown "$3:$3" "$1" && changes
}

# The content comes on standard input.
file() {
    content=$(cat; printf .)
    # The dot keeps the newlines at the end, which the shell would take away.
    [ "$(cat "$1" 2> /dev/null; printf .)" = "$content" ] && is "$1" "$2 644 root root" && return
    printf %s "${content%.}" > "$1.new" && chmod 0644 "$1.new" && mv "$1.new" "$1" && changes
}

symlink() {
    [ "$(readlink "$1")" = "$2" ] && return
    ln -sfn "$2" "$1" && changes
}

service() {
    systemctl is-active -q "$1" && systemctl is-enabled -q "$1" && return
    systemctl enable -q --now "$1" && changes
}

packages="ca-certificates git logrotate rsync python3 python3-venv supervisor nginx"
# shellcheck disable=SC2086
if [ "$(dpkg-query -W -f '${Status}\n' $packages 2> /dev/null | grep -c 'ok installed')" != 8 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages > /dev/null 2>&1
    changes
fi
if [ "$(getent passwd peer | cut -d: -f6,7)" != /srv/peer:/usr/sbin/nologin ]; then
    useradd --system --home-dir /srv/peer --shell /usr/sbin/nologin peer
    changes
fi
for folder in /srv/peer /srv/peer/releases /srv/peer/shared /var/log/peer; do
    directory "$folder" 0755 root
done
file /srv/peer/peer.txt 'regular file' << END
peer
END
if [ ! -x /srv/peer/venv/bin/python ]; then
    python3 -m venv /srv/peer/venv
    changes
fi
# Check the folders: pip itself would take half a second.
if ! ls -d /srv/peer/venv/lib/python3*/site-packages/flask /srv/peer/venv/lib/python3*/site-packages/gunicorn > /dev/null 2>&1; then
    /srv/peer/venv/bin/pip install -q --disable-pip-version-check flask gunicorn
    changes
fi
file /etc/nginx/sites-available/peer 'regular file' << END
# $number
server {
    listen 8080;
    server_name peer.example.org;
    location / {
        proxy_pass http://unix:/srv/peer/run/web.sock;
    }
}
END
file /etc/logrotate.d/peer 'regular file' << END
/var/log/peer/*.log {
    daily
    rotate 14
    missingok
}
END
symlink /srv/peer/current /srv/peer/releases
symlink /srv/peer/site /etc/nginx/sites-available/peer
directory /srv/peer/run 0750 peer
file /srv/peer/marker 'regular empty file' < /dev/null
if [ -e /srv/peer/nothing ]; then
    rm -rf /srv/peer/nothing
    changes
fi
service nginx
service supervisor
echo "$changed changed"
