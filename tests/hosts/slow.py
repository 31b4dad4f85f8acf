"""A host on which each step of a provision or a deploy can be made to wait, so that a fault can strike amid it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.hosts.conftest import Project

# Each waits while there is a file of its name below /run, and says that it does by another one.
APP = """\
import os
import time


def wait(step):
    for _ in range(600):
        if not os.path.exists("/run/slow-" + step):
            return
        open(os.path.expanduser("~/here"), "w").close()
        time.sleep(0.1)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/drain":
        wait("drain")
    if environ["PATH_INFO"] == "/healthz":
        # Asked on its socket before the switch, through nginx at its end, and once more when all hosts have switched.
        mark = os.path.expanduser("~/asked-" + os.environ["HOSTSMITH_RELEASE"])
        asked = os.path.exists(mark)
        step = "start" if "HTTP_X_REAL_IP" not in environ else "verify" if asked else "switch"
        if step == "switch":
            open(mark, "w").close()
        wait(step)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["HOSTSMITH_RELEASE"].encode()]
"""
PROCFILE = """\
web: gunicorn hello:app
release: while [ -e /run/slow-release ]; do touch ~/here; sleep 0.1; done
"""
_PROGRAMS = {"/usr/sbin/nginx": ("check", "-t"), "/usr/bin/git": ("prepare", "read-tree")}


def make_slow(project: Project) -> None:
    """Prepare the project and its host."""
    # Its health page, which waits in some steps, has workers left for the visitors.
    project.settings(static={}, workers=1, threads=8, drain_timeout=20)
    project.write("hello.py", APP)
    project.write("Procfile", PROCFILE)
    project.write("requirements.txt", "")
    project.commit("an app that can be slow")
    for program, (step, argument) in _PROGRAMS.items():
        script = (
            f'#!/bin/sh\ncase " $* " in *" {argument} "*) while [ -e /run/slow-{step} ]; do\n'
            f'touch /srv/hello/shared/here; sleep 0.1; done ;; esac\nexec {program}.real "$@"\n'
        )
        # Copied, not moved: there is always one.
        project.vps.run(f"cp -p {program} {program}.real && install -m 755 /dev/stdin {program}", stdin=script)


@contextlib.contextmanager
def slow(project: Project, step: str) -> Iterator[None]:
    """A step waits; at the end of the block it goes on, unless the host has lost its power meanwhile."""
    project.vps.run(f"rm -f /srv/hello/shared/here; touch /run/slow-{step}")
    try:
        yield
    finally:
        fast(project, step)


def fast(project: Project, step: str) -> None:
    """A step waits no more."""
    project.vps.run(f"rm -f /run/slow-{step}")


def reach(project: Project) -> None:
    """Wait until a run is amid the step that is slow."""
    project.vps.run("for i in $(seq 1200); do [ -e /srv/hello/shared/here ] && exit 0; sleep 0.1; done; exit 1")


def assert_serves(project: Project, release: str) -> None:
    """The host serves a release, and runs nothing else."""
    vps = project.vps
    assert vps.run("readlink /srv/hello/current").strip() == f"releases/{release}"
    assert vps.http("/").body == release
    running = [line.split()[0] for line in vps.run("supervisorctl status").splitlines()]
    assert running == [f"hello-{release}:web"]
