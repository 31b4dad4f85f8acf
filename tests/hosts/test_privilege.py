"""Least privilege: an app reads and changes nothing but its own data, two apps on a host leave each other alone, and
what requirements bring is built by nobody who could do harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.hosts.conftest import Project, Vps, make_project

SHOP, ADMIN = "shop", "shop-admin"
SOON = {"health": {"path": "/healthz", "timeout": 20}, "drain_timeout": 2, "workers": 1}


@dataclass
class Apps:
    """Two apps on one host, the name of one the beginning of the other's; both are live."""

    vps: Vps
    projects: dict[str, Project]

    def pid(self, app: str) -> int:
        """A process of an app."""
        return int(self.vps.run(f"pgrep -u {app} -o gunicorn"))

    def probe(self, user: str, attempts: str, **values: Any) -> dict[str, str]:
        """Run attempts, lines of Python as `name: expression`, as a user; returns the error of each, or "done"."""
        lines = [line.strip().partition(": ") for line in attempts.strip().splitlines()]
        names = {name: expression for name, _, expression in lines}
        script = _PROBE.format(values=values, attempts=names)
        return dict(json.loads(self.vps.run(f"cd / && runuser -u {user} -- python3 -I -", stdin=script)))


_PROBE = """\
import ctypes, glob, json, os, pathlib, socket

def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)

def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, None, None) == -1:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def read(path):
    pathlib.Path(path).read_bytes()

def first(pattern):
    return sorted(glob.glob(pattern))[0]

globals().update({values!r})
found = {{}}
for name, expression in {attempts!r}.items():
    try:
        eval(expression)
        found[name] = "done"
    except Exception as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def apps(boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    vps = boot(provisioned_image)
    # The image is provisioned for an app without domains, and on a host there is one such.
    vps.run("rm /etc/nginx/sites-enabled/hello")
    projects = {}
    for app, domains in ((SHOP, []), (ADMIN, ["admin.example.org"])):
        project = make_project(tmp_path_factory.mktemp(app), vps)
        project.settings(app=app, domains=domains, environment={"TOKEN": f"token-of-{app}"}, **SOON)
        project.commit("settings")
        project.fab("provision", "deploy")
        projects[app] = project
    yield Apps(vps, projects)
    vps.sandbox.destroy(vps.name)


BOTH_WAYS = pytest.mark.parametrize(("app", "other"), [(SHOP, ADMIN), (ADMIN, SHOP)])

READING = """
list: os.listdir(root)
code: read(root + "/current/code/hello.py")
environment: read(root + "/current/env")
configuration: read(root + "/current/gunicorn.conf.py")
virtualenv: read(root + "/current/venv/pyvenv.cfg")
data: os.listdir(root + "/shared")
repository: read(root + "/repo.git/HEAD")
cache: os.listdir(root + "/cache")
deploy-key: os.listdir(root + "/.ssh")
logs: os.listdir(logs)
log: read(log)
access-log: read(access_log)
process-environment: read(f"/proc/{pid}/environ")
process-memory: open(f"/proc/{pid}/mem", "rb")
process-folder: os.listdir(f"/proc/{pid}/cwd")
socket: connect(root + "/current/run/web.sock")
supervisord: connect("/var/run/supervisor.sock")
signal: os.kill(pid, 0)
trace: trace(pid)
"""


def things_of(apps: Apps, app: str) -> dict[str, Any]:
    apps.vps.http("/", host="admin.example.org" if app == ADMIN else "www.example.org")
    return {
        "root": f"/srv/{app}",
        "logs": f"/var/log/{app}",
        "log": apps.vps.run(f"ls /var/log/{app}/*.log | head -1").strip(),
        "access_log": f"/var/log/nginx/{app}.access.log",
        "pid": apps.pid(app),
    }


@BOTH_WAYS
def test_an_app_can_neither_read_reach_nor_stop_anything_of_another(apps: Apps, app: str, other: str) -> None:
    things = things_of(apps, other)
    # Everything that is tried is there, and can be done by root.
    assert set(apps.probe("root", READING, **things).values()) == {"done"}
    refused = apps.probe(app, READING, **things)
    assert set(refused.values()) == {"PermissionError"}, refused


@BOTH_WAYS
def test_nginx_comes_through_the_door_to_socket_and_static_files(apps: Apps, app: str, other: str) -> None:
    host = "admin.example.org" if app == ADMIN else "www.example.org"
    assert apps.projects[app].live() in apps.vps.http("/", host=host).body
    (static,) = [path.name for path in (apps.projects[app].folder / "static").iterdir()][:1]
    assert apps.vps.http(f"/static/{static}", host=host).status == 200
    attempts = 'list: os.listdir(root)\nenvironment: read(root + "/current/env")'
    assert set(apps.probe("www-data", attempts, root=f"/srv/{app}").values()) == {"PermissionError"}


def test_an_app_can_write_its_data_its_sockets_folder_and_what_everybody_can(apps: Apps) -> None:
    places = "/etc /home /opt /root /srv /usr /var"
    find = f"cd / && runuser -u {SHOP} -- find {places} -writable -not -type l 2>/dev/null || true"
    theirs = ("/var/tmp", "/var/lock", "/var/crash", f"/srv/{SHOP}/shared")
    run = f"/srv/{SHOP}/releases/{apps.projects[SHOP].live()}/run"
    found = [path for path in apps.vps.run(find).split() if not path.startswith((*theirs, run))]
    assert found == []


def state_of(apps: Apps, app: str) -> str:
    """All there is of an app on the host: processes, files, nginx site, supervisor's groups."""
    host = "admin.example.org" if app == ADMIN else "www.example.org"
    assert apps.vps.http("/", host=host).status == 200
    return apps.vps.run(
        f"find /srv/{app} /var/log/{app} /etc/nginx/sites-available/{app} /etc/nginx/sites-enabled/{app}"
        f" /etc/logrotate.d/{app} /etc/supervisor/conf.d/{app}.conf -not -name '*.log' -not -name '.heartbeat*'"
        r" -printf '%p %u:%g %m %T@ %l\n' | sort;"
        f" pgrep -u {app} | sort; supervisorctl pid $(supervisorctl status | grep -o '^{app}-2[^ ]*'); id {app}"
    )


