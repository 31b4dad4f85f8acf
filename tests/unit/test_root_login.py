"""RootLogin: root is shut out only once somebody else has come in who may do all that root may, and by key."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostsmith.hostkit.linux import system
from hostsmith.hostkit.linux.login import Login
from hostsmith.recipes.hardening import ssh
from hostsmith.resources.hardening import sshd as module
from hostsmith.resources.hardening.sshd import RootLogin, Sshd
from hostsmith.settings import Settings
from local_host import LocalHost

ALL = "User ann may run the following commands on web1:\n    (ALL : ALL) NOPASSWD: ALL\n"
SOME = "User ann may run the following commands on web1:\n    (root) NOPASSWD: /usr/bin/hostsmith-gate blog\n"
NOT_AS_ROOT = "User ann may run the following commands on web1:\n    (postgres) NOPASSWD: ALL\n"

Came = Callable[..., None]


@pytest.fixture
def came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Came:
    """Sets who has come in, what sshd says now, what sudo says of them, and what is in their file of keys."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)

    def set_up(
        user: str = "ann", now: str = "prohibit-password", sudo: str = ALL, keys: str = "ssh-ed25519 AAAA"
    ) -> None:
        def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
            assert argv == ["sudo", "-n", "-l", "-U", user]
            return subprocess.CompletedProcess(argv, 0, sudo.encode(), b"")

        (home / ".ssh/authorized_keys").write_text(keys)
        monkeypatch.setattr(module, "login", lambda: Login(user, "203.0.113.7", 22))
        monkeypatch.setattr(module.sshd, "effective", lambda: {"permitrootlogin": [now]})
        monkeypatch.setattr(system, "passwd", lambda name: SimpleNamespace(pw_dir=str(home)))
        monkeypatch.setattr(system, "run", run)

    return set_up


def written(host: LocalHost, place: Path, needed: bool = False) -> str:
    assert host.converge(RootLogin(f"{place}/root.conf", needed)).ok
    return (place / "root.conf").read_text()


def test_it_is_shut_once_an_admin_has_come_in_by_key(host: LocalHost, place: Path, came: Came) -> None:
    came()
    assert written(host, place) == "PermitRootLogin no\n"


@pytest.mark.parametrize(
    "who",
    [
        {"user": "root"},
        {"sudo": SOME},
        {"sudo": NOT_AS_ROOT},
        {"sudo": "User ann is not allowed to run sudo on web1.\n"},
        {"keys": ""},
        {"keys": " \n"},
    ],
    ids=["root", "a deployer", "another user's", "nothing", "no keys", "an empty line"],
)
def test_it_stays_open_by_key_while_nobody_else_can_do_what_root_does(
    host: LocalHost, place: Path, came: Came, who: dict[str, str]
) -> None:
    came(**who)
    assert written(host, place) == "PermitRootLogin prohibit-password\n"


def test_it_stays_open_where_the_settings_log_in_as_root(host: LocalHost, place: Path, came: Came) -> None:
    came()
    assert written(host, place, needed=True) == "PermitRootLogin prohibit-password\n"


@pytest.mark.parametrize("now", ["no", "forced-commands-only"])
def test_what_is_stricter_stays(host: LocalHost, place: Path, came: Came, now: str) -> None:
    came(user="root", now=now)
    assert written(host, place, needed=True) == f"PermitRootLogin {now}\n"


def test_a_password_never_lets_root_in(host: LocalHost, place: Path, came: Came) -> None:
    came(user="root", now="yes")
    assert written(host, place) == "PermitRootLogin prohibit-password\n"


@pytest.mark.parametrize(
    ("roles", "needed"),
    [
        ({"web": ["root@203.0.113.7"]}, True),
        ({"web": ["ann@203.0.113.7"], "db": ["root@203.0.113.8"]}, True),
        ({"web": ["ann@203.0.113.7"]}, False),
    ],
)
def test_root_is_needed_where_a_host_of_the_settings_is_logged_in_to_as_root(
    roles: dict[str, list[str]], needed: bool
) -> None:
    settings = Settings(app="blog", processes={"web": "gunicorn blog:app"}, roles=roles)
    group = ssh(settings, frozenset({"web"}))
    assert isinstance(group, Sshd)
    (root,) = [each for each in group.resources if isinstance(each, RootLogin)]
    assert root.needed is needed
