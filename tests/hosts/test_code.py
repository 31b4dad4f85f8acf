"""The agent's code on a real host: sent once; what cannot be kept there is sent each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Project, Vps, make_project

# Bytes: of the code alone; and of all else, two SSH handshakes included.
CODE, REST = 120_000, 40_000


@pytest.fixture(scope="module")
def machine(boot: Callable[..., Vps], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    vps = boot()
    yield make_project(tmp_path_factory.mktemp("code"), vps)
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(machine: Project) -> Project:
    """A project with a host that has no code yet."""
    machine.vps.run("umount /run/hostsmith 2>/dev/null; rm -rf /run/hostsmith")
    return machine


def sends_code(project: Project) -> bool:
    """Whether a run, which must go well, sends the code."""
    before = received(project.vps)
    project.fab("status")
    sent = received(project.vps) - before
    assert sent > CODE or sent < REST, sent
    return sent > CODE


def received(vps: Vps) -> int:
    """Bytes that the host has been sent so far."""
    return int(vps.run("cat /sys/class/net/host0/statistics/rx_bytes"))


def kept(project: Project) -> list[str]:
    return project.vps.run("ls -A /run/hostsmith").split()


def test_the_code_is_sent_once_and_is_roots_alone(project: Project) -> None:
    assert [sends_code(project), sends_code(project)] == [True, False]
    assert len(kept(project)) == 1
    assert project.vps.run("find /run/hostsmith -not -user root -o -perm /022") == ""


@pytest.mark.parametrize("options", ["size=1200k", "nr_inodes=20"])
def test_where_there_is_no_room_for_it_all_runs_go_well(project: Project, options: str) -> None:
    project.vps.run(f"mkdir /run/hostsmith && mount -t tmpfs -o mode=755,{options} tmpfs /run/hostsmith")
    sends_code(project)
    assert project.vps.run("find /run/hostsmith -name '*.pyc' -size -1") == ""
    project.vps.run("mount -o remount,rw,size=64m,nr_inodes=10k /run/hostsmith")
    sends_code(project)
    assert not sends_code(project)
    assert len(kept(project)) == 1


def test_a_folder_that_another_user_may_change_is_not_used(project: Project) -> None:
    sends_code(project)
    project.vps.run(
        "chown -R nobody /run/hostsmith/* && cd /run/hostsmith/*/hostsmith/agent"
        ' && rm -r __pycache__ && echo \'open("/run/pwned", "w")\' > __init__.py'
    )
    assert sends_code(project)
    project.vps.run("chown nobody /run/hostsmith")
    assert sends_code(project)
    assert project.vps.run("ls /run/pwned", ok=False) == ""


def test_two_first_runs_at_once(project: Project) -> None:
    running = [project.start("status") for _ in range(2)]
    for process in running:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert len(kept(project)) == 1
    assert not sends_code(project)
