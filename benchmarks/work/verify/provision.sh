# Run on a host: checks that the 18 resources are there, independent of the tools; $1 is the template's number.
set -eux
dpkg -s ca-certificates git logrotate rsync python3 python3-venv supervisor nginx > /dev/null
[ "$(getent passwd peer | cut -d: -f6,7)" = /srv/peer:/usr/sbin/nologin ]
for folder in /srv/peer /srv/peer/releases /srv/peer/shared /var/log/peer; do
    [ "$(stat -c '%F %a %U %G' "$folder")" = 'directory 755 root root' ]
done
[ "$(stat -c '%F %a %U %G' /srv/peer/run)" = 'directory 750 peer peer' ]
[ "$(cat /srv/peer/peer.txt)" = peer ] && [ "$(stat -c %a /srv/peer/peer.txt)" = 644 ]
/srv/peer/venv/bin/python -c 'import flask, gunicorn'
[ "$(head -n1 /etc/nginx/sites-available/peer)" = "# $1" ] && [ "$(stat -c %a /etc/nginx/sites-available/peer)" = 644 ]
[ "$(sed -n 4p /etc/nginx/sites-available/peer)" = '    server_name peer.example.org;' ]
[ "$(tail -n1 /etc/nginx/sites-available/peer)" = '}' ]
[ "$(head -n1 /etc/logrotate.d/peer)" = '/var/log/peer/*.log {' ] && [ "$(stat -c %a /etc/logrotate.d/peer)" = 644 ]
[ "$(readlink /srv/peer/current)" = /srv/peer/releases ]
[ "$(readlink /srv/peer/site)" = /etc/nginx/sites-available/peer ]
[ "$(stat -c '%a %U' /srv/peer/marker)" = '644 root' ]
[ ! -e /srv/peer/nothing ]
systemctl is-active nginx supervisor && systemctl is-enabled nginx supervisor
