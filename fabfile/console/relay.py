"""What commands print on the hosts, passed on: as it is from one host, line by line from several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Stream = Literal["stdout", "stderr"]


class Lines:
    """Bytes as they come, in whole lines; the beginning of a line is kept until the rest is there.

    :param take: called with each line, without its end.
    """

    def __init__(self, take: Callable[[str, Stream, str], None]) -> None:
        self._take = take
        self._rests: dict[tuple[str, Stream], bytes] = {}

    def feed(self, label: str, stream: Stream, data: bytes) -> None:
        """More of what a host printed."""
        *lines, rest = (self._rests.pop((label, stream), b"") + data).split(b"\n")
        for line in lines:
            self._take(label, stream, line.decode("utf-8", "replace"))
        if rest:
            self._rests[label, stream] = rest

    def end(self, label: str) -> None:
        """A host prints no more: what is left is a line too."""
        for key in [key for key in self._rests if key[0] == label]:
            self._take(*key, self._rests.pop(key).decode("utf-8", "replace"))
