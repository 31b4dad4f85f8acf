"""A terminal for tests: a program runs on a real pty, and one can read what stands on the screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType

TIMEOUT = 20
_TOKEN = re.compile(r"\x1b\[(\??)(\d*(?:;\d+)*)([A-Za-z])|[\r\n]|[^\x1b\r\n]")


class Screen:
    """The lines of a terminal that never scrolls, and breaks lines anew when its width changes, as most do."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.cursor_shown = True
        self.colours: set[str] = set()
        self._rows = [""]
        self._wrapped: set[int] = set()  # rows that go on in the next one
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """What stands there, down to the last line that is not empty."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip("\n").split("\n")

    def feed(self, text: str) -> str:
        """Show what a program wrote; the beginning of a control sequence that is not complete is returned."""
        end = 0
        while token := _TOKEN.match(text, end):
            end = token.end()
            if token[3]:
                self._control(token[1], token[2], token[3])
            elif token[0] == "\r":
                self._column = 0
            elif token[0] == "\n":
                self._down()
            else:
                self._put(token[0])
        assert len(text) - end < 10, f"not understood: {text[end : end + 20]!r}"
        return text[end:]

    def _control(self, private: str, number: str, letter: str) -> None:
        if private:
            assert number == "25"
            self.cursor_shown = letter == "h"
        elif letter == "A":
            self._row = max(0, self._row - int(number))
        elif letter == "K":
            assert number == "2"
            self._rows[self._row] = ""
            self._wrapped.discard(self._row)
        else:
            assert letter == "m"
            self.colours |= set(re.findall(r"\b[39][0-7]\b", number))

    def _put(self, character: str) -> None:
        if self._column == self.width:
            self._wrapped.add(self._row)
            self._down()
            self._column = 0
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")

    def resize(self, width: int) -> None:
        """Break the lines anew; the cursor stays at its character."""
        rows, wrapped, cursor = self._rows, self._wrapped, (self._row, self._column)
        self._rows, self._wrapped, self.width = [], set(), width
        whole, column = "", None
        for number, row in enumerate(rows):
            if number == cursor[0]:
                column = len(whole) + cursor[1]
            whole += row
            if number in wrapped:
                continue
            pieces = [whole[start : start + width] for start in range(0, len(whole), width)] or [""]
            if column is not None:
                step = min(column // width, len(pieces) - 1)
                self._row, self._column = len(self._rows) + step, column - step * width
            self._wrapped |= {len(self._rows) + piece for piece in range(len(pieces) - 1)}
            self._rows += pieces
            whole, column = "", None


class Terminal:
    """A Python program on a terminal of its own.

    :param code: the program, in Python.
    """

    def __init__(self, code: str, width: int = 80, height: int = 24, **environment: str) -> None:
        self.screen = Screen(width)
        self._height = height
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._master, slave = os.openpty()
        self._set_size(width)
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        env = {**plain, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment}
        # Opened by the leader of a session, the pty is its controlling terminal, and ^C on it an interrupt.
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR))\n{code}"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def _set_size(self, width: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self._height, width, 0, 0))

    def resize(self, width: int) -> None:
        """Make it wider or narrower, at a moment when the program is not just writing."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        while select.select([self._master], [], [], 0)[0] and self._read():
            pass
        self.screen.resize(width)
        self._set_size(width)
        self._process.send_signal(signal.SIGCONT)

    def type(self, text: str) -> None:
        """As on the keyboard."""
        os.write(self._master, text.encode())

    def until(self, lines: list[str]) -> None:
        """Read on until these lines are on the screen, and no others; a spinner is `*`, and any seconds are 0."""
        deadline = time.monotonic() + TIMEOUT
        while self._still() != lines:
            assert time.monotonic() < deadline and self._read(), "\n".join(["at last there was:", *self.screen.lines])

    def _still(self) -> list[str]:
        """What is on the screen, without what moves by itself."""
        return [re.sub(r"^[\u2800-\u28ff] ", "* ", re.sub(r" +\d+ s\b", " 0 s", line)) for line in self.screen.lines]

    def to_the_end(self) -> list[str]:
        """What is left on the screen when the program has ended."""
        deadline = time.monotonic() + TIMEOUT
        while self._read():
            assert time.monotonic() < deadline, "\n".join(["it goes on, with:", *self.screen.lines])
        self._process.wait(TIMEOUT)
        return self.screen.lines

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], TIMEOUT)
        try:
            data = os.read(self._master, 65536) if readable else b""
        except OSError:  # EIO: nobody has it open any more
            return False
        self._rest = self.screen.feed(self._rest + self._decoder.decode(data))
        return bool(data)
