"""Command: run unless a guard says that its work is done; its failure told in its own words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostsmith.resources import Command
from local_host import NASTY, LocalHost, nobody_reads, tree


def test_without_a_guard_it_runs_each_time(host: LocalHost, place: Path) -> None:
    count = Command(["sh", "-c", 'echo x >> "$0"', f"{place}/log"])
    for number in (1, 2):
        assert host.converge(count).states == ["changed"]
        assert (place / "log").read_text() == "x\n" * number


def test_creates_keeps_it_from_running_again(host: LocalHost, place: Path) -> None:
    make = Command(["touch", f"{place}/done"], creates=f"{place}/done")
    assert host.converge(make).states == ["changed"]
    assert host.converge(make).states == ["ok"]
    (place / "done").unlink()
    (place / "done").symlink_to("nowhere")
    assert host.converge(make).states == ["ok"], "a dangling link is there, too"


@pytest.mark.parametrize(
    ("guards", "runs"),
    [
        ({"unless": ["true"]}, False),
        ({"unless": ["false"]}, True),
        ({"unless": ["no-such-program-anywhere"]}, True),
        ({"only_if": ["true"]}, True),
        ({"only_if": ["false"]}, False),
        ({"only_if": ["true"], "unless": ["true"]}, False),
        ({"only_if": ["true"], "unless": ["false"]}, True),
    ],
)
def test_guards(host: LocalHost, place: Path, guards: dict[str, list[str]], runs: bool) -> None:
    guarded = Command(["touch", f"{place}/ran"], **guards)
    for outcome in (host.plan(guarded), host.converge(guarded)):
        assert outcome.states == ["changed" if runs else "ok"]
    assert (place / "ran").exists() == runs


def test_command_and_guards_have_its_folder_and_environment(host: LocalHost, place: Path) -> None:
    make = Command(
        ["sh", "-c", 'touch "$NAME"'], unless=["sh", "-c", 'test -e "$NAME"'], cwd=str(place), env={"NAME": "made here"}
    )
    assert [host.converge(make).states for _ in range(2)] == [["changed"], ["ok"]]
    assert list(tree(place)) == ["made here"]


def test_a_dry_run_runs_nothing(host: LocalHost, place: Path) -> None:
    assert host.plan(Command(["touch", f"{place}/ran"])).states == ["changed"]
    assert tree(place) == {}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_shell_takes_part_in_any_argument(host: LocalHost, place: Path, name: str) -> None:
    assert host.converge(Command(["touch", "--", name], cwd=str(place), creates=f"{place}/{name}")).ok
    assert list(tree(place)) == [name]


def test_its_failure_is_told_with_its_last_words(host: LocalHost) -> None:
    outcome = host.converge(Command(["sh", "-c", "echo no disk >&2; exit 3"]), Command(["true"]))
    assert outcome.states == ["failed"]
    assert outcome.error == "sh -c echo no disk >&2; exit 3: exit status 3\nno disk"


def test_what_it_printed_is_told_when_it_gave_no_error(host: LocalHost) -> None:
    lines = "".join(f"line {number}\n" for number in range(100))
    error = host.converge(Command(["sh", "-c", f"printf '{lines}'; exit 1"], label="count")).error
    assert error.splitlines()[0] == "count: exit status 1"
    assert error.splitlines()[-20:] == [f"line {number}" for number in range(80, 100)]
    assert "line 1\n" not in error, "the last lines are enough"


@pytest.mark.parametrize("signum", [9, 40])
def test_a_signal_that_killed_it_is_told(host: LocalHost, signum: int) -> None:
    assert f"killed by signal {signum}" in host.converge(Command(["sh", "-c", f"kill -{signum} $$"])).error


def test_a_program_or_folder_that_is_not_there_is_named(host: LocalHost, place: Path) -> None:
    error = host.converge(Command(["no-such-program-anywhere"])).error
    assert error == "no-such-program-anywhere: No such file or directory"
    error = host.converge(Command(["true"], cwd=f"{place}/missing")).error
    assert error == f"{place}/missing: No such file or directory"


def test_a_user_who_is_not_there_is_named(host: LocalHost) -> None:
    assert "'nobody-like-this'" in host.converge(Command(["true"], user="nobody-like-this")).error


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_as_a_user_it_has_that_users_groups_and_home(host: LocalHost) -> None:
    outcome = host.converge(Command(["sh", "-c", 'echo "$(id -un) $(id -gn) $HOME $USER"; exit 1'], user="games"))
    assert outcome.error.splitlines()[1] == "games games /usr/games games"


def test_time_up_ends_it_with_its_children(host: LocalHost, place: Path) -> None:
    os.mkfifo(place / "alive")
    script = f"(cat {place}/alive; touch {place}/outlived) & wait"
    outcome = host.converge(Command(["sh", "-c", script], timeout=0.2, label="slow"))
    assert outcome.error == "slow: still running after 0.2 s, stopped"
    nobody_reads(place / "alive")
    assert list(tree(place)) == ["alive"]


def test_a_label_stands_for_the_command_line_everywhere(host: LocalHost) -> None:
    secret = Command(["sh", "-c", "exit 1", "hunter2"], label="set password", env={"PASSWORD": "hunter2"})
    outcome = host.converge(secret)
    assert outcome.results == [("command set password", "failed")]
    assert outcome.error == "set password: exit status 1"
    slow = host.converge(Command(["sh", "-c", "cat", "hunter2"], label="slow", timeout=0.01))
    assert "hunter2" not in outcome.text + slow.text


def test_its_environment_is_not_shown(host: LocalHost) -> None:
    secret = Command(["sh", "-c", "exit 1"], env={"PASSWORD": "hunter2"})
    assert "hunter2" not in repr(secret) + host.converge(secret).text


def test_its_environment_is_known_and_in_english(host: LocalHost, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("SURPRISE", "1")
    monkeypatch.setenv("PATH", "/nowhere")
    host.converge(Command(["sh", "-c", 'echo "$LC_ALL $PATH ${SURPRISE-none}" > env'], cwd=str(place)))
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert (place / "env").read_text() == f"C.UTF-8 {path} none\n"
