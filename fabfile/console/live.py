"""Live lines at the end of the terminal: the current work of each host."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Group
from rich.control import Control
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.segment import ControlType
from rich.spinner import Spinner
from rich.text import Text

from ..printable import printable, without_logins

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import OverflowMethod

    from .progress import FleetProgress, Progress, State

_REFRESH = 1 / 8
_STYLES: dict[State, str] = {"failed": "bold red", "working": "", "waiting": "dim", "done": "green"}
# Without room for all hosts, the states that matter most come first.
_RANKS = {state: rank for rank, state in enumerate(_STYLES)}


class LiveLines:
    """One line for each host, refreshed by a separate thread.

    rich's own thread would not do: it could draw after another thread has counted the lines to overwrite and before
    it overwrites them.

    :param lock: held to print and to change the fleet.
    """

    def __init__(self, out: RichConsole, fleet: FleetProgress, lock: threading.RLock) -> None:
        self._out, self._fleet, self._lock = out, fleet, lock
        unicode = out.encoding.startswith("utf")
        self._spinner = Spinner("dots" if unicode else "line")
        self._overflow: OverflowMethod = "ellipsis" if unicode else "crop"
        self._width = out.width
        self._phase_width = 0
        self._drawn: list[Text] = []
        self._ended = threading.Event()
        self._live = Live(
            get_renderable=self._draw,
            console=out,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the lines during a `with` block; other output to the terminal goes above them."""
        with contextlib.redirect_stdout(self._above(sys.stdout)), contextlib.redirect_stderr(self._above(sys.stderr)):
            try:
                with self._lock:
                    self._live.start()
                threading.Thread(target=self._keep_fresh, daemon=True).start()
                yield
            finally:
                self._ended.set()
                with self._lock:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    self.fit()
                    self._live.stop()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the lines during a `with` block; call it with the lock held."""
        self.fit()
        self._live.stop()
        self._drawn = []
        try:
            yield
        finally:
            self._live.start()

    def fit(self) -> None:
        """Erase the rest of lines that wrapped when the terminal became narrower; call it before printing.

        rich only erases as many lines as it drew.
        """
        width = self._out.width
        if width < self._width:
            broken = sum(max(line.cell_len - 1, 0) // width for line in self._drawn)
            self._out.control(Control(*[(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * broken))
        self._width = width

    def _keep_fresh(self) -> None:
        ended = False
        while not ended:
            with self._lock:
                if not self._ended.is_set():
                    self.fit()
                    self._live.refresh()
            ended = self._ended.wait(_REFRESH)

    def _above(self, stream: TextIO) -> TextIO:
        return cast("TextIO", _Above(self, self._out, stream, self._lock)) if stream.isatty() else stream

    def _draw(self) -> Group:
        # A third of the terminal is left for the lines above, which show changes.
        shown = self._chosen(room=max(1, self._out.height * 2 // 3))
        self._drawn = [self._line(label) for label in shown]
        if rest := [label for label in self._fleet.progress if label not in shown]:
            self._drawn.append(self._summed_up(rest))
        for line in self._drawn:
            # A full line would wrap when the terminal echoes ^C at its end.
            line.truncate(self._out.width - 3, overflow=self._overflow)
        return Group(*self._drawn)

    def _chosen(self, room: int) -> list[str]:
        """Choose the hosts that get a line, in the order of the run."""
        progress = self._fleet.progress
        if len(progress) <= room:
            return list(progress)
        # Of those that work, the slowest come first.
        ranked = sorted(progress, key=lambda label: (_RANKS[progress[label].state], progress[label].since))
        first = set(ranked[: room - 1])
        return [label for label in progress if label in first]

    def _summed_up(self, labels: list[str]) -> Text:
        times = Counter(self._fleet.progress[label].state for label in labels)
        counts = [(f"{times[state]} {state}", style) for state, style in _STYLES.items() if times[state]]
        return Text("  and ", "dim") + Text(", ", "dim").join(Text(*count) for count in counts)

    def _line(self, label: str) -> Text:
        progress = self._fleet.progress[label]
        working = progress.state == "working"
        mark = cast("Text", self._spinner.render(time.monotonic())) if working else Text(" ")
        name = self._fleet.name(label).ljust(self._fleet.width)
        line = Text.assemble(mark, " ", (name, self._fleet.style(label)), "  ", self._state(progress))
        line.plain = printable(without_logins(line.plain))
        return line

    def _state(self, progress: Progress) -> Text:
        if progress.state != "working":
            return Text(progress.text, _STYLES[progress.state])
        # It only grows, so that columns stay aligned.
        self._phase_width = max(self._phase_width, len(progress.text))
        seconds = f"{progress.seconds} s".rjust(6)
        return Text.assemble(progress.text.ljust(self._phase_width), (seconds, "dim"), "  ", progress.step)


class _Above(FileProxy):
    """Stream whose lines are printed above the live ones."""

    def __init__(self, lines: LiveLines, out: RichConsole, stream: TextIO, lock: threading.RLock) -> None:
        super().__init__(out, stream)
        self._lines, self._lock = lines, lock

    def write(self, text: str) -> int:
        with self._lock:
            self._lines.fit()
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._lines.fit()
            super().flush()
