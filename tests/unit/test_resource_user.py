"""User: what is asked of useradd and usermod. The programs themselves are tried on real hosts."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from hostsmith.hostkit.linux import system
from hostsmith.resources import User


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []

    def run(argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        found.append(list(argv))
        return subprocess.CompletedProcess(argv, 0, b"", b"")

    monkeypatch.setattr(system, "run", run)
    return found


def test_a_user_keeps_the_groups_that_it_has(asked: list[list[str]]) -> None:
    change = User("daemon", groups=("mail", "games")).check()
    assert change is not None
    assert change.summary == "groups + mail, games"
    change.apply()
    assert asked == [["usermod", "--append", "--groups", "mail,games", "--", "daemon"]]


def test_home_and_shell_are_changed_and_given_back(asked: list[list[str]]) -> None:
    entry = pwd.getpwnam("daemon")
    change = User("daemon", home="/srv/daemon", shell="/bin/zsh").check()
    assert change is not None and change.undo is not None
    change.apply()
    change.undo()
    assert asked[0] == ["usermod", "--home", "/srv/daemon", "--shell", "/bin/zsh", "--", "daemon"]
    assert asked[1][0] == "usermod"
    assert asked[1][-2:] == ["--", "daemon"]
    assert {entry.pw_dir, entry.pw_shell} < set(asked[1])


def test_one_that_is_as_it_should_be_is_left_alone(asked: list[list[str]]) -> None:
    entry = pwd.getpwnam("daemon")
    assert User("daemon", home=entry.pw_dir, shell=entry.pw_shell).check() is None
    assert asked == []


@pytest.mark.parametrize(
    ("user", "options"),
    [
        (User("nobody-yet", system=True), {"--system", "--no-create-home", "/usr/sbin/nologin", "/"}),
        (User("nobody-yet"), {"--create-home", "/bin/bash", "/home/nobody-yet"}),
        (User("nobody-yet", groups=("mail",)), {"--groups", "mail"}),
    ],
)
def test_a_new_one_of_the_system_logs_in_nowhere(
    asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, user: User, options: set[str]
) -> None:
    # Nothing is made, and so nobody is there afterwards.
    monkeypatch.setattr(system, "passwd", lambda name: pwd.getpwnam("daemon"))
    change = user.check()
    assert change is not None
    change.apply()
    (argv,) = asked
    assert argv[0] == "useradd"
    assert argv[-2:] == ["--", "nobody-yet"]
    assert options <= set(argv)
    assert ("--system" in argv) is user.system
