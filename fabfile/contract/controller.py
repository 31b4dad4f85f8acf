"""The controller as the agent sees it: the frames that it sends, and whether it is still there."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from . import events, proof

# Seconds. Both ends say every few seconds that they are there, because TCP itself notices a peer that has silently
# gone only when it sends, and sshd's own default is not to ask at all.
BEAT = 10.0
PATIENCE = 45.0
# The exit status by which the controller knows that what is on standard error is for the user; see `gate`.
REFUSED = 98
_LONGEST_HEADER = 20


class Controller:
    """Reads frames in a thread of its own, so that a controller that goes is noticed while one is served.

    :param hang_up: called when it goes while a frame is served.
    :param largest: bytes that a frame may have, also when it is unpacked; None: as many as memory holds.
    """

    def __init__(self, stdin: BinaryIO, hang_up: Callable[[], None], largest: int | None = None) -> None:
        self._stdin, self._hang_up, self._largest = stdin, hang_up, largest
        self._frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._busy, self._gone = threading.Event(), threading.Event()
        self._last_heard = time.monotonic()
        events.alive(machine=_machine())
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def next_frame(self) -> dict[str, Any] | None:
        """The next thing to do; None when the controller is gone."""
        frame = self._frames.get()
        if frame is not None:
            self._busy.set()
            # Set in this order and asked in the other one in `_leave`, so that one of the two sees the other.
            if self._gone.is_set():
                return None
        return frame

    def served(self) -> None:
        """The frame has been answered."""
        self._busy.clear()

    def _read(self) -> None:
        try:
            while header := self._stdin.readline(_LONGEST_HEADER):
                self._last_heard = time.monotonic()
                size = _size(header, self._largest)
                data = self._take(size)
                if len(data) < size:
                    break
                if data:
                    self._sort(_frame(data, self._largest))
        except (ValueError, zlib.error, RecursionError) as error:
            # The controller shows it when the run dies.
            sys.stderr.write(f"found what is no frame, expected one from a controller of the same version: {error}\n")
        finally:
            self._leave()

    def _sort(self, frame: dict[str, Any]) -> None:
        """What answers a question of the run at hand is no new thing to do."""
        if frame.get("op") == "proof":
            proof.give(str(frame.get("problem", "found no answer")))
        else:
            self._frames.put(frame)

    def _take(self, size: int) -> bytes:
        """So many bytes, or fewer when they end."""
        data = bytearray()
        while len(data) < size and (chunk := self._stdin.read(min(65536, size - len(data)))):
            data += chunk
            self._last_heard = time.monotonic()
        return bytes(data)

    def _beat(self) -> None:
        while not self._gone.wait(BEAT):
            events.alive()
            if time.monotonic() - self._last_heard > PATIENCE:
                self._leave()

    def _leave(self) -> None:
        self._gone.set()
        self._frames.put(None)
        if self._busy.is_set():
            self._hang_up()


def _size(header: bytes, largest: int | None) -> int:
    """How many bytes follow a header.

    :raises ValueError: it is none, or of too many.
    """
    if not header.rstrip(b"\n").isdigit() or len(header) > _LONGEST_HEADER:
        raise ValueError(f"{header[:_LONGEST_HEADER]!r} is no length")
    if largest is not None and int(header) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    return int(header)


def _frame(data: bytes, largest: int | None) -> dict[str, Any]:
    """What was sent.

    :raises ValueError, zlib.error: it is no frame, or too large when it is unpacked.
    """
    unpacking = zlib.decompressobj()
    # 0 is zlib's way to say: as much as there is.
    text = unpacking.decompress(data, largest or 0)
    if unpacking.unconsumed_tail:
        raise ValueError(f"it has more than {largest} bytes")
    frame = json.loads(text)
    if not isinstance(frame, dict):
        raise ValueError(f"a {type(frame).__name__}")
    return frame


def _machine() -> str:
    """What tells this machine from all others, whatever names it is reached by: its identity, and that of its boot.

    Clones of an image may share the first, containers of one kernel the second.
    """
    parts = []
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        try:
            with open(path, encoding="ascii") as file:
                parts.append(file.read().strip())
        except (OSError, ValueError):
            parts.append("")
    return ":".join(parts)
