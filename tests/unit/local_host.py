"""A host without a host: the engine in this process, or the agent in one of its own, on files below a test's folder."""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pwd
import stat
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostsmith.agent import engine
from hostsmith.agent.journal import Journal
from hostsmith.agent.owed import Owed
from hostsmith.connection import pack
from hostsmith.contract import events, wire
from hostsmith.contract.protocol import greeting
from hostsmith.resources import Handler, Resource, Validated

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name

_PROGRAMS = threading.Lock()

# Names that go wrong wherever a shell, a pattern, an option parser or a line-wise reader meets them.
NASTY = {
    "spaces": "two  spaces ",
    "single-quote": "it's",
    "double-quote": 'say "hi"',
    "newline": "first\nsecond",
    "substitution": "$(touch pwned)`touch pwned`",
    "unicode": "ünïcödé ☃",
    "option": "-rf",
    "backslash": "a\\b",
    "shell": "a; b & c | d > e",
    "glob": "*",
    "not-utf8": "caf\udce9",
    "longest": "x" * 255,
}


@dataclass(frozen=True)
class Outcome:
    """What a run did, as the controller is told."""

    ok: bool
    events: list[dict[str, Any]]

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(event["resource"], event["state"]) for event in self.events if event["event"] == "result"]

    @property
    def states(self) -> list[str]:
        return [state for _, state in self.results]

    @property
    def notes(self) -> list[str]:
        return [event["text"] for event in self.events if event["event"] == "note"]

    @property
    def summary(self) -> str:
        """Summaries of all that changed."""
        return ", ".join(event["summary"] for event in self.events if event.get("state") == "changed")

    @property
    def diff(self) -> str:
        return "".join(event.get("diff", "") for event in self.events)

    @property
    def error(self) -> str:
        return "\n".join(event["error"] for event in self.events if "error" in event)

    @property
    def text(self) -> str:
        """Everything that was sent, to look for what must not be."""
        return json.dumps(self.events)


class LocalHost:
    """Converges below a folder, in this process; what is owed is kept in that folder, too."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state"
        self._state.mkdir()

    @property
    def journal(self) -> Journal:
        return Journal(str(self.journal_path))

    @property
    def journal_path(self) -> Path:
        return self._state / "journal.conf"

    def recover(self) -> Outcome:
        """What a run does first."""
        with self._recorded() as found:
            self.journal.recover()
        return Outcome(True, found)

    @property
    def owed(self) -> list[Handler]:
        return Owed(str(self._state)).handlers

    def converge(self, *resources: Resource) -> Outcome:
        with self._recorded() as found:
            ok = engine.converge(resources, Owed(str(self._state)), self.journal)
        return Outcome(ok, found)

    def plan(self, *resources: Resource) -> Outcome:
        with self._recorded() as found:
            ok = engine.plan(resources, Owed(str(self._state)))
        return Outcome(ok, found)

    def undo(self, *resources: Resource) -> Outcome:
        """Make changes in a group that is refused after them."""
        outcome = self.converge(Validated("group", resources, ["false"]))
        assert not outcome.ok
        return outcome

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[list[dict[str, Any]]]:
        """Collect the events; also those of a run that ends with an exception."""
        found: list[dict[str, Any]] = []
        path = self._state / "events"
        path.write_bytes(b"")
        before, events._Out.fd = events._Out.fd, os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            yield found
        finally:
            os.close(events._Out.fd)
            events._Out.fd = before
            found += [read_event(line) for line in path.read_bytes().splitlines()]


def read_event(line: bytes) -> dict[str, Any]:
    """An event as the controller reads it from a line of the agent's output."""
    noise, separator, text = line.partition(events.RECORD_SEPARATOR)
    assert separator, noise
    return dict(json.loads(text))


