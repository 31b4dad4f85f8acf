"""The agent's life: read frames from standard input, answer each with events, end when the controller is gone."""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import types
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from . import engine, events, lock, system, wire
from .owed import FOLDER, Owed

_HANGUP = signal.SIGHUP


def main(stdin: BinaryIO) -> None:
    """Serve one controller.

    A frame is a line with the length of what follows, then zlib-compressed JSON: {"op": ..., ...}. Each is answered
    by any number of events and one "done". A closed standard input ends the run: at once between frames, and as if
    by SIGHUP inside one, so that whatever was half-way is put back. A frame may say where the lock (`path`) and what
    is owed (`folder`) are kept, so that the agent can be tried without root.
    """
    events.open_stream()
    for signum in (signal.SIGTERM, signal.SIGINT, _HANGUP):
        signal.signal(signum, system.interrupt)
    # A controller that went away is found out by reading; writing to it is no error.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    os.chdir("/")
    frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    busy, gone = threading.Event(), threading.Event()
    threading.Thread(target=_read, args=(stdin, frames, busy, gone), daemon=True).start()
    try:
        while (frame := frames.get()) is not None:
            busy.set()
            # Set in this order and asked in the other one there, so that one of the two sees the other.
            if gone.is_set():
                raise system.Interrupted
            _serve(frame)
            busy.clear()
    except system.Interrupted:
        events.emit("done", ok=False, interrupted=True)
        # The reader may still wait for the controller, and Python cannot shut down while a thread reads its input.
        sys.stderr.flush()
        os._exit(0)


def _read(
    stdin: BinaryIO,
    frames: queue.SimpleQueue[dict[str, Any] | None],
    busy: threading.Event,
    gone: threading.Event,
) -> None:
    try:
        while header := stdin.readline():
            data = stdin.read(int(header))
            if len(data) < int(header):
                break
            frames.put(json.loads(zlib.decompress(data)))
    finally:
        gone.set()
        frames.put(None)
        if busy.is_set():
            os.kill(os.getpid(), _HANGUP)


def _serve(frame: dict[str, Any]) -> None:
    try:
        operation = _OPERATIONS[frame.pop("op")]
        events.emit("done", **operation(**frame))
    except lock.LockedError as error:
        events.emit("done", ok=False, locked=str(error))
    except Exception as error:  # noqa: BLE001
        events.emit("done", ok=False, error=engine.message(error))


def _lock(holder: dict[str, Any], wait: float, path: str = lock.PATH) -> dict[str, Any]:
    lock.acquire(holder, wait, path)
    return {"ok": True}


def _converge(resources: list[Any], modules: dict[str, str], folder: str = FOLDER) -> dict[str, Any]:
    _install(modules)
    return {"ok": engine.converge([wire.load(item) for item in resources], Owed(folder))}


def _plan(resources: list[Any], modules: dict[str, str], folder: str = FOLDER) -> dict[str, Any]:
    _install(modules)
    return {"ok": engine.plan([wire.load(item) for item in resources], Owed(folder))}


def _install(modules: dict[str, str]) -> None:
    """Make the modules in which a project defines resources of its own importable."""
    for name, source in modules.items():
        module = types.ModuleType(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec"), module.__dict__)  # noqa: S102


def _ask(query: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a function of `queries`, which only read."""
    queries = importlib.import_module(".queries", __package__)
    return {"ok": True, "answer": getattr(queries, query)(**arguments)}


_OPERATIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "lock": _lock,
    "converge": _converge,
    "plan": _plan,
    "ask": _ask,
}

if __name__ == "__main__":
    main(sys.stdin.buffer)
