"""Two apps on one host, one of which has a deployer, and ways for an attacker in one of them to try things."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from hostsmith import __version__
from hostsmith.contract import wire
from hostsmith.contract.protocol import greeting

from tests.hosts.conftest import Project, Vps, make_project

SHOP, ADMIN = "shop", "shop-admin"
SOON = {"health": {"path": "/healthz", "timeout": 20}, "drain_timeout": 2, "workers": 1}


@dataclass
class Apps:
    """Two apps on one host, the name of one the beginning of the other's; both are live."""

    vps: Vps
    projects: dict[str, Project]
    key: Path

    @property
    def deployer(self) -> Project:
        """The project of the shop on the machine of one who may only deploy it."""
        target = replace(self.vps.target, key_filename=str(self.key))
        return replace(self.projects[SHOP], vps=replace(self.vps, user="deploy", target=target))

    def ssh_argv(self, *arguments: str) -> list[str]:
        """OpenSSH's client, with the deployer's key."""
        options = ["-oBatchMode=yes", f"-oUserKnownHostsFile={self.vps.target.known_hosts}", "-i", str(self.key)]
        return ["ssh", *options, f"deploy@{self.vps.address}", *arguments]

    def ssh(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.ssh_argv(*arguments), input=stdin, capture_output=True, timeout=60, check=False)

    def at_the_gate(self, stdin: bytes, answers: int) -> list[dict[str, Any]]:
        """What the gate answers, as the end of each frame, to what is sent after the version by hand; until it ends."""
        with subprocess.Popen(self.ssh_argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin is not None and process.stdout is not None
            found = []
            try:
                process.stdin.write(greeting("/run/hostsmith/x", __version__))
                send(process.stdin, stdin)
                for line in process.stdout:
                    event = json.loads(line.partition(b"\x1e")[2])
                    found += [event] if event["event"] == "done" else []
                    if len(found) == answers:
                        break
            finally:
                process.stdin.close()
            return found

    def pid(self, app: str) -> int:
        """A process of an app."""
        return int(self.vps.run(f"pgrep -u {app} -o gunicorn"))

    def probe(self, user: str, attempts: str, **values: Any) -> dict[str, str]:
        """Run attempts, lines of Python as `name: expression`, as a user; returns the error of each, or "done"."""
        lines = [line.strip().partition(": ") for line in attempts.strip().splitlines()]
        names = {name: expression for name, _, expression in lines}
        script = _PROBE.format(values=values, attempts=names)
        return dict(json.loads(self.vps.run(f"cd / && runuser -u {user} -- python3 -I -", stdin=script)))


def send(stdin: IO[bytes], data: bytes) -> None:
    """Write it all, unless the other end has had enough."""
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[stdin.write(data) :]


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


def crafted(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"op": "converge", "resources": wire.dump(list(resources)), "modules": {}, "hold": False, **more}


@dataclass(frozen=True)
class Template:
    """What each host with the two apps is a copy of.

    :param image: of the host.
    :param projects: the folder of each app's project, with its home beside it.
    :param key: the deployer's.
    """

    image: str
    projects: dict[str, Path]
    key: Path


def make(vps: Vps, folder: Path) -> Vps:
    """Put both apps on a provisioned host, with their projects and the deployer's key in a folder."""
    # The image is provisioned for an app without domains, and on a host there is one such.
    vps.run("rm /etc/nginx/sites-enabled/hello")
    key = folder / "alice"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", key], check=True)
    deployers = {SHOP: {"keys": [key.with_suffix(".pub").read_text().strip()]}}
    for app, domains in ((SHOP, []), (ADMIN, ["admin.example.org"])):
        project = make_project(folder / app, vps)
        project.settings(
            app=app, domains=domains, environment={"TOKEN": f"token-of-{app}"}, **SOON, deployers=deployers.get(app, {})
        )
        project.commit("settings")
        project.fab("provision", "deploy")
    return vps


def template(image: str, folder: Path) -> Template:
    """What `make` has put into the folder, with the image of its host."""
    return Template(image, {app: folder / app / "project" for app in (SHOP, ADMIN)}, folder / "alice")


def start(boot: Callable[..., Vps], template: Template, folder: Path) -> Apps:
    """Boot a host of its own with both apps, and copies of their projects."""
    vps = boot(template.image)
    vps.wait_for_site()
    projects = {}
    for app, source in template.projects.items():
        shutil.copytree(source.parent, folder / app)
        home = folder / app / "home"
        shutil.copy(vps.target.known_hosts, home / ".ssh" / "known_hosts")
        projects[app] = Project(folder / app / source.name, home, vps)
    return Apps(vps, projects, template.key)
