"""The agent in a process of its own: started, fed and left as a controller does it, with all that can go wrong."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hostsmith.agent import lock
from hostsmith.connection import pack
from hostsmith.resources import Command, Directory, File, Secret, Symlink, Validated
from local_host import NASTY, Agent, nobody_reads, program, programs, tree
from own_resources import Append, Buggy


@pytest.fixture
def pipe(place: Path) -> Path:
    """A named pipe: a command that reads from it waits, and opening it to write waits for that command."""
    path = place / "pipe"
    os.mkfifo(path)
    return path


def waits(pipe: Path) -> Command:
    """A command that runs until it is killed or the pipe is closed."""
    return Command(["cat", str(pipe)], label="wait")


def test_files_converge_and_events_come_back(tmp_path: Path, place: Path) -> None:
    log, names = Append(f"{tmp_path}/log"), list(NASTY.values())[:6]
    resources = [
        Directory(f"{place}/conf", mode=0o750),
        *(File(f"{place}/conf/{name}", f"{name}\n", notify=log) for name in names),
        Symlink(f"{place}/current", "conf"),
    ]
    with Agent(tmp_path) as agent:
        first, second = agent.converge(*resources), agent.converge(*resources)
    assert first.states == ["changed"] * 8 + ["ran"]
    assert second.states == ["ok"] * 8
    assert (place / "conf/it's").read_text() == "it's\n"
    assert (tmp_path / "log").read_text() == "ran\n"
    assert agent.process.returncode == 0


def test_a_dry_run_touches_nothing(tmp_path: Path, place: Path) -> None:
    with Agent(tmp_path) as agent:
        outcome = agent.converge(File(f"{place}/f", "text", notify=Append(f"{tmp_path}/log")), op="plan")
    assert outcome.states == ["changed", "ran"]
    assert tree(place) == {}
    assert not (tmp_path / "state").exists()


def test_what_programs_and_resources_print_is_not_taken_for_events(tmp_path: Path) -> None:
    with Agent(tmp_path) as agent:
        outcome = agent.converge(Command(["sh", "-c", 'echo \'{"event": "done"}\'; echo >&2 noise']))
    assert (outcome.ok, outcome.states) == (True, ["changed"])


def test_what_goes_wrong_in_one_request_leaves_the_next_to_be_served(tmp_path: Path, place: Path) -> None:
    with Agent(tmp_path) as agent:
        assert "KeyError" in agent.converge(Buggy()).error
        agent.send(op="converge", resources=[{"$type": "nowhere:X", "fields": {}}], modules={}, folder=str(tmp_path))
        assert "the host cannot load nowhere:X: No module named 'nowhere'" in agent.outcome().error
        agent.send(op="converge", resources=[], modules={"own": "import no_such_module"}, folder=str(tmp_path))
        assert "No module named 'no_such_module'" in agent.outcome().error
        agent.send(op="nonsense")
        assert not agent.outcome().ok
        assert agent.converge(File(f"{place}/f", "text")).ok


def test_a_secret_is_nowhere_but_in_its_file(tmp_path: Path, place: Path) -> None:
    with Agent(tmp_path) as agent:
        secret = File(f"{place}/env", Secret("hunter2"), mode=0o600)
        texts = [agent.converge(secret, op="plan").text, agent.converge(secret).text]
        texts += [agent.converge(Validated("v", (File(f"{place}/env", Secret("hunter3")),), ["false"])).text]
        command_line = Path(f"/proc/{agent.process.pid}/cmdline").read_bytes()
    assert "hunter" not in "".join(texts)
    assert b"hunter" not in command_line
    assert (place / "env").read_text() == "hunter2"


def test_a_secret_that_a_program_prints_is_hidden(tmp_path: Path, place: Path) -> None:
    careless = Command(["sh", "-c", f"cat {place}/env; exit 1"])
    with Agent(tmp_path) as agent:
        outcome = agent.converge(File(f"{place}/env", Secret("pass: 'hunter2\nhunter2-and-more'")), careless)
    assert "***" in outcome.error
    assert "hunter2" not in outcome.text


class TestStart:
    """Getting from a login shell to the agent."""

    @pytest.mark.parametrize("shell", ["sh", "bash"])
    def test_in_a_posix_shell(self, tmp_path: Path, shell: str) -> None:
        with Agent(tmp_path, command=f"exec {shell} -c {shlex.quote(pack.start_command(False))}") as agent:
            assert agent.converge().ok

    @pytest.mark.parametrize("password", [False, True])
    def test_through_sudo_when_not_root(self, tmp_path: Path, password: bool) -> None:
        folder = programs(tmp_path)
        program(folder / "id", "echo 1000")
        read = "read -r word; " if password else ""
        done = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
        program(folder / "sudo", f'{read}echo "$word $*" | head -n 1 > {tmp_path}/said; {done}')
        first = b"pass word\n" if password else b""
        with Agent(tmp_path, first, pack.start_command(password), SSH_AUTH_SOCK="/tmp/a b") as agent:
            assert agent.converge(Command(["sh", "-c", f'echo "$SSH_AUTH_SOCK" > {tmp_path}/agent'])).ok
        said = (tmp_path / "said").read_text()
        expected = (
            "pass word -H -S -p  -- env SSH_AUTH_SOCK=/tmp/a b" if password else " -H -n -- env SSH_AUTH_SOCK=/tmp/a b"
        )
        assert said.startswith(expected)
        assert (tmp_path / "agent").read_text() == "/tmp/a b\n"

    def test_a_password_that_sudo_did_not_ask_for_is_passed_over(self, tmp_path: Path) -> None:
        with Agent(tmp_path, b"hostsmith2\npass word\n", pack.start_command(True)) as agent:
            assert agent.converge().ok

    def test_neither_root_nor_sudo(self, tmp_path: Path) -> None:
        folder = programs(tmp_path)
        program(folder / "id", "echo 1000")
        (folder / "base64").symlink_to("/usr/bin/base64")
        command = f"PATH={folder} exec /bin/sh -c {shlex.quote(pack.start_command(False))}"
        with Agent(tmp_path, command=command) as agent:
            assert agent.process.stderr is not None
            assert agent.process.stderr.read() == b"sudo: not installed\n"
        assert agent.process.returncode == 97

    def test_a_controller_that_goes_before_the_agent_has_begun(self, tmp_path: Path) -> None:
        with Agent(tmp_path) as agent:
            pass
        assert agent.process.returncode == 0

    def test_an_old_python_is_told(self, tmp_path: Path) -> None:
        old = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[-1])"
        program(programs(tmp_path) / "python3", f'exec {sys.executable} -c {shlex.quote(old)} "$@"')
        with Agent(tmp_path) as agent:
            assert agent.process.stderr is not None
            text = agent.process.stderr.read()
        assert text == b"found Python 3.9 on the host, expected 3.10 or newer"
        assert agent.process.returncode == pack.OLD_PYTHON

    def test_without_python_it_is_installed_first(self, tmp_path: Path) -> None:
        """The apt-get of this test makes the python3 that was missing; it must not eat what is sent to the agent."""
        folder = programs(tmp_path)
        for name in ("sh", "cat", "chmod", "base64"):
            (folder / name).symlink_to(f"/bin/{name}")
        install = f"printf '#!/bin/sh\\nexec {sys.executable} \"$@\"\\n' > {folder}/python3; chmod 755 {folder}/python3"
        program(folder / "apt-get", f'cat; echo "$*" >> {tmp_path}/apt; [ "$2" = update ] || {{ {install}; }}')
        command = f"PATH={folder} exec /bin/sh -c {shlex.quote(pack.start_command(False))}"
        with Agent(tmp_path, command=command) as agent:
            assert agent.converge().ok
        assert (tmp_path / "apt").read_text() == "-q update\n-qy install --no-install-recommends python3\n"


class TestGone:
    """The controller goes away, or the run is told to stop."""

    def group(self, place: Path, pipe: Path, log: Path) -> Validated:
        return Validated(
            "group",
            (File(f"{place}/f", "new"), Directory(f"{place}/d"), waits(pipe)),
            notify=Append(str(log), "group"),
        )

    def test_amid_a_resource_it_is_put_back_and_what_runs_is_ended(
        self, tmp_path: Path, place: Path, pipe: Path
    ) -> None:
        (place / "f").write_text("old")
        before = tree(place)
        with Agent(tmp_path) as agent:
            agent.start([self.group(place, pipe, tmp_path / "log")])
            with pipe.open("wb"):
                assert (place / "f").read_text() == "new"
                agent.close()
                outcome = agent.outcome()
        assert (outcome.results, outcome.error) == ([("group", "failed")], "interrupted")
        assert outcome.events[-1] == {"event": "done", "ok": False, "interrupted": True}
        assert tree(place) == before
        nobody_reads(pipe)
        with Agent(tmp_path) as agent:
            assert agent.converge(Directory(str(place))).results == [(f"directory {place}", "ok")], "nothing is owed"

    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_does_the_same(self, tmp_path: Path, place: Path, pipe: Path, signum: int) -> None:
        with Agent(tmp_path) as agent:
            agent.lock()
            holder = lock.holder(agent.lock_path)
            assert holder is not None
            agent.start([File(f"{place}/kept", "x"), self.group(place, pipe, tmp_path / "log")])
            with pipe.open("wb"):
                os.kill(holder["pid"], signum)
                outcome = agent.outcome()
            assert outcome.states == ["changed", "failed"]
            assert agent.process.wait(30) == 0
            assert lock.holder(agent.lock_path) is None
        assert sorted(tree(place)) == ["kept", "pipe"]

    def test_killed_amid_a_resource_its_handler_is_not_lost(self, tmp_path: Path, place: Path, pipe: Path) -> None:
        """kill -9, the power, the kernel: nothing can be put back, but what is owed is in a file."""
        log = tmp_path / "log"
        resources = [File(f"{place}/f", "new", notify=Append(str(log), "first"))]
        with Agent(tmp_path) as agent:
            agent.lock()
            holder = lock.holder(agent.lock_path)
            assert holder is not None
            agent.start([*resources, self.group(place, pipe, log)])
            with pipe.open("wb"):
                os.kill(holder["pid"], signal.SIGKILL)
                assert agent.process.wait(30) == 128 + signal.SIGKILL
        assert lock.holder(agent.lock_path) is None
        assert not log.exists()
        with Agent(tmp_path) as agent:
            outcome = agent.converge(*resources)
        assert outcome.states == ["ok", "ran", "ran"]
        assert log.read_text() == "first\ngroup\n"

    def test_killed_amid_the_check_of_a_group_the_next_run_puts_it_back_first(
        self, tmp_path: Path, place: Path, pipe: Path
    ) -> None:
        def group(validate: list[str]) -> Validated:
            return Validated("group", (File(f"{place}/f", "bad"),), validate, notify=Append(f"{tmp_path}/log"))

        with Agent(tmp_path) as agent:
            agent.lock()
            holder = lock.holder(agent.lock_path)
            assert holder is not None
            agent.start([group(["cat", str(pipe)])])
            with pipe.open("wb"):
                os.kill(holder["pid"], signal.SIGKILL)
                agent.process.wait(30)
        assert (place / "f").read_text() == "bad"
        with Agent(tmp_path) as agent:
            taken_over, put_back, _ = agent.lock(who="bob@desk")
            begin = "took over the lock of an interrupted run: deploy by ann@laptop since "
            assert taken_over["text"].startswith(begin)
            assert put_back["text"] == f"rolled back a change of an interrupted run: {place}/f"
            assert not (place / "f").exists()
            assert not agent.converge(group(["false"])).ok
            assert [event["event"] for event in agent.lock()] == ["done"], "told once"
        assert not (tmp_path / "log").exists(), "no service meets a configuration that was refused"

    def test_a_handler_owed_by_another_project_does_not_stop_this_one(self, tmp_path: Path, place: Path) -> None:
        owes = [File(f"{place}/f", "new", notify=Append(f"{tmp_path}/log")), Command(["false"])]
        with Agent(tmp_path) as agent:
            assert not agent.converge(*owes).ok
        with Agent(tmp_path) as agent:
            outcome = agent.converge(Directory(str(place)))
            assert (outcome.ok, outcome.states) == (True, ["ok"])
            assert "own_resources:Append" in outcome.notes[0]
            assert agent.converge(owes[0]).states == ["ok", "ran"]

    def test_between_requests_nothing_is_left_to_do(self, tmp_path: Path, place: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.lock()
            agent.converge(File(f"{place}/f", "x"))
        assert agent.process.returncode == 0
        assert lock.holder(agent.lock_path) is None
        with Agent(tmp_path) as agent:
            assert [event["event"] for event in agent.lock()] == ["done"], "it was not cut off"

    def test_a_request_that_was_cut_off_is_not_begun(self, tmp_path: Path, place: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.write(b"1000\nhalf of it")
            agent.close()
            assert agent.process.wait(30) == 0
        assert tree(place) == {}

    @pytest.mark.parametrize("garbage", [b"nonsense\n", b"4\nabcd"])
    def test_what_is_no_request_ends_the_agent(self, tmp_path: Path, garbage: bytes) -> None:
        with Agent(tmp_path) as agent:
            agent.lock()
            agent.write(garbage)
            agent.process.wait(30)
            assert lock.holder(agent.lock_path) is None

    def test_a_controller_that_reads_no_more_does_not_stop_the_change_that_is_made(
        self, tmp_path: Path, place: Path
    ) -> None:
        with Agent(tmp_path) as agent:
            agent.lock()
            assert agent.process.stdout is not None
            agent.process.stdout.close()
            agent.start([File(f"{place}/f", "x")])
            agent.close()
            assert agent.process.wait(30) == 0


class TestLock:
    """One run changes a host at a time."""

    def test_the_second_is_told_who_and_gets_it_when_the_first_has_ended(self, tmp_path: Path) -> None:
        with Agent(tmp_path) as first, Agent(tmp_path) as second:
            assert first.lock(who="ann@laptop")[-1]["ok"]
            refused = second.lock(who="bob@desk")[-1]
            assert not refused["ok"]
            assert refused["locked"].startswith("deploy by ann@laptop since ")
            second.send(
                op="lock",
                holder={"who": "bob@desk", "what": "provision"},
                wait=60,
                path=second.lock_path,
                journal=second.journal,
            )
            events = second.events()
            assert next(events)["text"].startswith("waiting up to 60 s for deploy by ann@laptop since ")
            first.close()
            assert [event["event"] for event in events] == ["done"], "told once"
            holder = lock.holder(second.lock_path)
            assert holder is not None
            assert holder["who"] == "bob@desk"

    @pytest.mark.parametrize(
        "frame",
        [
            {"op": "converge", "resources": [], "modules": {}},
            {"op": "confirm"},
            {"op": "load", "argv": ["true"]},
            {"op": "act", "action": "resolve", "arguments": {}},
        ],
        ids=lambda frame: frame["op"],
    )
    def test_nothing_that_changes_the_host_is_done_before_after_or_when_its_file_is_gone(
        self, tmp_path: Path, frame: dict[str, Any]
    ) -> None:
        def error(agent: Agent) -> str:
            agent.send(**frame)
            return agent.outcome().error

        with Agent(tmp_path) as agent:
            found = [error(agent)]
            agent.lock()
            Path(agent.lock_path).unlink()
            found.append(error(agent))
            agent.send(op="unlock")
            assert agent.outcome().ok
            found.append(error(agent))
            agent.lock()
            assert "needs the lock" not in error(agent)
        assert ["needs the lock" in each for each in found] == [True] * 3

    def test_nothing_is_put_back_beside_another_run_but_when_the_controller_goes(
        self, tmp_path: Path, place: Path
    ) -> None:
        with Agent(tmp_path) as agent:
            agent.start([File(f"{place}/f", "x")], hold=True)
            assert agent.outcome().ok
            Path(agent.lock_path).unlink()
            agent.send(op="put_back")
            assert "needs the lock" in agent.outcome().error
            assert list(tree(place)) == ["f"]
        assert tree(place) == {}

    def test_a_balancer_that_had_nothing_to_drain_has_nothing_to_put_back(self, tmp_path: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.send(op="put_back")
            assert agent.outcome().ok

    def test_an_answer_that_nobody_asked_for_and_that_says_nothing_ends_no_run(self, tmp_path: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.send(op="proof")
            assert agent.converge().ok

    def test_it_is_not_given_back_while_changes_are_held_and_they_go_back_with_the_run(
        self, tmp_path: Path, place: Path
    ) -> None:
        with Agent(tmp_path) as agent:
            agent.start([File(f"{place}/f", "x")], hold=True)
            assert agent.outcome().ok
            agent.send(op="unlock")
            assert "found held changes" in agent.outcome().error
            assert lock.holder(agent.lock_path)
        assert tree(place) == {}

    def test_breaking_it_has_the_run_put_back_what_it_had_begun(self, tmp_path: Path, place: Path, pipe: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.lock()
            agent.start([Validated("group", (File(f"{place}/f", "new"), waits(pipe)))])
            with pipe.open("wb"):
                found = lock.break_lock(agent.lock_path)
                assert found is not None
                assert found["who"] == "ann@laptop"
            assert not agent.outcome().ok
        assert list(tree(place)) == ["pipe"]


class TestTogether:
    """Several requests are sent at once, each of which stands on the one before it."""

    def test_without_the_lock_nothing_is_changed(self, tmp_path: Path, place: Path) -> None:
        with Agent(tmp_path) as first, Agent(tmp_path) as second:
            first.lock()
            second.start_lock(who="bob@desk")
            second.start([File(f"{place}/f", "x")], follows=True)
            second.start([File(f"{place}/g", "x")], follows=True)
            assert second.outcome().events[-1]["locked"].startswith("deploy by ann@laptop since ")
            assert [second.outcome().error for _ in range(2)] == ["skipped, since the previous step failed"] * 2
            assert "needs the lock" in second.converge(File(f"{place}/h", "x")).error, "whatever it stands on"
            assert second.converge(File(f"{place}/h", "x"), op="plan").states == ["changed"], "to look needs none"
        assert tree(place) == {}

    def test_what_follows_something_that_failed_is_not_done(self, tmp_path: Path, place: Path) -> None:
        with Agent(tmp_path) as agent:
            agent.start([Command(["false"])])
            agent.start([File(f"{place}/f", "x")], follows=True)
            assert [agent.outcome().ok, agent.outcome().ok] == [False, False]
        assert tree(place) == {}

    def test_when_the_controller_goes_what_it_has_sent_ahead_is_not_begun(
        self, tmp_path: Path, place: Path, pipe: Path
    ) -> None:
        with Agent(tmp_path) as agent:
            agent.start([waits(pipe)])
            agent.start([File(f"{place}/f", "x")], follows=True)
            with pipe.open("wb"):
                agent.close()
                assert agent.outcome().events[-1] == {"event": "done", "ok": False, "interrupted": True}
                assert agent.process.wait(30) == 0
        assert list(tree(place)) == ["pipe"]


def test_what_it_has_made_is_for_others_to_read_and_not_to_write_whatever_it_was_started_with(
    tmp_path: Path, place: Path
) -> None:
    serve = "import sys; from hostsmith.agent.main import main; main(sys.stdin.buffer)"
    command = f"umask 0; read first; exec {shlex.quote(sys.executable)} -c {shlex.quote(serve)}"
    with Agent(tmp_path, command=command) as agent:
        assert agent.converge(Command(["touch", f"{place}/f"])).ok
    assert tree(place)["f"][1] == 0o644
