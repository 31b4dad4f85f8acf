"""What the console writes on: a pipe, which gets plain lines, or a terminal, for which alone rich is loaded."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from ..printable import printable
from .relay import Stream

if TYPE_CHECKING:
    from rich.text import Text

    # Words and their style; or, for a terminal, words with styles of their own.
    Piece = tuple[str, str | None] | Text

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Paper(Protocol):
    """Where lines are written."""

    @property
    def quiet(self) -> bool:
        """Whether they are not."""

    def print(self, pieces: Sequence[Piece], style: str | None = None) -> None:
        """Write a line, made of pieces, without what a terminal would obey.

        They may be in the words of a host, of a log, or of who wrote a commit's message.
        """

    def coloured(self, text: str) -> Piece:
        """A text with colours of its own, as terminals are told of them, for `print`."""

    def end(self) -> None:
        """Nobody reads it any more.

        :raises SystemExit: always.
        """


def paper(stream: Stream, quiet: bool) -> Paper:
    """What fits a stream, as the environment has it.

    :param quiet: write nothing.
    """
    file = file_of(stream)
    # The variables by which rich, too, takes anything for a terminal.
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE") == "1"
    return Screen(stream) if (file.isatty() or forced) and not quiet else Plain(stream, quiet)


def file_of(stream: Stream) -> TextIO:
    """The stream as it is by now: it may be replaced at any time."""
    return sys.stdout if stream == "stdout" else sys.stderr


class Plain:
    """Lines as they are, without colours."""

    def __init__(self, stream: Stream, quiet: bool) -> None:
        self.quiet = quiet
        self._stream = stream

    def print(self, pieces: Sequence[Piece], style: str | None = None) -> None:
        if self.quiet:
            return
        text = "".join(str(piece[0]) for piece in pieces)
        file = file_of(self._stream)
        try:
            file.write(f"{printable(text).expandtabs()}\n")
            file.flush()
        except BrokenPipeError:
            self.end()

    def coloured(self, text: str) -> Piece:
        return _COLOUR.sub("", text), None

    def end(self) -> None:
        self.quiet = True
        # Or Python would try once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1)


class Screen:
    """A terminal, or what is to be treated as one.

    :ivar rich: who writes on it.
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
        """Whether lines can be written over: rich takes anything for a terminal when FORCE_COLOR is set."""
        return self.rich.is_interactive and self.rich.file.isatty() and not self.quiet
