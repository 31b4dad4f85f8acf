"""Main loop of the agent: read frames, answer with events, end with the controller.

Here as in all of the agent, modules that few runs need are imported where they are used, since imports cost time.
"""

from __future__ import annotations

import base64
import importlib
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from ..contract import events, wire
from ..contract.base import ResourceError
from ..contract.controller import Controller
from ..contract.interruption import Interrupted, interrupt, uninterrupted
from ..hostkit.app import passwords, variables
from . import engine, journal, lock
from .held import Held
from .journal import Journal
from .owed import FOLDER, Owed

if TYPE_CHECKING:
    from ..hostkit.linux import pipes

_HANGUP = signal.SIGHUP
# A folder without owed handlers or journal.
_NOWHERE = "/nonexistent"


def _anything(frame: dict[str, Any]) -> None:
    """Accept every frame: an admin's."""


def main(
    stdin: BinaryIO,
    app: str | None = None,
    check: Callable[[dict[str, Any]], None] = _anything,
    largest_frame: int | None = None,
) -> None:
    """Serve one controller.

    A frame is a line with the length of its body, then zlib-compressed JSON: {"op": ..., ...}; a length of 0 is a
    heartbeat. Each is answered by any number of events and one "done"; a frame that `follows` is served only if the
    previous one succeeded, so that both can be sent at once. A lost controller ends the run: at once between frames,
    and as if by SIGHUP inside one, so that partial and held changes are rolled back. A frame may set the paths of the
    lock (`path`), the journal (`journal`) and the owed handlers (`folder`), to run the agent without root.

    :param app: the app whose deployers are served. Only its own secrets are redacted for them: redaction of others
        would let them guess these. None: an admin is served.
    :param check: called with each frame before it is served; raises `ResourceError` to refuse it.
    :param largest_frame: limit in bytes of a frame; None: no limit.
    """
    events.open_stream()
    for signum in (signal.SIGTERM, signal.SIGINT, _HANGUP):
        signal.signal(signum, interrupt)
    # A lost controller is noticed by reading; writing to it must not end the run.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    os.chdir("/")
    variables.remember_all(app)
    passwords.remember_all(app)
    controller = Controller(stdin, lambda: os.kill(os.getpid(), _HANGUP), largest_frame)
    run = _Run(app, check)
    try:
        while (frame := controller.next_frame()) is not None:
            run.serve(frame)
            controller.served()
        run.end()
    except Interrupted:
        # A controller that leaves as soon as it has its answer may be noticed before the frame counts as served.
        if run.answered:
            run.end()
        else:
            run.leave()
        events.emit("done", ok=False, interrupted=True)
    # A thread may still be reading standard input, which would block Python's shutdown.
    sys.stderr.flush()
    os._exit(0)


