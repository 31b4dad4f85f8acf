"""Names that no app and no deploy user may have: a host has them already, or would take ours for its own later.

The list is no door: what a host has is looked at there. It is for what comes later, by a package, and for a message
before any host is asked.
"""

from __future__ import annotations

# Users and groups of base-passwd and systemd; groups that sudo, polkit or a daemon give rights to.
_USERS = """
adm admin admins audio backup bin cdrom crontab daemon debian dialout dip disk docker fax floppy games gnats incus
incus-admin input irc kmem kvm libvirt libvirt-qemu list lp lpadmin lxc lxd mail man messagebus microk8s netdev news
nobody nogroup operator pkcs11 plugdev podman polkitd proxy pulse render root sambashare saned sasl scanner sgx shadow
src ssl-cert staff sudo sync sys syslog tape tcpdump tss tty ubuntu users utmp uucp uuidd video voice wheel wireshark
www-data
"""
# Users that packages make, and take as they are when there is one of the name.
_PACKAGES = """
amavis apache apache2 avahi barman bind caddy certbot clamav consul couchdb cups dnsmasq docker-registry dovecot
dovenull elasticsearch epmd etcd exim fetchmail fluentd freerad ftp fwupd-refresh geoclue git gitea gitlab gitolite3
gluster grafana haproxy icinga influxdb jenkins jetty kafka kibana letsencrypt lighttpd logcheck logstash mariadb
meilisearch memcache memcached minio mongodb mosquitto munin mysql nagios named nats netdata nginx nsd nslcd ntp ntpd
ntpsec nut odoo opendkim opendmarc openldap opensearch openvpn pcp pdns pgbouncer pollinate postdrop postfix postgres
postgresql postgrey powerdns privoxy proftpd prometheus puppet rabbitmq redis redis-server redsocks rspamd rtkit
shinken slurm snmp solr spamd speech-dispatcher sphinxsearch squid ssh sshd sssd statd stunnel4 tftp tinyproxy tomcat
tor traefik unbound unscd usbmux uwsgi valkey varnish vmail vsftpd wazuh whoopsie zabbix zookeeper
"""
# Names in /etc/logrotate.d, /etc/nginx, /var/log and so on of hosts as they are sold, or of nginx's own variables.
_FILES = """
alternatives apport apt arg args bootlog btmp cloud-init cookie cron default dist-upgrade dpkg fail2ban faillog http
installer journal lastlog localhost lost-found private rsyslog runit sent-http supervisor sysstat ubuntu-advantage
ubuntu-pro-client ufw unattended-upgrades upstream-cookie upstream-http wtmp
"""
_ALL = frozenset(f"{_USERS} {_PACKAGES} {_FILES}".split())
_FIRST = ("hostsmith", "systemd-", "debian-", "fwupd-", "gnome-", "php", "postgresql-", "prometheus-", "tomcat")


def is_reserved(name: str) -> bool:
    """Whether a name is one of the system's."""
    return name in _ALL or name.startswith(_FIRST)
