"""A controller that goes amid a run, by each of the ways in which one goes: the host is wholly old or wholly new."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load
from tests.hosts.slow import assert_serves, fast, make_slow, reach, slow
from tests.hosts.wire import Wire

FREE = (
    "for i in $(seq 900); do flock --nonblock /run/hostsmith.lock true && exit 0; sleep 0.1; done;"
    " cat /run/hostsmith.lock; exit 1"
)
_sizes = itertools.count(11)


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("interrupt"), vps)
    make_slow(project)
    project.fab("provision", "deploy")
    yield project
    vps.sandbox.destroy(vps.name)


FAULTS = ["ctrl-c", "kill -9", "close", "reset"]
# Of all steps and faults, those that each `make test` tries; `make faults` tries the others, too.
_SAMPLE = {"prepare": "ctrl-c", "release": "kill -9", "start": "close", "switch": "reset", "verify": "kill -9"}
CELLS = [
    pytest.param(step, fault, marks=() if chosen == fault else pytest.mark.exhaustive)
    for step, chosen in _SAMPLE.items()
    for fault in FAULTS
]


@contextlib.contextmanager
def struck(project: Project, task: str, fault: str, reached: Callable[[], None]) -> Iterator[None]:
    """Start a task, and have its controller go when it is as far as wanted; the block is what happens meanwhile."""
    with Wire(project.vps.address) as wire:
        running = start(project, task, wire)
        try:
            reached()
            strike(running, wire, fault)
            yield
            # What the host has to say to Ctrl-C is waited for.
            out, errors = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode != 0, out
    assert "Traceback" not in errors
    if fault == "ctrl-c":
        assert "interrupted" in errors, out + errors
    if fault in ("close", "reset"):
        assert "the connection was lost" in errors, out + errors
    project.vps.run(FREE)


def start(project: Project, task: str, wire: Wire) -> subprocess.Popen[str]:
    """Start a task that reaches the host through a wire."""
    project.names_hosts = False
    running = project.start("-H", f"root@127.0.0.1:{wire.port}", task)
    project.names_hosts = True
    return running


def strike(running: subprocess.Popen[str], wire: Wire, fault: str) -> None:
    faults: dict[str, Callable[[], None]] = {
        "ctrl-c": lambda: running.send_signal(signal.SIGINT),
        "kill -9": running.kill,
        "close": wire.close,
        "reset": wire.reset,
    }
    faults[fault]()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provision_that_is_cut_off(project: Project, fault: str) -> None:
    vps, live = project.vps, project.live()
    before = vps.run("cat /etc/nginx/sites-available/hello")
    project.settings(static={}, client_max_body_size=f"{next(_sizes)}m")
    project.commit("another limit")
    with Load(vps.address, connections=2) as load:
        with slow(project, "check"), struck(project, "provision", fault, lambda: reach(project)):
            pass
        assert vps.run("cat /etc/nginx/sites-available/hello") == before
        load.wait_for_everybody()
    assert load.failed == []
    # A reload of nginx, which closes connections, is no part of this.
    assert "took over the lock of an interrupted run" in project.fab("provision", "provision", "--check").stdout
    assert_serves(project, live)


@pytest.mark.parametrize(("step", "fault"), CELLS)
def test_a_deploy_that_is_cut_off(project: Project, step: str, fault: str) -> None:
    old = project.live()
    with Load(project.vps.address, connections=2) as load:
        with slow(project, step), struck(project, "deploy", fault, lambda: reach(project)):
            if step in ("switch", "verify"):
                # It waits for the answer that is asked for, or for who is at work on it, before it ends.
                fast(project, step)
        assert_serves(project, old)
        assert project.releases()[-1]["state"] == "failed"
        assert "took over the lock of an interrupted run" in project.fab("deploy").stdout
        load.wait_for_everybody()
    assert load.failed == []
    assert_serves(project, project.live())


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=() if fault == "close" else pytest.mark.exhaustive) for fault in FAULTS]
)
def test_a_deploy_that_is_cut_off_while_the_old_release_drains(project: Project, fault: str) -> None:
    vps, old = project.vps, project.live()
    proven = (
        f"for i in $(seq 900); do case $(readlink /srv/hello/current) in releases/{old}) ;; *) "
        "grep -q proven /srv/hello/current/release.json && exit 0 ;; esac; sleep 0.1; done; exit 1"
    )
    with slow(project, "drain"), Load(vps.address, connections=1, path="/drain") as visitor:
        reach(project)
        with struck(project, "deploy", fault, lambda: vps.run(proven) and None):
            fast(project, "drain")
        visitor.wait_for_everybody()
    assert visitor.failed == []
    new = project.live()
    assert new != old
    assert_serves(project, new)
    assert "took over the lock of an interrupted run" in project.fab("deploy").stdout
    assert_serves(project, project.live())


def test_a_controller_that_falls_silent_is_waited_for_and_its_place_taken(project: Project) -> None:
    live = project.live()
    project.environment["FABRIC_LOCK_TIMEOUT"] = "120"
    with slow(project, "release"), Wire(project.vps.address) as wire:
        running = start(project, "deploy", wire)
        reach(project)
        wire.silence()
        done = project.fab("provision")
        _, errors = running.communicate(timeout=120)
    assert "waiting up to 120 s for deploy by" in done.stdout
    assert "took over the lock of an interrupted run" in done.stdout
    assert "nothing was heard of the host for 45 s" in errors
    assert "Traceback" not in errors
    assert_serves(project, live)
