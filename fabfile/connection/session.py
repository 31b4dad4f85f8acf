"""A run on one host: one SSH channel to the agent, frames down, events up."""

from __future__ import annotations

import base64
import collections
import contextlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko.agent

from ..agent import events, redact
from ..agent.controller import BEAT, PATIENCE, REFUSED
from ..agent.events import RECORD_SEPARATOR
from ..errors import AgentError, ConnectError, InterruptedRunError, LostError
from ..printable import cut
from . import pack, requests
from .requests import Event as Event
from .requests import Request
from .ssh import knock, label, opened

if TYPE_CHECKING:
    from fabric import Connection

    from ..resources.base import Resource

T = TypeVar("T")
_CHANNEL_TIMEOUT = 30
# What sending on a connection that has broken raises; EOFError comes from deep within paramiko, at times.
_BROKEN = (paramiko.SSHException, OSError, EOFError)
_ERROR_LINES = 20
# What ends which: the lock, and changes that are held.
_ENDS = {"unlock": "lock", "confirm": "converge", "put_back": "converge"}


def _unheard(event: Event) -> None:
    """What happens on the way to an answer that is all that is wanted."""


class Session:
    """The agent on a host, as root, for the length of a `with` block; all that is asked of it shares one channel.

    :raises ConnectError: no connection, or no way to become root.
    :raises AgentError: the agent could not be started, or died.
    """

    def __init__(self, c: Connection) -> None:
        self.host = label(c)
        self._c = opened(c)
        password = c.config.sudo.password
        self._channel = self._start_agent(bool(password))
        self.machine = ""
        self._sending = threading.Lock()
        self._ended = threading.Event()
        self._silent = False
        # Whether an answer is awaited, and what the agent has of ours that it would have to put back or to free.
        self._busy, self._kept = False, set[str]()
        self._errors: collections.deque[str] = collections.deque(maxlen=200)
        self._noise: collections.deque[str] = collections.deque(maxlen=_ERROR_LINES)
        self._events = self._read_events()
        self._drain = threading.Thread(target=self._drain_errors, daemon=True)
        self._drain.start()
        # sudo takes the first line when it asks for a password; when it does not, the agent passes over it.
        self._send((f"{password}\n" if password else "").encode() + f"hostsmith {pack.code_folder()}\n".encode())
        threading.Thread(target=self._beat, daemon=True).start()

    def _start_agent(self, sudo_password: bool) -> paramiko.Channel:
        try:
            channel: paramiko.Channel = self._c.transport.open_session(timeout=_CHANNEL_TIMEOUT)
            if self._c.forward_agent:
                paramiko.agent.AgentRequestHandler(channel)
            channel.exec_command(pack.start_command(sudo_password))
        except _BROKEN as error:
            raise ConnectError(f"{self.host}: the connection broke: {error or type(error).__name__}") from None
        return channel

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the run; waits until an agent that has the host's lock has ended, and so has freed it.

        An agent that is amid a resource, or holds changes, puts them back first.
        """
        self._ended.set()
        with contextlib.suppress(*_BROKEN):
            self._channel.shutdown_write()
            if not self._is_clear:
                self._channel.status_event.wait(_CHANNEL_TIMEOUT)
            self._channel.close()

    @property
    def _is_clear(self) -> bool:
        """Whether the agent has nothing left to do or to say, however the session ends."""
        return not self._busy and not self._kept

    def interrupt(self) -> None:
        """Have the agent stop, put back what is half-way or held, and end; whoever listens hears of it."""
        self._ended.set()
        with contextlib.suppress(*_BROKEN):
            self._channel.shutdown_write()

    def last_words(self, on_event: Callable[[Event], None]) -> None:
        """Listen until an agent that was interrupted has ended."""
        if self._is_clear:
            return
        with contextlib.suppress(*_BROKEN, ValueError):
            # An exception that passed through the iterator has ended it.
            self._events = self._read_events()
            for event in self._events:
                if event["event"] not in ("done", "alive", "code"):
                    on_event(event)

    def together(self, wanted: Sequence[Request[Any]], on_event: Callable[[Event], None] = _unheard) -> list[Any]:
        """Have the agent do things one after another, each if what stands before it was done; all are sent at once.

        :param on_event: called with each event as it arrives.
        :returns: what the answers mean, up to the first thing that was not done.
        """
        done = self._answers(wanted, on_event)
        meant = []
        for request, answer in zip(wanted, done, strict=False):
            meant.append(request.read(self.host, answer))
            if not answer["ok"]:
                break
            self._kept.discard(_ENDS.get(request.frame["op"], ""))
        return meant

    def request(self, wanted: Request[T], on_event: Callable[[Event], None] = _unheard) -> T:
        """Have the agent do one thing; returns what its answer means, and raises what it raises."""
        meant: T = self.together([wanted], on_event)[0]
        return meant

    def unlock(self) -> None:
        """Free the host's lock before the session ends."""
        self.request(requests.unlock())

    def converge(self, resources: Sequence[Resource], on_event: Callable[[Event], None], *, hold: bool = False) -> bool:
        """Bring the host to the desired state, as `requests.converge`; returns whether all of it was done."""
        return self.request(requests.converge(resources, hold=hold), on_event)

    def converge_alone(
        self, what: str, wait: float, resources: Sequence[Resource], on_event: Callable[[Event], None]
    ) -> bool:
        """Bring the host to the desired state under its lock, which is free again when this returns.

        All is sent at once, so that one answer is waited for.

        :param what: what is being done, for people to read, also for those who want the lock meanwhile.
        :param wait: seconds to wait for another run.
        :returns: whether all of it was done.
        :raises LockedError: the other run was not done in time.
        """
        wanted = (requests.lock(what, wait), requests.converge(resources), requests.unlock())
        _, done, *_ = self.together(wanted, on_event)
        return bool(done)

    def confirm(self) -> None:
        """Keep the changes that the host holds."""
        self.request(requests.confirm())

    def put_back(self, on_event: Callable[[Event], None]) -> bool:
        """Have the host take back the changes that it holds; returns whether all of it could be."""
        return self.request(requests.put_back(), on_event)

    def plan(self, resources: Sequence[Resource], on_event: Callable[[Event], None]) -> bool:
        """Have the host say what `converge` would change, touching nothing."""
        return self.request(requests.plan(resources), on_event)

    def ask(self, query: str, on_event: Callable[[Event], None] = _unheard, **arguments: Any) -> Any:
        """Ask the host something.

        :param query: a function of `agent.queries`.
        :raises AgentError: it cannot answer, with the reason.
        """
        return self.request(requests.ask(query, **arguments), on_event)

    def run(self, app: str, argv: Sequence[str], on_event: Callable[[Event], None]) -> int:
        """Run a command as the app is run, in its live release.

        :param on_event: called with each event "output" as it arrives; see `agent.stream`.
        :returns: the command's exit status.
        """
        done = self._request({"op": "run", "app": app, "argv": list(argv)}, on_event)
        return int(done["status"])

    def follow(self, app: str, names: Sequence[str], marks: dict[str, int], on_event: Callable[[Event], None]) -> None:
        """Hear what is written to logs, until interrupted.

        :param on_event: called with each event "log" as it arrives; see `agent.logs`.
        :param marks: as the query `log_lines` gave them.
        """
        self._request({"op": "follow", "app": app, "names": list(names), "marks": marks}, on_event)

    def dump(self, argv: Sequence[str], write: Callable[[bytes], None]) -> int:
        """Take what a program prints that root runs on the host.

        A `write` that takes its time holds the program up, so that nothing piles up on either side.

        :param write: called with each piece of it, gzipped.
        :returns: how many bytes the program printed.
        :raises AgentError: it failed; what was written is of no use then.
        """

        def take(event: Event) -> None:
            if event["event"] == "data":
                write(base64.b64decode(event["data"]))

        done = self._request({"op": "dump", "argv": list(argv)}, take)
        return int(done["size"])

    def load(self, argv: Sequence[str], pieces: Iterable[bytes]) -> None:
        """Give data to a program that root runs on the host; the next piece when it has taken the last one.

        :param pieces: of what it reads, gzipped.
        :raises AgentError: it failed.
        """
        self._request({"op": "load", "argv": list(argv)})
        for piece in pieces:
            self._request({"op": "give", "data": base64.b64encode(piece).decode()})
        self._request({"op": "given"})

    def _request(self, frame: dict[str, Any], on_event: Callable[[Event], None] = _unheard) -> Event:
        """What the agent answers to a frame, when it was done."""
        return self.request(Request(frame, _checked), on_event)

    def _answers(self, wanted: Sequence[Request[Any]], on_event: Callable[[Event], None]) -> list[Event]:
        """The answers to all; fewer when the agent was interrupted."""
        self._kept |= {request.frame["op"] for request in wanted if _is_kept(request.frame)}
        self._busy = True
        try:
            self._send_frames(
                [{**request.frame, "follows": True} if n else request.frame for n, request in enumerate(wanted)]
            )
            answers: list[Event] = []
            for _ in wanted:
                if (done := self._dispatch(on_event)) is None:
                    raise self._died()
                answers.append(done)
                if done.get("interrupted"):
                    return answers
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait.
            self.interrupt()
            self.last_words(on_event)
            raise InterruptedRunError(requests.interrupted(self.host)) from None
        self._busy = False
        return answers

    def _send_frames(self, frames: Sequence[dict[str, Any]]) -> None:
        packed = [zlib.compress(json.dumps(frame).encode()) for frame in frames]
        self._send(b"".join(b"%d\n" % len(data) + data for data in packed))

    def _send(self, data: bytes) -> None:
        """Send to the agent.

        :raises ConnectError, AgentError: it has ended; why, it said on standard error before.
        """
        try:
            with self._sending:
                self._channel.sendall(data)
        except _BROKEN:
            raise self._died() from None

    def _dispatch(self, on_event: Callable[[Event], None]) -> Event | None:
        """Hand on events up to the one that ends a request; None when the agent ended before."""
        for event in self._events:
            if event["event"] == "done":
                return event
            if event["event"] == "alive":
                self.machine = event.get("machine", self.machine)
                # From now on it says every few seconds that it is there.
                self._channel.settimeout(PATIENCE)
                continue
            if event["event"] == "code":
                self._send(pack.code_message())
                continue
            if event["event"] == "prove":
                self._send_frames([{"op": "proof", "problem": knock(self._c)}])
                continue
            on_event(event)
        return None

    def _beat(self) -> None:
        """Tell the agent that we are there."""
        while not self._ended.wait(BEAT):
            with contextlib.suppress(*_BROKEN), self._sending:
                self._channel.sendall(b"0\n")

    def _read_events(self) -> Iterator[Event]:
        rest = b""
        while data := self._receive():
            *lines, rest = (rest + data).split(b"\n")
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
            raise AgentError(f"{self.host}: the host sent what is no event ({error}): {cut(repr(record))}") from None

    def _receive(self) -> bytes:
        """What comes next; nothing when the agent has ended, or says nothing any more."""
        try:
            return self._channel.recv(65536)
        except TimeoutError:
            self._silent = True
            return b""

    def _drain_errors(self) -> None:
        with contextlib.suppress(OSError), self._channel.makefile_stderr("rb") as stream:
            for line in stream:
                self._errors.append(line.decode("utf-8", "replace").rstrip())

    def _died(self) -> Exception:
        """Why the agent ended before it was done: from its exit status and what it wrote on standard error."""
        if self._silent:
            return LostError(
                f"{self.host}: nothing was heard of the host for {PATIENCE:g} s; unless it lost its power, "
                "it puts back what was half-way"
            )
        self._channel.status_event.wait(_CHANNEL_TIMEOUT)
        self._drain.join(_CHANNEL_TIMEOUT)
        # What is left on standard output, a login shell's last words for instance, is kept as noise.
        collections.deque(self._events, maxlen=0)
        status = self._channel.exit_status
        if not self._c.transport.is_active():
            return LostError(
                f"{self.host}: the connection was lost; unless it lost its power, the host puts back what was half-way"
            )
        text = redact.text("\n".join(list(self._errors)[-_ERROR_LINES:] or self._noise))
        if problem := _sudo_problem(text):
            return ConnectError(f"{self.host}: cannot become root: {problem}")
        if status in (pack.OLD_PYTHON, REFUSED):
            return ConnectError(f"{self.host}: {text}")
        if status == pack.NO_PYTHON:
            return ConnectError(f"{self.host}: Python 3 is not on the host and could not be installed:\n{text}")
        return AgentError(f"{self.host}: the agent ended with status {status} before it was done\n{text}".rstrip())


def _checked(host: str, done: Event) -> Event:
    requests.check(host, done)
    return done


def _is_kept(frame: Mapping[str, Any]) -> bool:
    """Whether the agent has something of ours from then on."""
    return frame["op"] == "lock" or bool(frame.get("hold"))


def _sudo_problem(text: str) -> str | None:
    """What to do about sudo's own errors; None when there is none."""
    problems = {
        r"a password is required|a terminal is required": "sudo wants a password; run fab with "
        "--prompt-for-sudo-password",
        r"incorrect password|Sorry, try again|no password was provided": "sudo does not accept the password",
        r"not in the sudoers file|not allowed to": "the user may not use sudo; add it to the group sudo",
        r"sudo: not installed": "sudo is not installed and the user is not root; log in as root",
        r"you must have a tty": "sudo asks for a terminal; remove `requiretty` from the host's sudoers",
    }
    return next((advice for pattern, advice in problems.items() if re.search(pattern, text)), None)
