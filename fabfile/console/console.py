"""Console: a line for each change as it happens, errors of hosts last."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..printable import Coloured, coloured, without_logins
from .lines import LineBuffer, Stream
from .output import Output, Screen, file_of, output_for
from .progress import FleetProgress, Progress

if TYPE_CHECKING:
    from ..contract.events import Event
    from ..report import Report
    from .live import LiveLines
    from .output import Piece

_STYLES = {"changed": "green", "ran": "cyan", "reverted": "yellow", "failed": "bold red"}
_WOULD = {"changed": "change", "ran": "run"}
_WORD = 9  # columns


def diff_style(row: str) -> str | None:
    """Choose the style of a row of a unified diff."""
    return {"+": "green", "-": "red", "@": "cyan"}.get(row[:1])


class Console:
    """Standard output for any number of threads, in whole lines.

    On a terminal it has colours and, during a run, a line for each host with its current work.

    :param quiet: print nothing, because standard output is for JSON.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._out, self._err = output_for("stdout", quiet), output_for("stderr", quiet)
        self._lock = threading.RLock()
        self._fleet = FleetProgress()
        self._live: LiveLines | None = None
        self._lines = LineBuffer(self._output_line)
        self._coloured: dict[Stream, Coloured] = {"stdout": Coloured(), "stderr": Coloured()}

    @contextlib.contextmanager
    def fleet(self, labels: Sequence[str], what: str, dry_run: bool = False) -> Iterator[None]:
        """Show the progress of hosts during a `with` block; one fleet at a time.

        :param labels: the hosts as written after `-H`.
        :param what: the name of the run.
        """
        self._fleet = FleetProgress(labels, what, dry_run)
        self.say(self._fleet.title, style="bold")
        with self._live_lines():
            yield

    @contextlib.contextmanager
    def outputs(self, labels: Sequence[str]) -> Iterator[None]:
        """Print only the hosts' output during a `with` block."""
        self._fleet = FleetProgress(labels)
        try:
            yield
        finally:
            for label in labels:
                self.output_end(label)

    @contextlib.contextmanager
    def _live_lines(self) -> Iterator[None]:
        # CI keeps its terminal as a log.
        if not isinstance(self._out, Screen) or not self._out.can_move or os.environ.get("CI"):
            yield
            return
        from .live import LiveLines

        live = LiveLines(self._out.rich, self._fleet, self._lock)
        with live.shown():
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def phase(self, label: str, phase: str, total: int = 0) -> None:
        """Show that a host begins a phase.

        :param total: number of resources; 0 when it is unknown.
        """
        with self._lock:
            if self._fleet.enter(label, phase, total):
                self.say(f"-- {phase}", style="bold")

    def idle(self, label: str, why: str) -> None:
        """Show that a host waits."""
        with self._lock:
            self._fleet.progress[label] = Progress("waiting", why)

    def done(self, label: str, verdict: str, ok: bool = True) -> None:
        """Show that a host is done."""
        with self._lock:
            self._fleet.progress[label] = Progress("done" if ok else "failed", verdict)

    def event(self, label: str, event: Event) -> None:
        """Show an event of a host as it arrives."""
        if event["event"] == "start":
            with self._lock:
                self._fleet.start(label, event["index"] + 1, event["resource"])
        elif event["event"] == "note":
            self.note(label, event)
        elif event["event"] == "result" and event["state"] != "ok":
            self._result(label, event)

    def note(self, label: str, event: Event) -> None:
        """Print a note of a host."""
        self._print_rows(label, "note", "yellow", [[(row, "yellow")] for row in event["text"].splitlines() or [""]])

    def _result(self, label: str, event: Event) -> None:
        dry_run, state = self._fleet.dry_run, str(event["state"])
        what: list[Piece] = [(event["resource"], None)]
        # Errors of several hosts are printed in full at the end, one after another.
        error = event.get("error", "").splitlines()
        if self._fleet.several and error:
            what.append((f": {error[0]}", "red"))
            error = []
        if event.get("summary"):
            what.append((f": {event['summary']}", "dim"))
        if event["seconds"] >= 1:
            what.append((f"  {event['seconds']:.1f} s", "dim"))
        # Diffs are for plans; a run that changes hosts shows one line a change.
        diff = event.get("diff", "").splitlines() if dry_run else []
        rows: list[tuple[Piece]] = [((row, "red"),) for row in error] + [((row, diff_style(row)),) for row in diff]
        self._print_rows(label, _WOULD.get(state, state) if dry_run else state, _STYLES[state], [what, *rows])

    def _print_rows(self, label: str, word: str, style: str, rows: Iterable[Sequence[Piece]]) -> None:
        """Print rows of a host in one piece, aligned in a column."""
        prefix = self._prefix(label)
        pieces: list[Piece] = []
        for number, row in enumerate(rows):
            end = [("\n", None)] if number else []
            pieces += [*end, *prefix, (("" if number else word).ljust(_WORD), style), *row]
        self._print(pieces)

    def _prefix(self, label: str) -> list[Piece]:
        fleet = self._fleet
        return [(fleet.name(label).ljust(fleet.width) if fleet.several else "", fleet.style(label)), ("  ", None)]

    def output(self, label: str, stream: Stream, data: bytes) -> None:
        """Print the output of a command: unchanged from one host, in whole lines from several.

        Control characters other than colours are kept from a terminal.
        """
        if self._out.quiet:
            return
        with self._lock:
            if self._fleet.several or self._live:
                self._lines.feed(label, stream, data)
                return
            self._write(stream, self._coloured[stream].feed(data) if file_of(stream).isatty() else data)

    def _write(self, stream: Stream, data: bytes) -> None:
        file = file_of(stream)
        try:
            file.flush()
            file.buffer.write(data)
            file.buffer.flush()
        except BrokenPipeError:
            self._out.end()

    def output_end(self, label: str) -> None:
        """Flush the output of a command that has ended."""
        with self._lock:
            self._lines.end(label)
            for stream, rest in self._coloured.items():
                if data := rest.end():
                    self._write(stream, data)

    def _output_line(self, label: str, stream: Stream, line: str) -> None:
        # Of a line that was overwritten, such as "10 %", the last state is shown.
        shown = line.rstrip("\r").rpartition("\r")[2]
        out = self._out if stream == "stdout" or self._live else self._err
        self._show([*self._prefix(label), out.coloured(coloured(shown))], None, out)

    def name(self, label: str) -> str:
        """Return the name of a host in this run."""
        return self._fleet.name(label)

    def host_summary(self, report: Report) -> None:
        """Print a summary of a host in one line."""
        times = Counter(result.state for result in report.results)
        counts = [f"{times['changed']} {'would change' if report.dry_run else 'changed'}", f"{times['ok']} unchanged"]
        if times["reverted"]:
            counts.append(f"{times['reverted']} reverted")
        name = f"{self._fleet.name(report.host)}:".ljust(self._fleet.width + 1)
        verdict = "" if report.ok else "FAILED; "
        text = f"{name} {verdict}{', '.join(counts)}, {report.seconds:.1f} s"
        self.say(text, style="bold" if report.ok else "bold red")

    def failures(self, reports: Iterable[Report]) -> None:
        """Print the errors of failed hosts; hosts with the same error together."""
        problems: dict[str, list[str]] = {}
        for report in reports:
            # The errors of a single host have been printed already.
            if problem := report.problem() if self._fleet.several else report.error:
                problems.setdefault(problem, []).append(self._fleet.name(report.host))
        for problem, names in problems.items():
            with self._lock:
                self.say(f"{', '.join(names)} failed:", style="bold red")
                self.say(textwrap.indent(problem, "  "), style="red")

    def agrees(self, question: str) -> bool:
        """Ask for confirmation at the terminal; the output of hosts is held until the answer.

        :raises UsageError: there is no terminal.
        """
        if self.quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(f"{question}\ncannot ask for confirmation without a terminal; pass --yes to go ahead")
        with self._lock, self._live.hidden() if self._live else contextlib.nullcontext():
            self.say(f"{question} [y/N]", style="yellow")
            return sys.stdin.readline().strip().lower() in ("y", "yes")

    def say(self, text: str = "", style: str | None = None) -> None:
        """Print a line that is not about a resource."""
        self._print([(text, None)], style)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
        """Print a table; columns are as wide as their content, so that nothing is cut off in a pipe."""
        # Text of a host in a cell must not look like a row of another host.
        cells = [[cell.replace("\n", "?") for cell in row] for row in (columns, *rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        with self._lock:
            for number, row in enumerate(cells):
                line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                style = "bold" if number == 0 else styles[number - 1] if styles else None
                self._print([(line, None)], style)

    def _print(self, pieces: Sequence[Piece], style: str | None = None, out: Output | None = None) -> None:
        hidden = [(without_logins(piece[0]), piece[1]) if isinstance(piece, tuple) else piece for piece in pieces]
        self._show(hidden, style, out)

    def _show(self, pieces: Sequence[Piece], style: str | None, out: Output | None) -> None:
        with self._lock:
            if self._live:
                self._live.fit()
            (out or self._out).print(pieces, style)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