def tree(folder: Path) -> dict[str, tuple[str, int, object]]:
    """All that is below a folder: by path, its kind, mode, and content or target."""
    found: dict[str, tuple[str, int, object]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name, mode = str(path.relative_to(folder)), stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            found[name] = ("link", 0, os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", mode, None)
        else:
            found[name] = ("file", mode, path.read_bytes() if path.is_file() else None)
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def nobody_reads(pipe: Path) -> None:
    """Assert that the program that was reading from a named pipe ends, if it has not yet."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO
            return
        time.sleep(0.005)
    raise AssertionError(f"{pipe} is still read from")


class Agent:
    """The agent as it is started on a host, by the same command, sent the same bytes; as whoever runs the tests."""

    def __init__(self, folder: Path, first_lines: bytes = b"", command: str | None = None, **env: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command or pack.start_command(sudo_password=False)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": f"{programs(folder)}:{os.environ['PATH']}", **env},
        )
        self._asked_for_lock = False
        self.write(first_lines + greeting(str(self.code), "0.2.0"))
        # As a controller does, and before a test waits for what the agent does.
        self._begin()

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        self.process.wait(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    @property
    def code(self) -> Path:
        """Where the agent's code is kept; all tests share it, as the runs on a host do."""
        return self.folder.parent / "code" / pack.code_folder().rpartition("/")[2]

    def _begin(self) -> None:
        """Send the code if it is asked for."""
        assert self.process.stdout is not None
        self.was_sent_code = False
        first = self.process.stdout.readline()
        if first and read_event(first)["event"] == "code":
            self.was_sent_code = True
            self.write(pack.code_message())

    def write(self, data: bytes) -> None:
        """Send bytes; an agent that has ended already, as when nobody can become root, is told by what it said."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def close(self) -> None:
        """What a controller that goes away looks like from the host."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def send(self, **frame: Any) -> None:
        data = zlib.compress(json.dumps(frame).encode())
        self.write(b"%d\n" % len(data) + data)

    def events(self) -> Iterator[dict[str, Any]]:
        """Events as they come, to the "done" of a frame or the agent's end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = read_event(line)
            if event["event"] == "alive":
                continue
            yield event
            if event["event"] == "done":
                return

    def lock(self, wait: float = 0, who: str = "ann@laptop", what: str = "deploy") -> list[dict[str, Any]]:
        self.start_lock(wait, who, what)
        return list(self.events())

    def start_lock(self, wait: float = 0, who: str = "ann@laptop", what: str = "deploy") -> None:
        self._asked_for_lock = True
        self.send(op="lock", holder={"who": who, "what": what}, wait=wait, path=self.lock_path, journal=self.journal)

    @property
    def lock_path(self) -> str:
        return str(self.folder / "lock")

    @property
    def journal(self) -> str:
        return str(self.folder / "journal.conf")

    def start(self, resources: Sequence[Resource], op: str = "converge", **more: bool) -> None:
        if op == "converge" and not self._asked_for_lock:
            self.lock()
        self.send(**self.frame(resources, op), **more)

    def frame(self, resources: Sequence[Resource], op: str = "converge") -> dict[str, Any]:
        modules = pack.own_modules(resources)
        state = str(self.folder / "state")
        frame = {"op": op, "resources": wire.dump(list(resources)), "modules": modules, "folder": state}
        return {**frame, "journal": self.journal} if op == "converge" else frame

    def converge(self, *resources: Resource, op: str = "converge") -> Outcome:
        self.start(resources, op)
        return self.outcome()

    def outcome(self) -> Outcome:
        *found, done = self.events()
        return Outcome(done["ok"], [*found, done])


def programs(folder: Path) -> Path:
    """A folder for the PATH, with an `id` that says root, so that the agent starts as it does for root."""
    path = folder / "programs"
    # Agents that start at once wait for whoever makes it: a program that is still being written cannot be executed.
    with _PROGRAMS:
        if not path.is_dir():
            path.mkdir()
            program(path / "id", "echo 0")
    return path


def program(path: Path, script: str) -> Path:
    """A program of one's own."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
