"""A fleet switches as a whole or not at all, whatever strikes, and visitors of the balancer notice none of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load

# What it does at its start depends on files below /run, so that a host can be told to be slow, or to fail.
APP = """\
import os
import time

if os.path.exists("/run/slow-app"):
    open("/tmp/here", "w").close()
    time.sleep(600)
if os.path.exists("/run/broken-app"):
    raise RuntimeError("this host lacks a library")


def app(environ, start_response):
    if os.path.exists("/run/slow-requests"):
        time.sleep(0.1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["HOSTSMITH_RELEASE"].encode()]
"""
SLOW_PYTHON = """\
#!/bin/sh
if [ -e /run/slow-python ]; then touch /tmp/here; sleep 600; fi
exec python3 "$@"
"""


@dataclass
class Trio:
    """Two web hosts and the balancer in front of them."""

    project: Project
    lb: Vps
    web: tuple[Vps, Vps]
    number: int = 0

    def settings(self, **changes: Any) -> None:
        first, second = self.web
        roles = {
            "web": [first.spec, {"host": second.spec, "python": "/usr/local/bin/slow-python"}],
            "lb": [self.lb.spec],
        }
        # This machine, too, asks the web hosts themselves, and not only the balancer.
        firewall = {"allow": [{"port": 80, "from": self.lb.address.rpartition(".")[0] + ".1"}]}
        base = {"roles": roles, "static": {}, "workers": 1, "batch": 1, "lock_timeout": 60, "firewall": firewall}
        self.project.settings(**{**base, **changes})

    def change(self, procfile: str = "web: gunicorn hello:app\n") -> None:
        """Commit something new, so that there is something to deploy; a new virtualenv is wanted, too."""
        self.number += 1
        self.project.write("Procfile", procfile)
        self.project.write("requirements.txt", f"# {self.number}\nflask\n")
        self.project.commit(f"change {self.number}")

    def live(self) -> list[str]:
        return [vps.live() for vps in self.web]

    def verdicts(self, document: str) -> list[str]:
        return [host["verdict"] for host in json.loads(document)["hosts"]]

    def assert_untouched(self, before: list[str]) -> None:
        """Both hosts serve what they served, run nothing else, and are free."""
        assert self.live() == before
        for vps, release in zip(self.web, before, strict=True):
            vps.run(
                "for i in $(seq 900); do flock --nonblock /run/hostsmith.lock true && exit 0; sleep 0.1; done; exit 1"
            )
            running = vps.run("supervisorctl status").split()
            assert [word.partition(":")[0] for word in running if ":web" in word] == [f"hello-{release}"]
            assert vps.http("/").body == release


@pytest.fixture(scope="module")
def booted(
    boot: Callable[..., Vps], sandbox: Sandbox, deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trio]:
    lb, web = boot(), (boot(deployed_image), boot(deployed_image))
    project = make_project(tmp_path_factory.mktemp("trio"), lb)
    project.works_on({}, *web)
    trio = Trio(project, lb, web)
    trio.settings()
    project.write("hello.py", APP)
    for vps in web:
        vps.run("cat > /usr/local/bin/slow-python && chmod 755 /usr/local/bin/slow-python", stdin=SLOW_PYTHON)
        vps.wait_for_site()
    trio.change()
    project.fab("provision", "deploy")
    yield trio
    for vps in (lb, *web):
        sandbox.destroy(vps.name)


@pytest.fixture
def trio(booted: Trio) -> Iterator[Trio]:
    booted.settings()
    yield booted
    for vps in booted.web:
        vps.run("rm -f /run/slow-app /run/slow-requests /run/slow-python /run/broken-app /tmp/here")


def test_a_rolling_deploy_and_its_rollback_drop_no_request(trio: Trio) -> None:
    before = trio.live()
    trio.change()
    with Load(trio.lb.address) as load:
        load.wait_for_everybody()
        assert trio.verdicts(trio.project.fab("deploy", "--json").stdout) == ["switched", "switched"]
        after = trio.live()
        load.wait_for_everybody()
        trio.project.fab("rollback")
        load.wait_for_everybody()
    assert load.failed == []
    assert after[0] == after[1] != before[0]
    assert set(load.answers) == {before[0], after[0]}
    assert trio.live() == before


def test_when_the_last_host_fails_the_others_go_back_and_no_request_is_dropped(trio: Trio) -> None:
    before = trio.live()
    trio.change()
    trio.web[1].run("touch /run/broken-app")
    # More visitors than the one worker can answer at once: some wait at the release that is put back.
    trio.web[0].run("touch /run/slow-requests")
    with Load(trio.lb.address) as load:
        load.wait_for_everybody()
        done = trio.project.fab("deploy", status=1)
        load.wait_for_everybody()
    assert load.failed == []
    assert "this host lacks a library" in done.stdout
    assert "the previous release is still live" in done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[-2:]] == ["reverted", "kept"]
    trio.assert_untouched(before)
    records = {row["id"]: row for rows in trio.project.json("releases").values() for row in rows}
    newest = records[max(records)]
    assert newest["state"] == "failed", "what was put back is nothing to go back to"


def test_a_failure_before_any_switch_changes_nothing(trio: Trio) -> None:
    before = trio.live()
    trio.change("web: gunicorn hello:app\nrelease: false\n")
    done = trio.project.fab("deploy", "--json", status=1)
    assert trio.verdicts(done.stdout) == ["kept", "kept"]
    assert "the release command failed, and no host has switched" in done.stderr
    trio.assert_untouched(before)


def test_the_primary_host_runs_the_release_command(trio: Trio) -> None:
    first, second = trio.web
    python = "/usr/local/bin/slow-python"
    trio.settings(
        roles={"web": [first.spec, {"host": second.spec, "primary": True, "python": python}], "lb": [trio.lb.spec]}
    )
    trio.change("web: gunicorn hello:app\nrelease: touch ~/migrated\n")
    trio.project.fab("deploy")
    assert [vps.infra.file("/srv/hello/shared/migrated").exists for vps in trio.web] == [False, True]


def test_a_host_that_is_drained_while_it_switches_is_put_back(trio: Trio) -> None:
    trio.settings(balancer={"drain": True}, batch="100%")
    trio.change()
    with Load(trio.lb.address) as load:
        load.wait_for_everybody()
        trio.project.fab("deploy")
        load.wait_for_everybody()
    assert load.failed == []
    command = "echo show servers state | socat stdio /run/haproxy/admin.sock"
    states = trio.lb.run(f"command -v socat > /dev/null || apt-get install -qy socat > /dev/null; {command}")
    administrative = [line.split()[6] for line in states.splitlines() if line.count(" ") > 10 and line[0].isdigit()]
    assert administrative == ["0", "0"]


def test_a_host_that_is_down_is_refused_or_left_behind_and_caught_up(trio: Trio, sandbox: Sandbox) -> None:
    before, (first, second) = trio.live(), trio.web
    trio.change()
    sandbox.stop(second.name)
    assert "no SSH connection" in trio.project.fab("deploy", status=1).stderr
    assert first.run("readlink /srv/hello/current").strip() == f"releases/{before[0]}"
    done = trio.project.fab("deploy", "--skip-unreachable")
    assert "still runs its previous release; the next deploy updates it" in done.stdout
    sandbox.start(second.name)
    second.wait_for_site()
    assert trio.live()[0] > trio.live()[1] == before[1]
    assert "lags behind" in trio.project.fab("status").stdout
    trio.change()
    trio.project.fab("deploy")
    assert len(set(trio.live())) == 1
    trio.project.fab("rollback", "--to", before[0])
    assert trio.live() == before


def test_a_rollback_offers_only_what_every_host_has(trio: Trio, sandbox: Sandbox) -> None:
    trio.change()
    first, second = trio.web
    trio.project.fab("deploy")
    (common,) = set(trio.live())
    trio.change()
    trio.project.fab("deploy", "--host", first.spec)
    only_here = trio.live()[0]
    trio.change()
    trio.project.fab("deploy")
    refused = trio.project.fab("rollback", "--to", only_here, status=1)
    assert f"there is no release '{only_here}'" in refused.stderr
    trio.project.fab("rollback")
    assert trio.live() == [common, common]


@pytest.mark.parametrize("phase", ["prepare", "activate"])
def test_a_host_that_dies_amid_a_deploy(trio: Trio, sandbox: Sandbox, phase: str) -> None:
    before, second = trio.live(), trio.web[1]
    trio.change()
    second.run("touch /run/slow-python" if phase == "prepare" else "touch /run/slow-app")
    running = trio.project.start("deploy", "--json")
    second.wait_for_file("/tmp/here")
    sandbox.kill(second.name)
    out, errors = running.communicate(timeout=300)
    assert running.returncode == 1, errors
    assert trio.verdicts(out) == ["kept" if phase == "prepare" else "reverted", "unreachable"]
    sandbox.start(second.name)
    second.wait_for_site()
    trio.assert_untouched(before)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
@pytest.mark.parametrize("phase", ["prepare", "release", "activate"])
def test_a_deploy_that_is_cut_off(trio: Trio, signum: signal.Signals, phase: str) -> None:
    before, (first, second) = trio.live(), trio.web
    trio.change("web: gunicorn hello:app\n" + ("release: touch /tmp/here; sleep 600\n" if phase == "release" else ""))
    if phase != "release":
        second.run("touch /run/slow-python" if phase == "prepare" else "touch /run/slow-app")
    running = trio.project.start("deploy")
    (first if phase == "release" else second).wait_for_file("/tmp/here")
    running.send_signal(signum)
    out, errors = running.communicate(timeout=120)
    assert running.returncode != 0
    trio.assert_untouched(before)
    if signum == signal.SIGINT:
        assert "Traceback" not in errors
        assert "the unfinished step has been undone" in errors
        verdict = "reverted" if phase == "activate" else "kept"
        assert [line.split()[1] for line in out.splitlines()[-2:]] == [verdict, "kept"]


def test_a_controller_that_falls_silent_is_not_waited_for(trio: Trio) -> None:
    """A laptop whose lid is shut: the connections stay, and nothing is heard any more."""
    before = trio.live()
    trio.change()
    trio.web[1].run("touch /run/slow-app")
    running = trio.project.start("deploy")
    trio.web[1].wait_for_file("/tmp/here")
    assert trio.live()[0] != before[0]
    running.send_signal(signal.SIGSTOP)
    for vps in trio.web:
        vps.run("flock --wait 150 /run/hostsmith.lock true")
    trio.assert_untouched(before)
    running.send_signal(signal.SIGCONT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "Traceback" not in errors


def test_of_two_deployers_one_waits_for_the_other(trio: Trio) -> None:
    trio.change()
    racers = [trio.project.start("deploy", "--json") for _ in range(2)]
    ended = [(racer.communicate(timeout=300), racer.returncode) for racer in racers]
    assert [status for _, status in ended] == [0, 0], ended
    ids = [json.loads(out)["release"] for (out, _), _ in ended]
    assert trio.live() == [max(ids)] * 2


def test_a_host_is_one_session_for_a_whole_deploy(trio: Trio) -> None:
    trio.change()
    before = [vps.sessions() for vps in trio.web]
    trio.project.fab("deploy")
    # Each count is a session, too.
    assert [vps.sessions() - count for vps, count in zip(trio.web, before, strict=True)] == [2, 2]


def test_a_host_that_fails_keeps_no_other_from_being_provisioned(trio: Trio) -> None:
    first, second = trio.web
    first.run(
        "flock --close /run/hostsmith.lock sh -c 'touch /run/held; exec sleep 600' "
        "> /dev/null 2>&1 & echo $! > /run/holder"
    )
    first.wait_for_file("/run/held")
    trio.settings(lock_timeout=0)
    second.run("rm /etc/logrotate.d/hello")
    done = trio.project.fab("provision", status=1)
    first.run("kill $(cat /run/holder)")
    assert f"{first.address} is held by" in done.stderr
    assert second.infra.file("/etc/logrotate.d/hello").exists
