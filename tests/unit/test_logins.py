"""A login in a git URL is git's to know, and nobody else's."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hostsmith.contract import redact
from hostsmith.contract.base import ResourceError
from hostsmith.contract.secret import Secret
from hostsmith.errors import UsageError
from hostsmith.hostkit.programs.git import Repository, without_login
from hostsmith.printable import without_logins
from hostsmith.settings.problems import value_text
from hostsmith.settings.project import Settings
from pydantic import ValidationError


def settings(source: str) -> Settings:
    return Settings.model_validate({"app": "blog", "source": source})


def test_a_source_is_shown_without_its_login_wherever_it_is_shown() -> None:
    found = settings("https://me:t0ken-1234@git.example.com:8443/blog.git")
    for shown in (found.source, str(found), repr(found), found.model_dump_json(), str(found.source_url)):
        assert "t0ken" not in shown
    assert found.source == "https://git.example.com:8443/blog.git"
    assert not found.source_is_local
    assert isinstance(found.source_url, Secret)
    assert found.source_url.reveal() == "https://me:t0ken-1234@git.example.com:8443/blog.git"
    assert found.model_copy(update={"app": "other"}).source_url == found.source_url


@pytest.mark.parametrize("source", [".", "https://git.example.com/x.git", "git@example.com:x.git", "ssh://git@h/x.git"])
def test_a_source_without_a_secret_stays_as_it_is(source: str) -> None:
    assert settings(source).source_url == source


@pytest.mark.parametrize(
    "source",
    [
        "https://git.example.com/blog.git?private_token=t0ken-1234",
        "https://git.example.com/blog.git#t0ken-1234",
        "ssh://git:t0ken-1234@git.example.com/blog.git",
        "https://me:t0ken-1234%0aquit=1@git.example.com/blog.git",
    ],
)
def test_a_secret_that_cannot_be_kept_off_command_lines_is_refused_and_not_shown(source: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings(source)
    (detail,) = error.value.errors(include_url=False)
    assert "t0ken" not in f"{value_text(detail['input'])}{detail.get('ctx')}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:p%40ss-word@git.example.com/x.git", ("me", "p@ss-word")),
        ("https://t0ken-1234@git.example.com/x.git", ("t0ken-1234", "")),
    ],
)
def test_git_is_told_a_login_for_its_server_alone(url: str, expected: tuple[str, str]) -> None:
    bare, env = without_login(Secret(url))
    assert bare == "https://git.example.com/x.git"
    assert filled(env, "git.example.com") == expected
    assert filled(env, "elsewhere.example.com") is None
    assert filled(env, "git.example.com", "http") is None


def filled(env: dict[str, str], host: str, protocol: str = "https") -> tuple[str, str] | None:
    """User and password that git takes for a server; None when it would ask a person."""
    own = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    asked = f"protocol={protocol}\nhost={host}\n\n"
    done = subprocess.run(
        ["git", "credential", "fill"], input=asked, env={**own, **env}, capture_output=True, text=True, check=False
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return (found["username"], found["password"]) if done.returncode == 0 else None


def test_a_url_without_a_login_needs_nothing() -> None:
    for url in ("https://git.example.com/x.git", "git@example.com:x.git", "/srv/x.git", "ssh://git@example.com/x"):
        assert without_login(url) == (url, {})


def test_a_login_is_hidden_from_then_on_with_or_without_a_user() -> None:
    without_login("https://me:only-once-seen@git.example.com/x.git")
    without_login("https://only-the-user@git.example.com/x.git")
    assert redact.text("it was only-once-seen or only-the-user") == "it was *** or ***"


def test_a_login_cannot_say_more_to_git_than_a_user_and_a_password() -> None:
    with pytest.raises(ResourceError):
        without_login("https://me:x%0ahost=elsewhere@git.example.com/x.git")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:t0ken@host/x, twice: http://t0ken@h/", "at https://***@host/x, twice: http://***@h/"),
        ("postgres://blog:t0ken@db/blog", "postgres://blog:***@db/blog"),
        (
            "ssh://git@host/x and git@host:x and https://host/a@b",
            "ssh://git@host/x and git@host:x and https://host/a@b",
        ),
    ],
)
def test_what_is_printed_has_no_login_in_a_url(text: str, shown: str) -> None:
    assert without_logins(text) == shown
    assert str(UsageError(text)) == shown


@pytest.mark.attack
def test_behind_the_gate_git_logs_in_with_the_apps_key_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repository = Repository(str(tmp_path), "/srv/shop/.ssh")
    monkeypatch.setenv("HOME", "/nonexistent")
    command = shlex.split(repository._env()["GIT_SSH_COMMAND"])
    printed = subprocess.run([*command, "-G", "git.example.com"], capture_output=True, text=True, check=True).stdout
    found = [line.partition(" ")[2] for line in printed.splitlines() if line.startswith("identityfile ")]
    assert found == ["/srv/shop/.ssh/id_ed25519"]
    assert "identitiesonly yes" in printed
    assert command[command.index("-F") + 1] == "/dev/null"
