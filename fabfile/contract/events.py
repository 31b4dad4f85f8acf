"""Events from host to controller, as JSON text sequences (RFC 7464)."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import Any

from . import redact
from .checks import Check, exactly, number, optional
from .interruption import uninterrupted
from .strict_json import read_json

Event = dict[str, Any]

# Each event starts with this byte, so that nothing a login shell or a program prints is taken for one.
RECORD_SEPARATOR = b"\x1e"
# Fields that may quote programs and files, and so secrets; all others are our own data.
_WORDS = frozenset({"resource", "summary", "diff", "error", "text"})


class _Out:
    """Destination of events: the standard output of the run when it began."""

    fd: int | None = None
    gone = False
    lock = threading.Lock()


def open_stream() -> None:
    """Reserve standard output for events; all other output goes to standard error."""
    _Out.fd = os.dup(1)
    os.dup2(2, 1)


@uninterrupted()
def emit(kind: str, **fields: Any) -> None:
    """Send one complete event, without secrets in its texts.

    A lost controller is ignored here: the run notices it where it can stop cleanly.
    """
    safe = {name: redact.text(value) if name in _WORDS else value for name, value in fields.items()}
    # Escaped to ASCII: independent of the host's locale.
    _write(RECORD_SEPARATOR + json.dumps({"event": kind, **safe}).encode("ascii") + b"\n")


def alive(**fields: str) -> None:
    """Send a heartbeat to the controller; from any thread."""
    _write(RECORD_SEPARATOR + json.dumps({"event": "alive", **fields}).encode("ascii") + b"\n")


def _write(data: bytes) -> None:
    with _Out.lock:
        if _Out.fd is None or _Out.gone:
            return
        try:
            while data:
                data = data[os.write(_Out.fd, data) :]
        except OSError:
            _Out.gone = True


_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")


def _is_words(value: Any) -> bool:
    return type(value) is str


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _is_data(value: Any) -> bool:
    return type(value) is str and len(value) % 4 == 0 and _BASE64.fullmatch(value) is not None


# Fields of each event; "done" also has the answer to its frame.
_FIELDS: dict[str, dict[str, Check]] = {
    "alive": {"machine": optional(_is_words)},
    "code": {},
    "prove": {},
    "done": {
        "ok": exactly(True, False),
        "interrupted": optional(exactly(True)),
        **dict.fromkeys(("error", "locked"), optional(_is_words)),
        **dict.fromkeys(("status", "size"), optional(_is_count)),
    },
    "start": {"index": _is_count, "resource": _is_words},
    "result": {
        "index": _is_count,
        "resource": _is_words,
        "state": exactly("ok", "changed", "ran", "reverted", "failed"),
        "seconds": number(),
        **dict.fromkeys(("summary", "diff", "error"), optional(_is_words)),
    },
    "note": {"text": _is_words},
    "output": {"stream": exactly("stdout", "stderr"), "data": _is_data},
    "log": {"name": _is_words, "text": _is_words},
    "data": {"data": _is_data},
}


def read(record: bytes) -> Event:
    """Parse the event in a record.

    :raises ValueError: it is not a valid event.
    """
    event = read_json(record)
    if not isinstance(event, dict) or not isinstance(event.get("event"), str) or event["event"] not in _FIELDS:
        raise ValueError("unknown event")
    for name, check in _FIELDS[event["event"]].items():
        if not check(event.get(name)):
            raise ValueError(f"{event['event']} without {name}")
    return {name: value for name, value in event.items() if value is not None}


def note(text: str) -> None:
    """Show the user a note: neither a change nor an error."""
    emit("note", text=text)


def at_work(text: str) -> None:
    """Show the current step of a resource on the live line only."""
    emit("start", index=0, resource=text)
