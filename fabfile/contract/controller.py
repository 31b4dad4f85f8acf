"""Connection to the controller, as the agent sees it: frames and heartbeat."""

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

# Seconds. Both ends send a heartbeat: TCP notices a silently lost peer only when it sends, and sshd's keep-alive is
# off by default.
BEAT = 10.0
PATIENCE = 45.0
# The exit status that marks standard error as a message for the user; see `gate`.
REFUSED = 98
_LONGEST_HEADER = 20


class Controller:
    """Reads frames in a separate thread, to notice a lost controller while a frame is served.

    :param hang_up: called when the controller is lost while a frame is served.
    :param largest: limit in bytes of a frame, also decompressed; None: no limit.
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
        """Wait for the next frame; None when the controller is gone."""
        frame = self._frames.get()
        if frame is not None:
            self._busy.set()
            # `_leave` reads and sets in the opposite order, so that one of the two sees the other.
            if self._gone.is_set():
                return None
        return frame

    def served(self) -> None:
        """Note that the frame has been answered."""
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
            sys.stderr.write(f"received an invalid frame, expected one from the same version of hostsmith: {error}\n")
        finally:
            self._leave()

    def _sort(self, frame: dict[str, Any]) -> None:
        """Pass an answer to the run that waits for it; queue every other frame."""
        if frame.get("op") == "proof":
            proof.give(str(frame.get("problem", "the answer is missing")))
        else:
            self._frames.put(frame)

    def _take(self, size: int) -> bytes:
        """Read so many bytes, or fewer at the end of input."""
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
    """Return the number of bytes that follow a header.

    :raises ValueError: it is not a valid header, or the number is too large.
    """
    if not header.rstrip(b"\n").isdigit() or len(header) > _LONGEST_HEADER:
        raise ValueError(f"{header[:_LONGEST_HEADER]!r} is not a valid length")
    if largest is not None and int(header) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    return int(header)


def _frame(data: bytes, largest: int | None) -> dict[str, Any]:
    """Decode a frame.

    :raises ValueError, zlib.error: it is not a valid frame, or too large when decompressed.
    """
    unpacking = zlib.decompressobj()
    # For zlib, 0 means no limit.
    text = unpacking.decompress(data, largest or 0)
    if unpacking.unconsumed_tail:
        raise ValueError(f"it has more than {largest} bytes")
    frame = json.loads(text)
    if not isinstance(frame, dict):
        raise ValueError(f"a {type(frame).__name__}")
    return frame


def _machine() -> str:
    """Return the identity of this machine and of its boot, independent of the name by which it was reached.

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
