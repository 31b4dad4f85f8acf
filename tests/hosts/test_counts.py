"""What a run costs, in what can be counted: connections, channels, round trips, bytes, programs started on the host.

A figure that has become smaller is a reason to lower its limit; one that is over it, to look for what was added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hostsmith.connection.transport import KEEPALIVE
from hostsmith.contract.controller import BEAT

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.tracing import traced
from tests.hosts.wire import Wire


@dataclass(frozen=True)
class Counts:
    """What a run took of a host.

    :param connections: SSH connections, each with a handshake.
    :param channels: commands executed over them.
    :param trips: how often we sent something after we had heard something, heartbeats aside. On an idle machine it is 6
        for provision, 10 for deploy and 9 for rollback; on a busy one, what is heard comes in more pieces.
    :param up, down: bytes to the host, and from it.
    :param programs: those started on the host: by sshd, and by what it starts.
    """

    connections: int
    channels: int
    trips: int
    up: int
    down: int
    programs: int

    def assert_at_most(self, limit: Counts) -> None:
        over = [
            f"{name}: found {found}, expected at most {most}"
            for (name, found), most in zip(vars(self).items(), vars(limit).values(), strict=True)
            if found > most
        ]
        assert not over, "\n".join(over)


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    project = make_project(tmp_path_factory.mktemp("counts"), vps)
    # The first run since the host was booted sends the code, too.
    project.fab("provision")
    yield project
    vps.sandbox.destroy(vps.name)


def test_provision_with_nothing_to_change(project: Project) -> None:
    costs(project, "provision").assert_at_most(Counts(1, 1, trips=9, up=11_500, down=13_500, programs=16))


def test_deploy_of_a_revision_with_the_same_requirements(project: Project) -> None:
    project.write("new.txt", "new\n")
    project.commit("something new")
    costs(project, "deploy").assert_at_most(Counts(1, 1, trips=13, up=9_500, down=12_500, programs=18))


def test_rollback(project: Project) -> None:
    project.fab("deploy")
    costs(project, "rollback").assert_at_most(Counts(1, 1, trips=12, up=7_000, down=6_000, programs=13))


def test_several_tasks_of_one_command_line_share_a_connection(project: Project) -> None:
    found = costs(project, "provision", "deploy")
    assert (found.connections, found.channels) == (1, 2)


def costs(project: Project, *tasks: str) -> Counts:
    """Run tasks of fab on the host, and count what it took."""
    before, start = project.vps.sessions(), time.monotonic()
    with Wire(project.vps.address) as wire, traced(project.vps, "execve") as programs:
        project.names_hosts = False
        try:
            project.fab("-H", f"root@127.0.0.1:{wire.port}", *tasks)
        finally:
            project.names_hosts = True
    seconds = time.monotonic() - start
    heartbeats = int(seconds / BEAT) + int(seconds / KEEPALIVE)
    # The session that counts is one, too.
    channels = project.vps.sessions() - before - 1
    trips, up, down = (sum(getattr(each, name) for each in wire.connections) for name in ("trips", "up", "down"))
    return Counts(len(wire.connections), channels, trips - heartbeats, up, down, len(programs))
