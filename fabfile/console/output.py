"""Output streams of the console: plain lines, or a terminal through rich."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from ..printable import printable
from .lines import Stream

if TYPE_CHECKING:
    from rich.text import Text

    # Words and their style; or, for a terminal, words that carry their styles.
    Piece = tuple[str, str | None] | Text

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Output(Protocol):
    """Stream that lines are written to."""

    @property
    def quiet(self) -> bool:
        """Whether lines are dropped."""

    def print(self, pieces: Sequence[Piece], style: str | None = None) -> None:
        """Write a line of pieces without control characters.

        They may come from a host, a log or a commit's message.
        """

    def coloured(self, text: str) -> Piece:
        """Parse a text with colour codes into a piece for `print`."""

    def end(self) -> None:
        """End the program: the reader is gone.

        :raises SystemExit: always.
        """


def output_for(stream: Stream, quiet: bool) -> Output:
    """Choose the output for a stream and the environment.

    :param quiet: write nothing.
    """
    file = file_of(stream)
    # With these variables rich, too, treats any stream as a terminal.
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE") == "1"
    return Screen(stream) if (file.isatty() or forced) and not quiet else Plain(stream, quiet)


def file_of(stream: Stream) -> TextIO:
    """Return the current stream: it may be replaced at any time."""
    return sys.stdout if stream == "stdout" else sys.stderr


def _encodable(text: str, encoding: str | None) -> str:
    """A text with "?" for each letter that a terminal or a pipe cannot take: a host may send any."""
    return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")


class Plain:
    """Plain lines, without colours."""

    def __init__(self, stream: Stream, quiet: bool) -> None:
        self.quiet = quiet
        self._stream = stream

    def print(self, pieces: Sequence[Piece], style: str | None = None) -> None:
        if self.quiet:
            return
        text = "".join(str(piece[0]) for piece in pieces)
        file = file_of(self._stream)
        try:
            file.write(_encodable(f"{printable(text).expandtabs()}\n", file.encoding))
            file.flush()
        except BrokenPipeError:
            self.end()

    def coloured(self, text: str) -> Piece:
        return _COLOUR.sub("", text), None

    def end(self) -> None:
        self.quiet = True
        # Otherwise Python flushes again at its end and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1)


class Screen:
    """A terminal, or a stream that is treated as one.

    :ivar rich: the console of rich.
    """

    def __init__(self, stream: Stream) -> None:
        from rich.console import Console

        self.rich = Console(stderr=stream == "stderr", highlight=False, soft_wrap=True, markup=False, emoji=False)

    @property
    def quiet(self) -> bool:
        return self.rich.quiet

    def print(self, pieces: Sequence[Piece], style: str | None = None) -> None:
        from rich.text import Text

        text = Text.assemble(*((piece[0], piece[1] or "") if isinstance(piece, tuple) else piece for piece in pieces))
        text.plain = printable(text.plain)
        self.rich.print(text, style=style)

    def coloured(self, text: str) -> Piece:
        from rich.ansi import AnsiDecoder

        return AnsiDecoder().decode_line(text)

    def end(self) -> None:
        self.rich.on_broken_pipe()

    @property
    def can_move(self) -> bool:
        """Whether lines can be overwritten; FORCE_COLOR alone does not make a terminal."""
        return self.rich.is_interactive and self.rich.file.isatty() and not self.quiet
