"""The user's commands in the app's environment, with streamed output."""

from __future__ import annotations

import base64
import os
import selectors
import subprocess
from collections.abc import Sequence

from ..contract import events, redact
from ..contract.base import ResourceError
from ..contract.interruption import uninterrupted
from ..hostkit.app.layout import Layout
from ..hostkit.linux import system

_CHUNK = 65536
# Seconds without output after which the output of an ended command is closed: a child may keep it open forever.
_QUIET = 0.1


def run(app: str, argv: Sequence[str]) -> int:
    """Run a command in the live release's folder and environment, as the app's user.

    Its output is sent as events "output", with `stream` and, in base64, `data`; without secrets. Its standard input is
    empty.

    :returns: its exit status as in a shell: 128 and more for a signal.
    :raises ResourceError: no release is live.
    """
    layout = Layout(app)
    live = layout.live()
    if live is None:
        raise ResourceError(f"no release of {app} is live on this host; run `fab deploy` first")
    return passed_on([f"{layout.release(live)}/start", "run", *argv], app)


def passed_on(argv: Sequence[str], user: str | None) -> int:
    """Run a program and stream its output; an interruption stops it and its children.

    :returns: its exit status.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        # An interruption between its start and the assignment would leave it running.
        with uninterrupted():
            process = system.start(argv, stdin=subprocess.DEVNULL, user=user)
        _pass_on(process)
    except OSError as error:
        raise ResourceError(f"{error.filename or argv[0]}: {error.strerror}") from error
    finally:
        if process is not None:
            with uninterrupted():
                _finish(process)
    status = process.returncode
    return status if status >= 0 else 128 - status


def _finish(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        system.end(process)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def _pass_on(process: subprocess.Popen[bytes]) -> None:
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ, (name, redact.Stream()))
        try:
            _read_all(selector, process)
        finally:
            for key in list(selector.get_map().values()):
                _send(key.data[0], key.data[1].end())
    # It may close its output and keep running; a signal just before an endless wait would not be noticed.
    while not system.has_ended(process, _QUIET):
        continue


def _read_all(selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
    """Stream output until all pipes are closed, or the program has ended and is quiet."""
    while selector.get_map():
        ready = selector.select(_QUIET)
        if not ready and system.has_ended(process):
            return
        for key, _ in ready:
            name, hidden = key.data
            data = os.read(key.fd, _CHUNK)
            _send(name, hidden.feed(data) if data else hidden.end())
            if not data:
                selector.unregister(key.fileobj)


def _send(name: str, data: bytes) -> None:
    if data:
        events.emit("output", stream=name, data=base64.b64encode(data).decode())
