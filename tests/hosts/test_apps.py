"""What an app that misbehaves costs: a deploy that fails with the reason, while the old release serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

GUNICORN = "web: gunicorn hello:app\n"
WELL = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
# A server of the app's own, on the release's socket; what stands above decides how it answers.
SERVER = """
import os, signal, socket, subprocess, sys, time

def serve(answer=b"200 OK"):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    listener.listen(50)
    listener.set_inheritable(True)
    while True:
        connection = listener.accept()[0]
        connection.recv(65536)
        if answer is None:
            time.sleep(600)
        connection.sendall(b"HTTP/1.1 " + answer + b"\\r\\nContent-Length: 0\\r\\n\\r\\n")
        connection.close()
"""


@dataclass(frozen=True)
class Bad:
    """An app that does not become well.

    :param code: hello.py, which `python hello.py` runs, or gunicorn loads.
    :param said: what must stand in the report.
    :param timeout: health.timeout; well beyond what it takes where the app's end, and not the time, must end the wait.
    """

    code: str
    said: str
    procfile: str = "web: python hello.py $SOCKET\n"
    timeout: int = 120


BAD = {
    "exits-at-import": Bad("raise SystemExit('no settings')\n", "no settings", GUNICORN),
    "is-killed-at-import": Bad("import os\nos.kill(os.getpid(), 9)\n", "ended while it was being loaded", GUNICORN),
    "ends-after-some-seconds": Bad(
        f"{SERVER}\ntime.sleep(3)\nprint('lost the database')\nsys.exit(1)\n", "lost the database"
    ),
    "is-well-only-without-nginx": Bad(
        "def app(environ, start_response):\n"
        "    start_response('503 Busy' if 'HTTP_X_REAL_IP' in environ else '200 OK', [])\n    return [b'']\n",
        "healthy on its own socket, but not through nginx: GET /healthz answered 503",
        GUNICORN,
    ),
    "answers-500": Bad(f"{SERVER}\nserve(b'500 Oops')\n", "GET /healthz answered 500, expected 200-299", timeout=1),
    "answers-301": Bad(
        f"{SERVER}\nserve(b'301 Moved\\r\\nLocation: /login')\n",
        "answered 301 to /login, expected 200-299; set health.path",
        timeout=1,
    ),
    "answers-404": Bad(f"{SERVER}\nserve(b'404 Not Found')\n", "answered 404, expected 200-299", timeout=1),
    "never-answers": Bad(f"{SERVER}\nserve(None)\n", "not healthy within 2 s: GET /healthz: timed out", timeout=2),
    "never-listens": Bad(f"{SERVER}\ntime.sleep(600)\n", "it is not listening on its socket yet", timeout=1),
    "leaves-its-socket-to-a-child": Bad(
        f"{SERVER}\nif os.fork():\n    time.sleep(2)\n    sys.exit('the parent ended')\n"
        "os.setsid()\nserve(b'503 No')\n",
        "the parent ended",
    ),
    "goes-into-the-background": Bad(
        f"{SERVER}\nif os.fork():\n    os._exit(0)\nos.setsid()\nif os.fork():\n    os._exit(0)\nserve()\n",
        "process web ended while it was starting: Exited too quickly",
    ),
    "ignores-sigterm": Bad(
        f"{SERVER}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nserve(b'503 No')\n",
        "answered 503",
        timeout=1,
    ),
}


@pytest.fixture(scope="module")
def machine(boot: Callable[..., Vps], deployed_image: str) -> Iterator[Vps]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(machine: Vps, tmp_path: Path) -> Project:
    found = make_project(tmp_path, machine)
    found.write("requirements.txt", "gunicorn\n")
    return found


def configure(project: Project, timeout: int) -> None:
    project.settings(health={"path": "/healthz", "timeout": timeout}, web_timeout=1, drain_timeout=1, workers=2)


def running(vps: Vps) -> set[str]:
    """The releases that processes of the app belong to, as the processes themselves know it."""
    script = "for p in $(pgrep -u hello); do tr '\\0' '\\n' < /proc/$p/environ | grep ^HOSTSMITH_RELEASE=; done; true"
    return {line.partition("=")[2] for line in vps.run(script).splitlines()}


def live(vps: Vps) -> str:
    return os.path.basename(vps.run("readlink /srv/hello/current").strip())


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_an_app_that_does_not_become_well(project: Project, bad: Bad) -> None:
    vps, old = project.vps, live(project.vps)
    project.write("hello.py", bad.code)
    project.write("Procfile", bad.procfile)
    configure(project, bad.timeout)
    project.commit("misbehaves")
    done = project.fab("deploy", status=1)
    assert bad.said in done.stdout
    assert "not healthy within 120 s" not in done.stdout
    assert live(vps) == old
    assert vps.http("/").status == 200
    assert running(vps) == {old}


def test_an_old_release_that_will_not_end_is_killed_with_its_children(project: Project) -> None:
    vps = project.vps
    detached = "subprocess.Popen(['sh', '-c', 'trap : TERM; while :; do sleep 1; done'], start_new_session=True)"
    project.write(
        "hello.py", f"{SERVER}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{detached}\nserve(b'200 OK')\n"
    )
    project.write("Procfile", "web: python hello.py $SOCKET\n")
    configure(project, 20)
    project.commit("stubborn")
    project.fab("deploy")
    assert running(vps) == {live(vps)}
    project.write("hello.py", WELL)
    project.write("Procfile", GUNICORN)
    project.commit("well")
    project.fab("deploy")
    assert running(vps) == {live(vps)}
    assert vps.http("/").body == "ok"
    # What the app left in the background is not what somebody runs beside it.
    with project.start("run", "--", "sleep", "600") as beside:
        vps.run("for i in $(seq 100); do pgrep -u hello sleep && exit 0; sleep 0.1; done; exit 1")
        project.commit("more")
        project.fab("deploy")
        assert vps.run("pgrep -u hello -c sleep").strip() == "1"
        beside.terminate()
