"""All of hostsmith's tasks, and one for the 18 resources."""

from hostsmith import (
    Absent,
    Directory,
    File,
    Package,
    Service,
    Symlink,
    Template,
    User,
    Virtualenv,
    converge_all,
    ns,
    task,
)

RESOURCES = [
    # As for the others, the package lists of the image will do, however old they are.
    Package(
        *("ca-certificates", "git", "logrotate", "rsync", "python3", "python3-venv", "supervisor", "nginx"),
        max_age=10**9,
    ),
    User("peer", system=True, home="/srv/peer", shell="/usr/sbin/nologin"),
    *(
        Directory(path, mode=0o755, owner="root", group="root")
        for path in ("/srv/peer", "/srv/peer/releases", "/srv/peer/shared", "/var/log/peer")
    ),
    File("/srv/peer/peer.txt", "peer\n", mode=0o644),
    File("/srv/peer/requirements.txt", "flask\ngunicorn\n"),
    Virtualenv("/srv/peer/venv", requirements=("/srv/peer/requirements.txt",)),
    Template("/etc/nginx/sites-available/peer", "site.j2", {"app": "peer"}, mode=0o644),
    Template("/etc/logrotate.d/peer", "logrotate.j2", {"app": "peer"}, mode=0o644),
    Symlink("/srv/peer/current", "/srv/peer/releases"),
    Symlink("/srv/peer/site", "/etc/nginx/sites-available/peer"),
    Directory("/srv/peer/run", mode=0o750, owner="peer", group="peer"),
    File("/srv/peer/marker", "", mode=0o644, owner="root"),
    Absent("/srv/peer/nothing"),
    Service("nginx"),
    Service("supervisor"),
]


@task
def resources(c):
    """Bring all hosts to the 18 resources."""
    converge_all(c, RESOURCES)


ns.add_task(resources)
