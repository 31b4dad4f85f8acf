"""The run on the host is killed (-9) between any two of its steps: the site serves, and the next run mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load
from tests.hosts.slow import assert_serves

# Python on the host loads this at its start, also with -I. It kills the run when it is about to say for the n-th
# time that it begins with a resource or a handler, or is done with a request; nothing in the product knows of it.
KILLER = """\
import json
import os

_write, _left = os.write, None


def write(fd, data):
    global _left
    if data[:1] == b"\\x1e" and json.loads(data[1:])["event"] in ("start", "done"):
        if _left is None:
            with open("/run/kill-at") as file:
                _left = int(file.read())
        with open("/run/events", "ab") as file:
            file.write(data[1:])
        _left -= 1
        if not _left:
            os.unlink("/run/kill-at")
            os.kill(os.getpid(), 9)
    return _write(fd, data)


if os.path.exists("/run/kill-at"):
    os.write = write
"""
APP = """\
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["HOSTSMITH_RELEASE"].encode()]
"""
# All that provision makes, but for the packages, which take minutes to come and go.
FORGET = """\
systemctl disable --now --quiet nginx supervisor
rm -rf /srv/hello /var/log/hello /etc/logrotate.d/hello /etc/supervisor/conf.d/hello.conf /etc/nginx/sites-*/hello
ln -sf /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default
userdel hello
"""
ALL = pytest.param(1, marks=pytest.mark.exhaustive, id="all")
OWED, JOURNAL = "/var/lib/hostsmith/owed.json", "/etc/tmpfiles.d/hostsmith.conf"


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("kills"), vps)
    project.settings(static={}, workers=1)
    project.write("hello.py", APP)
    project.write("requirements.txt", "")
    project.write("Procfile", "web: gunicorn hello:app\nrelease: true\n")
    project.commit("a small app")
    vps.run(
        "cat > $(python3 -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))')/sitecustomize.py", stdin=KILLER
    )
    yield project
    vps.sandbox.destroy(vps.name)


def killed(project: Project, task: str, at: int, before: str = "true") -> bool:
    """Run a task whose run on the host is killed in place of its n-th event; whether it was.

    :param before: a command for the host.
    """
    project.vps.run(f"{before}\n echo {at} > /run/kill-at; rm -f /run/events")
    running = project.start(task)
    _, errors = running.communicate(timeout=120)
    assert "Traceback" not in errors
    over = running.returncode == 0
    assert project.vps.run("rm /run/kill-at 2> /dev/null && echo over || true") == ("over\n" if over else "")
    return not over


def found(vps: Vps, *paths: str) -> str:
    """What these files contain, as far as they are there; and that the host is free."""
    return vps.run(f"cat {' '.join(paths)} 2> /dev/null; flock --nonblock /run/hostsmith.lock true")


# Of the many steps `make test` tries some, `make faults` all.
@pytest.mark.parametrize("stride", [pytest.param(5, id="some"), ALL])
def test_a_provision_that_is_killed_between_any_two_steps(project: Project, stride: int) -> None:
    vps, at = project.vps, 0
    while killed(project, "provision", at := at + stride, FORGET):
        left = found(vps, "/run/events", OWED)
        again = project.fab("provision", "provision", "--check").stdout
        # It answers three times: the lock is taken, all is done, the lock is free. Then there is nothing to cut off.
        was_over = left.count('"event": "done"') == 3
        assert ("took over the lock of an interrupted run" in again) != was_over, left
        assert "reload nginx" in again or "Reload" not in left, left
        site = vps.run(f"nginx -T 2> /dev/null; test ! -e {JOURNAL}")
        assert "hello" in site, left
    assert at > 10


@pytest.mark.parametrize("stride", [pytest.param(2, id="some"), ALL])
def test_a_deploy_that_is_killed_between_any_two_steps(project: Project, stride: int) -> None:
    vps, at, went_back = project.vps, 0, []
    project.fab("provision", "deploy")
    with Load(vps.address, connections=1) as load:
        while killed(project, "deploy", at := at + stride):
            left = found(vps, "/run/events", "/srv/hello/current/env")
            assert f"HOSTSMITH_RELEASE={vps.http('/').body}\n" in left
            went_back.append("live release" in found(vps, JOURNAL))
            again = project.fab("status", "deploy").stdout
            assert ("the next one first reverts: live release" in again) == went_back[-1], left
            assert ("rolled back a change of an interrupted run: live release" in again) == went_back[-1], left
            assert "took over the lock of an interrupted run" in again, left
            assert_serves(project, again.partition("hello: release ")[2].split()[0])
            load.wait_for_everybody()
    assert load.failed == []
    project.fab("provision", "--check")
    # Only from when the new release is started until the switch is confirmed is there something to take back.
    assert (went_back[0], went_back[-1], went_back.count(True) >= 2 / stride) == (False, False, True)
    assert at > 8
