"""The SSH channel to the agent on a host: frames down, events up."""

from __future__ import annotations

import collections
import contextlib
import json
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import paramiko.agent

from .._version import __version__
from ..contract import events, redact
from ..contract.controller import BEAT, PATIENCE, REFUSED
from ..contract.events import RECORD_SEPARATOR, Event
from ..contract.protocol import greeting
from ..errors import AgentError, ConnectError, LostError
from ..printable import cut
from . import pack
from .ssh import label, opened, probe

if TYPE_CHECKING:
    from fabric import Connection

_TIMEOUT = 30
# What sending on a connection that has broken raises; EOFError comes from deep within paramiko, at times.
_BROKEN = (paramiko.SSHException, OSError, EOFError)
_ERROR_LINES = 20
# Bytes that an event may have; what is longer than memory would be no event's.
_LONGEST = 1 << 26


class AgentChannel:
    """The agent, started as root on a host.

    :param c: its connection, which is opened unless it is open.
    :raises ConnectError: no connection, or no way to become root.
    :raises AgentError: the agent could not be started, or died.
    """

    def __init__(self, c: Connection) -> None:
        self.host = label(c)
        self.machine = ""
        self._c = opened(c)
        password = c.config.sudo.password
        self._channel = self._start_agent(bool(password))
        self._sending = threading.Lock()
        self._finished = threading.Event()
        self._silent = False
        self._errors: collections.deque[str] = collections.deque(maxlen=200)
        self._noise: collections.deque[str] = collections.deque(maxlen=_ERROR_LINES)
        self._records = self._read_records()
        self._drain = threading.Thread(target=self._drain_errors, daemon=True)
        self._drain.start()
        # sudo takes the first line when it asks for a password; when it does not, the agent skips it.
        self._send((f"{password}\n" if password else "").encode() + greeting(pack.code_folder(), __version__))
        threading.Thread(target=self._beat, daemon=True).start()

    def _start_agent(self, sudo_password: bool) -> paramiko.Channel:
        try:
            channel: paramiko.Channel = self._c.transport.open_session(timeout=_TIMEOUT)
            if self._c.forward_agent:
                paramiko.agent.AgentRequestHandler(channel)
            channel.exec_command(pack.start_command(sudo_password))
        except _BROKEN as error:
            raise ConnectError(f"{self.host}: the connection broke: {error or type(error).__name__}") from None
        return channel

    def send(self, frames: Sequence[dict[str, Any]]) -> None:
        """Send frames to the agent, all at once.

        :raises ConnectError, AgentError: it has ended; why, it said on standard error before.
        """
        packed = [zlib.compress(json.dumps(frame).encode()) for frame in frames]
        self._send(b"".join(b"%d\n" % len(data) + data for data in packed))

    def _send(self, data: bytes) -> None:
        try:
            with self._sending:
                self._channel.sendall(data)
        except _BROKEN:
            raise self.died() from None

    def finish(self) -> None:
        """Send nothing more: the agent stops, undoes the unfinished step and what it holds, and ends."""
        self._finished.set()
        with contextlib.suppress(*_BROKEN):
            self._channel.shutdown_write()

    def wait(self) -> None:
        """Wait until the agent has ended."""
        self._channel.status_event.wait(_TIMEOUT)

    def close(self) -> None:
        """Hear nothing more."""
        with contextlib.suppress(*_BROKEN):
            self._channel.close()

    def events(self) -> Iterator[Event]:
        """Yield the agent's events as they come, until it ends; its questions to the controller are answered here."""
        for event in self._records:
            kind = event["event"]
            if kind == "alive":
                self.machine = event.get("machine", self.machine)
                # From now on it says every few seconds that it is there.
                self._channel.settimeout(PATIENCE)
            elif kind == "code":
                self._send(pack.code_message())
            elif kind == "prove":
                self.send([{"op": "proof", "problem": probe(self._c)}])
            else:
                yield event

    def last_events(self) -> Iterator[Event]:
        """Yield the events after `finish`, when nothing can be answered any more, until the agent ends."""
        with contextlib.suppress(*_BROKEN, ValueError):
            # An exception that passed through the iterator has ended it.
            self._records = self._read_records()
            for event in self._records:
                if event["event"] not in ("done", "alive", "code", "prove"):
                    yield event

    def _beat(self) -> None:
        """Send the agent signs of life."""
        while not self._finished.wait(BEAT):
            with contextlib.suppress(*_BROKEN), self._sending:
                self._channel.sendall(b"0\n")

    def _read_records(self) -> Iterator[Event]:
        rest = b""
        while data := self._receive():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST:
                raise AgentError(f"{self.host}: the host sent a line of over {_LONGEST >> 20} MB, which is invalid")
            for line in lines:
                # A login shell may print before us, on the same line.
                noise, separator, text = line.partition(RECORD_SEPARATOR)
                if noise.strip():
                    self._noise.append(noise.decode("utf-8", "replace"))
                if separator:
                    yield self._event(text)

    def _event(self, record: bytes) -> Event:
        try:
            return events.read(record)
        except (ValueError, RecursionError) as error:
            raise AgentError(f"{self.host}: the host sent an invalid event ({error}): {cut(repr(record))}") from None

    def _receive(self) -> bytes:
        """Receive the next bytes; none when the agent has ended or fallen silent."""
        try:
            return self._channel.recv(65536)
        except TimeoutError:
            self._silent = True
            return b""

    def _drain_errors(self) -> None:
        with contextlib.suppress(OSError), self._channel.makefile_stderr("rb") as stream:
            for line in stream:
                self._errors.append(line.decode("utf-8", "replace").rstrip())

    def died(self) -> Exception:
        """Why the agent ended before it was done: from its exit status and what it wrote on standard error."""
        if self._silent:
            return LostError(
                f"{self.host}: nothing was heard of the host for {PATIENCE:g} s; unless it lost its power, "
                "it undoes the unfinished step"
            )
        self.wait()
        self._drain.join(_TIMEOUT)
        # What is left on standard output, a login shell's last words for instance, is kept as noise.
        collections.deque(self._records, maxlen=0)
        status = self._channel.exit_status
        if not self._c.transport.is_active():
            return LostError(
                f"{self.host}: the connection was lost; unless it lost its power, the host undoes the unfinished step"
            )
        text = redact.text("\n".join(list(self._errors)[-_ERROR_LINES:] or self._noise))
        if problem := _sudo_problem(text):
            return ConnectError(f"{self.host}: cannot become root: {problem}")
        if status in (pack.OLD_PYTHON, REFUSED):
            return ConnectError(f"{self.host}: {text}")
        if status == pack.NO_PYTHON:
            return ConnectError(f"{self.host}: Python 3 is not on the host and could not be installed:\n{text}")
        return AgentError(f"{self.host}: the agent ended with status {status} before it was done\n{text}".rstrip())


def _sudo_problem(text: str) -> str | None:
    """Advice for an error of sudo; None when there is no error."""
    problems = {
        r"a password is required|a terminal is required": "sudo wants a password; run fab with "
        "--prompt-for-sudo-password",
        r"incorrect password|Sorry, try again|no password was provided": "sudo does not accept the password",
        r"not in the sudoers file|not allowed to": "the user may not use sudo; add it to the group sudo",
        r"sudo: not installed": "sudo is not installed and the user is not root; log in as root",
        r"you must have a tty": "sudo asks for a terminal; remove `requiretty` from the host's sudoers",
    }
    return next((advice for pattern, advice in problems.items() if re.search(pattern, text)), None)
