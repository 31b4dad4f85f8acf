"""The 18 resources of a small web host as pyinfra operations."""

from pyinfra.operations import apt, files, pip, server, systemd

apt.packages(
    name="packages",
    packages=["ca-certificates", "git", "logrotate", "rsync", "python3", "python3-venv", "supervisor", "nginx"],
    update=False,
    no_recommends=True,
)
server.user(name="user", user="peer", system=True, home="/srv/peer", shell="/usr/sbin/nologin", ensure_home=False)
for folder in ("/srv/peer", "/srv/peer/releases", "/srv/peer/shared", "/var/log/peer"):
    files.directory(name=f"directory {folder}", path=folder, user="root", group="root", mode="755")
files.put(name="file", src="provision/peer.txt", dest="/srv/peer/peer.txt", mode="644")
pip.venv(name="venv", path="/srv/peer/venv", python="python3")
pip.packages(name="pip", packages=["flask", "gunicorn"], virtualenv="/srv/peer/venv")
files.template(name="site", src="provision/site.j2", dest="/etc/nginx/sites-available/peer", mode="644", app="peer")
files.template(name="logrotate", src="provision/logrotate.j2", dest="/etc/logrotate.d/peer", mode="644", app="peer")
files.link(name="link", path="/srv/peer/current", target="/srv/peer/releases")
files.link(name="site link", path="/srv/peer/site", target="/etc/nginx/sites-available/peer")
files.directory(name="run", path="/srv/peer/run", user="peer", group="peer", mode="750")
files.file(name="marker", path="/srv/peer/marker", user="root", mode="644")
files.file(name="nothing", path="/srv/peer/nothing", present=False)
systemd.service(name="nginx", service="nginx", running=True, enabled=True)
systemd.service(name="supervisor", service="supervisor", running=True, enabled=True)
