"""Names that no app and no deploy user may have: every host has them, or whoever has them may do more than an app.

The list is no door: what a host has is looked at there, before anything is changed. It is for a message before any host
is asked, and for what comes later, by a package that takes a user or a group of its name as it is.
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
# Users of what hostsmith installs.
_PACKAGES = """
certbot haproxy letsencrypt mariadb memcache memcached mysql nginx postgres postgresql redis redis-server ssh sshd
"""
# Names in /etc/logrotate.d, /etc/nginx and /var/log of every host.
_FILES = """
alternatives apt bootlog btmp cloud-init cron default dpkg fail2ban faillog journal lastlog private rsyslog supervisor
ufw unattended-upgrades wtmp
"""
_ALL = frozenset(f"{_USERS} {_PACKAGES} {_FILES}".split())
_FIRST = ("hostsmith", "systemd-")


def is_reserved(name: str) -> bool:
    """Whether a name is one of the system's."""
    return name in _ALL or name.startswith(_FIRST)