@BOTH_WAYS
def test_provision_deploy_and_rollback_of_an_app_leave_another_alone(apps: Apps, app: str, other: str) -> None:
    before = state_of(apps, other)
    project = apps.projects[app]
    old = project.live()
    project.commit("something new")
    project.fab("deploy")
    assert project.live() != old
    assert state_of(apps, other) == before
    project.fab("rollback")
    assert project.live() == old
    project.fab("provision")
    assert state_of(apps, other) == before


BACKEND = """\
import json, os, pathlib, subprocess, sys, zipfile

def build_wheel(folder, config=None, metadata=None):
    pathlib.Path("beside.txt").write_text("pip builds inside of the source")
    venv = sys.prefix
    tried = {}
    for name, path in {"etc": "/etc/cron.d/x", "home": "/root/x", "venvs": os.path.dirname(venv) + "/x"}.items():
        try:
            pathlib.Path(path).write_text("x")
            tried[name] = "done"
        except OSError as error:
            tried[name] = type(error).__name__
    for name in ("/srv/shop-admin/current/code/hello.py", "/srv/shop-admin/cache"):
        try:
            os.stat(name)
            tried[name] = "done"
        except OSError as error:
            tried[name] = type(error).__name__
    told = {"uid": os.getuid(), "groups": os.getgroups(), "tried": tried}
    with zipfile.ZipFile(f"{folder}/evil-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("evil.json", json.dumps(told))
        wheel.writestr("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1.0\\n")
        wheel.writestr("evil-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("evil-1.0.dist-info/RECORD", "")
    os.chmod(f"{venv}/bin/pip", 0o6777)
    stay = f"while :; do echo >> {venv}/later; sleep 0.1; done"
    subprocess.Popen(["setsid", "sh", "-c", stay], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "evil-1.0-py3-none-any.whl"
"""


def test_what_requirements_bring_is_built_by_neither_root_nor_the_app_and_cannot_be_changed_later(apps: Apps) -> None:
    project, vps = apps.projects[SHOP], apps.vps
    project.write("evil/backend.py", BACKEND)
    project.write(
        "evil/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    project.write("requirements.txt", (project.folder / "requirements.txt").read_text() + "./evil\n")
    project.commit("a requirement that builds itself")
    project.fab("deploy")
    venv = vps.run("readlink -f /srv/shop/current/venv").strip()
    told = json.loads(vps.run(f"cat {venv}/lib/python3*/site-packages/evil.json"))
    assert told["uid"] == int(vps.run("id -u hostsmith-build")) != 0
    assert told["groups"] == []
    assert set(told["tried"].values()) == {"PermissionError"}, told
    # What it has left behind is gone, and nothing that it has touched is not root's.
    assert vps.run("pgrep -u hostsmith-build || true") == ""
    assert vps.run(f"find {venv} /srv/shop/current/code -not -user root -o -perm /6022 -not -type l") == ""
    assert vps.run("stat -c %U:%a /srv/shop/current/code/evil/beside.txt").strip() == "root:644"
    assert vps.run("stat -c %U:%a /srv/shop/cache").strip() == "hostsmith-build:700"
    assert project.live() in vps.http("/").body