class _Run:
    """The run of one controller, with its held changes and its lock."""

    def __init__(self, app: str | None, check: Callable[[dict[str, Any]], None]) -> None:
        self._app, self._check = app, check
        self._held = Held()
        self._lock: int | None = None
        self._load: pipes.Load | None = None
        self.answered, self._succeeded = True, True
        self._folder, self._journal = FOLDER, journal.PATH
        self._operations: dict[str, Callable[..., dict[str, Any]]] = {
            "lock": self._take_lock,
            "unlock": self._free_lock,
            "converge": self._converge,
            "confirm": self._confirm,
            "put_back": self._roll_back,
            "plan": self._plan,
            "ask": self._ask,
            "act": self._act,
            "run": _run_command,
            "follow": _follow,
            "dump": _dump,
            "load": self._begin_load,
            "give": self._give,
            "given": self._end_load,
        }

    def serve(self, frame: dict[str, Any]) -> None:
        """Answer one frame."""
        self.answered = False
        # A frame that was sent together with the one on which it depends.
        skipped = frame.pop("follows", False) and not self._succeeded
        answer = {"ok": False, "error": "skipped, since the previous step failed"} if skipped else self._answer(frame)
        self.answered, self._succeeded = True, bool(answer["ok"])
        events.emit("done", **answer)

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        try:
            self._check(frame)
            return self._operations[frame.pop("op")](**frame)
        except lock.LockHeldError as error:
            return {"ok": False, "locked": str(error)}
        except Exception as error:  # noqa: BLE001
            return {"ok": False, "error": engine.message(error)}

    def end(self) -> None:
        """End after the last frame: free the lock, unless changes are still held."""
        if not self._held:
            self._free_lock()
        self.leave()

    def leave(self) -> None:
        """Roll back held changes, since the controller is gone without confirming them."""
        with uninterrupted():
            self._stop_load()
            if self._held:
                engine.roll_back(self._held, *self._books())

    def _require_lock(self) -> None:
        """Fail unless this run holds the host's lock, without which another run may be changing the host.

        :raises ResourceError: it does not, or no longer.
        """
        if self._lock is None or not lock.is_held(self._lock):
            raise ResourceError("this run does not hold the host's lock, and this step needs the lock")

    def _books(self) -> tuple[Owed, Journal]:
        """Load owed handlers and journal of the host; empty ones without its lock."""
        if self._lock is None:
            return Owed(_NOWHERE), Journal(_NOWHERE)
        return Owed(self._folder), Journal(self._journal)

    def _take_lock(
        self, holder: dict[str, Any], wait: float, path: str = lock.PATH, journal: str = journal.PATH
    ) -> dict[str, Any]:
        self._lock = lock.acquire({**holder, "app": self._app}, wait, path)
        self._journal = journal
        Journal(journal).recover()
        return {"ok": True}

    def _free_lock(self) -> dict[str, Any]:
        if self._held:
            raise ResourceError("found held changes, expected them confirmed or rolled back before the unlock")
        if self._lock is not None:
            lock.release(self._lock)
            self._lock = None
        return {"ok": True}

    def _converge(
        self,
        resources: list[Any],
        modules: dict[str, str],
        hold: bool = False,
        folder: str = FOLDER,
        journal: str = journal.PATH,
    ) -> dict[str, Any]:
        _install(modules)
        self._folder, self._journal = folder, journal
        held = self._held if hold else None
        loaded = [wire.load(item) for item in resources]
        if not loaded or any(each.lasts or each.notify for each in loaded):
            self._require_lock()
        return {"ok": engine.converge(loaded, *self._books(), held)}

    def _confirm(self) -> dict[str, Any]:
        self._require_lock()
        with uninterrupted():
            self._held.confirm(Journal(self._journal))
        return {"ok": True}

    def _roll_back(self) -> dict[str, Any]:
        # Changes that do not outlive the run are held without the lock.
        if self._lock is not None:
            self._require_lock()
        return {"ok": engine.roll_back(self._held, *self._books())}

    def _plan(self, resources: list[Any], modules: dict[str, str], folder: str = FOLDER) -> dict[str, Any]:
        _install(modules)
        return {"ok": engine.plan([wire.load(item) for item in resources], Owed(folder))}

    def _ask(self, query: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a function of `queries`."""
        queries = importlib.import_module(".queries", __package__)
        return {"ok": True, "answer": getattr(queries, query)(**arguments)}

    def _act(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a function of `actions`."""
        actions = importlib.import_module(".actions", __package__)
        if action == "break_lock":
            arguments = {"app": self._app}
        else:
            self._require_lock()
        return {"ok": True, "answer": actions.ACTIONS[action](**arguments)}

    def _begin_load(self, argv: list[str]) -> dict[str, Any]:
        from ..hostkit.linux import pipes

        self._require_lock()
        self._stop_load()
        self._load = pipes.Load(argv)
        return {"ok": True}

    def _give(self, data: str) -> dict[str, Any]:
        self._loading().write(base64.b64decode(data))
        return {"ok": True}

    def _end_load(self) -> dict[str, Any]:
        self._loading().close()
        self._stop_load()
        return {"ok": True}

    def _loading(self) -> pipes.Load:
        if self._load is None:
            raise ResourceError("received data for a program, expected the program first")
        return self._load

    def _stop_load(self) -> None:
        if self._load is not None:
            self._load.end()
            self._load = None


def _install(modules: dict[str, str]) -> None:
    """Make a project's own modules with resources importable."""
    for name, source in modules.items():
        module = types.ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec"), module.__dict__)  # noqa: S102


def _run_command(app: str, argv: list[str]) -> dict[str, Any]:
    from . import stream

    return {"ok": True, "status": stream.run(app, argv)}


def _follow(app: str, names: list[str], marks: dict[str, int]) -> dict[str, Any]:
    from . import logs

    logs.follow(app, names, marks)
    return {"ok": True}


def _dump(argv: list[str]) -> dict[str, Any]:
    from ..hostkit.linux import pipes

    def send(piece: bytes) -> None:
        events.emit("data", data=base64.b64encode(piece).decode())

    return {"ok": True, "size": pipes.dump(argv, send)}


if __name__ == "__main__":
    main(sys.stdin.buffer)
