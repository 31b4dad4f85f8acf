"""Line buffer for the output of commands on several hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Stream = Literal["stdout", "stderr"]


class LineBuffer:
    """Splits bytes into whole lines; the start of a line is kept until its end arrives.

    :param take: called with each line, without its end.
    """

    def __init__(self, take: Callable[[str, Stream, str], None]) -> None:
        self._take = take
        self._rests: dict[tuple[str, Stream], bytes] = {}

    def feed(self, label: str, stream: Stream, data: bytes) -> None:
        """Add output of a host."""
        *lines, rest = (self._rests.pop((label, stream), b"") + data).split(b"\n")
        for line in lines:
            self._take(label, stream, line.decode("utf-8", "replace"))
        if rest:
            self._rests[label, stream] = rest

    def end(self, label: str) -> None:
        """Flush the last line of a host that has no line end."""
        for key in [key for key in self._rests if key[0] == label]:
            self._take(*key, self._rests.pop(key).decode("utf-8", "replace"))
