"""The channel to the agent, from this side: what is said of an agent that died, and when one counts as gone."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fabric import Connection
from hostsmith.connection import channel, pack
from hostsmith.connection.channel import AgentChannel
from hostsmith.contract import redact
from hostsmith.contract.controller import PATIENCE, REFUSED
from hostsmith.contract.events import RECORD_SEPARATOR
from hostsmith.errors import AgentError, ConnectError, HostsmithError, LostError
from hostsmith.resources import Secret


class Ended:
    """The channel to a program that has said all that it had to say, and ended or fell silent."""

    def __init__(self, out: bytes, errors: bytes, status: int, silent: bool) -> None:
        self._out, self._errors, self._silent = io.BytesIO(out), io.BytesIO(errors), silent
        self.exit_status = status
        self.status_event = threading.Event()
        self.status_event.set()
        self.timeout: float | None = None

    def exec_command(self, command: str) -> None:
        assert "python3" in command

    def sendall(self, data: bytes) -> None:
        pass

    def shutdown_write(self) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def recv(self, size: int) -> bytes:
        if not (data := self._out.read(size)) and self._silent:
            assert self.timeout is not None, "it would be waited for for ever"
            raise TimeoutError
        return data

    def makefile_stderr(self, mode: str) -> io.BytesIO:
        return self._errors


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact._Known, "spellings", ())
    monkeypatch.setattr(channel, "opened", lambda c: c)
    yield


def agent(
    out: bytes = b"", errors: bytes = b"", status: int = 1, *, silent: bool = False, connected: bool = True
) -> tuple[AgentChannel, Ended]:
    """The agent on a host named web1, when its program did this."""
    c: Any = Connection("web1")
    program = Ended(out, errors, status, silent)
    c.transport = SimpleNamespace(open_session=lambda timeout: program, is_active=lambda: connected)
    return AgentChannel(c), program


def end(found: AgentChannel) -> Exception:
    try:
        assert list(found.events()) == []
        return found.died()
    finally:
        found.finish()


def test_the_words_of_an_agent_that_died_have_no_secrets_in_them() -> None:
    redact.remember(Secret("hunter2-long"))
    found, _ = agent(errors=b'  File "x.py", line 3\nValueError: hunter2-long\n')
    error = end(found)
    assert isinstance(error, AgentError)
    assert str(error) == (
        'web1: the agent ended with status 1 before it was done\n  File "x.py", line 3\nValueError: ***'
    )


def test_nor_has_what_a_login_shell_printed() -> None:
    redact.remember(Secret("hunter2-long"))
    found, _ = agent(out=b"welcome hunter2-long\n")
    assert str(end(found)).endswith("before it was done\nwelcome ***")


@pytest.mark.parametrize(
    ("errors", "status", "kind", "text"),
    [
        (b"sudo: a password is required\n", 1, ConnectError, "cannot become root: sudo wants a password"),
        (b"ann is not in the sudoers file.\n", 1, ConnectError, "cannot become root: the user may not use sudo"),
        (b"found Python 3.8, expected 3.10\n", pack.OLD_PYTHON, ConnectError, "web1: found Python 3.8"),
        (b"refused, and why\n", REFUSED, ConnectError, "web1: refused, and why"),
        (b"no network\n", pack.NO_PYTHON, ConnectError, "could not be installed:\nno network"),
        (b"", 137, AgentError, "web1: the agent ended with status 137 before it was done"),
    ],
)
def test_why_it_ended_is_told(errors: bytes, status: int, kind: type[HostsmithError], text: str) -> None:
    error = end(agent(errors=errors, status=status)[0])
    assert type(error) is kind
    assert text in str(error)


def test_one_whose_connection_is_gone_is_lost() -> None:
    assert isinstance(end(agent(connected=False)[0]), LostError)


def test_one_that_says_nothing_any_more_is_lost_once_it_has_said_that_it_is_there() -> None:
    alive = RECORD_SEPARATOR + b'{"event": "alive", "machine": "m"}\n'
    found, program = agent(out=alive, silent=True)
    error = end(found)
    assert program.timeout == PATIENCE
    assert found.machine == "m"
    assert isinstance(error, LostError)
    assert f"nothing was heard of the host for {PATIENCE:g} s" in str(error)
