"""Reserved names of users, groups and files, for neither apps nor deployers.

The list is not a safeguard: hosts check their own users before anything changes. It gives an early message, and keeps
names free that a package may take later.
"""

from __future__ import annotations

# Users and groups of base-passwd and systemd; groups to which sudo, polkit or a daemon give rights.
_USERS = """
adm admin admins audio backup bin cdrom crontab daemon debian dialout dip disk docker fax floppy games gnats incus
incus-admin input irc kmem kvm libvirt libvirt-qemu list lp lpadmin lxc lxd mail man messagebus microk8s netdev news
nobody nogroup operator pkcs11 plugdev podman polkitd proxy pulse render root sambashare saned sasl scanner sgx shadow
src ssl-cert staff sudo sync sys syslog tape tcpdump tss tty ubuntu users utmp uucp uuidd video voice wheel wireshark
www-data
"""
# Users of packages that hostsmith installs.
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
    """Whether a name is reserved for the system."""
    return name in _ALL or name.startswith(_FIRST)
