"""The console: a line for each change as it happens, and last of all why hosts failed."""

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
from .fleet import Fleet, Progress
from .paper import Paper, Screen, file_of, paper
from .relay import Lines, Stream

if TYPE_CHECKING:
    from ..contract.events import Event
    from ..report import Report
    from .live import LiveLines
    from .paper import Piece

_STYLES = {"changed": "green", "ran": "cyan", "reverted": "yellow", "failed": "bold red"}
_WOULD = {"changed": "change", "ran": "run"}
_WORD = 9  # columns


def diff_style(row: str) -> str | None:
    """The style of a row of a unified diff."""
    return {"+": "green", "-": "red", "@": "cyan"}.get(row[:1])


class Console:
    """Prints to standard output, whole lines only, for any number of threads.

    On a terminal there are colours and, while hosts are worked on, a line for each that says what it is at.

    :param quiet: print nothing, because standard output is for JSON.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._out, self._err = paper("stdout", quiet), paper("stderr", quiet)
        self._lock = threading.RLock()
        self._fleet = Fleet()
        self._live: LiveLines | None = None
        self._lines = Lines(self._output_line)
        self._coloured: dict[Stream, Coloured] = {"stdout": Coloured(), "stderr": Coloured()}

    @contextlib.contextmanager
    def fleet(self, labels: Sequence[str], what: str, dry_run: bool = False) -> Iterator[None]:
        """While hosts are worked on, side by side when they are several; one fleet at a time.

        :param labels: the hosts as one would write them after `-H`.
        :param what: what is done to them.
        """
        self._fleet = Fleet(labels, what, dry_run)
        self.say(self._fleet.title, style="bold")
        with self._live_lines():
            yield

    @contextlib.contextmanager
    def outputs(self, labels: Sequence[str]) -> Iterator[None]:
        """While what hosts print is passed on, and nothing else is said."""
        self._fleet = Fleet(labels)
        try:
            yield
        finally:
            for label in labels:
                self.output_end(label)

    @contextlib.contextmanager
    def _live_lines(self) -> Iterator[None]:
        # What CI shows as a terminal is kept as a log.
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
        """A host begins a phase.

        :param total: how many resources there are; 0 when that is not known.
        """
        with self._lock:
            if self._fleet.enter(label, phase, total):
                self.say(f"-- {phase}", style="bold")

    def idle(self, label: str, why: str) -> None:
        """A host has nothing to do for now."""
        with self._lock:
            self._fleet.progress[label] = Progress("waiting", why)

    def done(self, label: str, verdict: str, ok: bool = True) -> None:
        """A host is finished with."""
        with self._lock:
            self._fleet.progress[label] = Progress("done" if ok else "failed", verdict)

    def event(self, label: str, event: Event) -> None:
        """One event of a host, as it arrives."""
        if event["event"] == "start":
            with self._lock:
                self._fleet.start(label, event["index"] + 1, event["resource"])
        elif event["event"] == "note":
            self.note(label, event)
        elif event["event"] == "result" and event["state"] != "ok":
            self._result(label, event)

    def note(self, label: str, event: Event) -> None:
        """Something that a host has to say besides its results."""
        self._tell(label, "note", "yellow", [[(row, "yellow")] for row in event["text"].splitlines() or [""]])

    def _result(self, label: str, event: Event) -> None:
        dry_run, state = self._fleet.dry_run, str(event["state"])
        what: list[Piece] = [(event["resource"], None)]
        # Of several hosts the errors come in full after the last line, one after another.
        error = event.get("error", "").splitlines()
        if self._fleet.several and error:
            what.append((f": {error[0]}", "red"))
            error = []
        if event.get("summary"):
            what.append((f": {event['summary']}", "dim"))
        if event["seconds"] >= 1:
            what.append((f"  {event['seconds']:.1f} s", "dim"))
        # Only a plan is read line by line; of what was done, the lines above are the account.
        diff = event.get("diff", "").splitlines() if dry_run else []
        rows: list[tuple[Piece]] = [((row, "red"),) for row in error] + [((row, diff_style(row)),) for row in diff]
        self._tell(label, _WOULD.get(state, state) if dry_run else state, _STYLES[state], [what, *rows])

    def _tell(self, label: str, word: str, style: str, rows: Iterable[Sequence[Piece]]) -> None:
        """Print what a host has to say, in one piece, below each other in a column of their own."""
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
        """What a command on a host prints: passed on as it is from one host, in whole lines from several.

        A terminal gets no control characters of it, besides colours.
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
        """A command on a host has ended; a last line without an end is one too."""
        with self._lock:
            self._lines.end(label)
            for stream, rest in self._coloured.items():
                if data := rest.end():
                    self._write(stream, data)

    def _output_line(self, label: str, stream: Stream, line: str) -> None:
        # A line that was written over, such as "10 %", is shown as it was left.
        shown = line.rstrip("\r").rpartition("\r")[2]
        out = self._out if stream == "stdout" or self._live else self._err
        self._show([*self._prefix(label), out.coloured(coloured(shown))], None, out)

    def name(self, label: str) -> str:
        """What a host is called in this run."""
        return self._fleet.name(label)

    def host_summary(self, report: Report) -> None:
        """What was done on a host, in one line."""
        times = Counter(result.state for result in report.results)
        counts = [f"{times['changed']} {'would change' if report.dry_run else 'changed'}", f"{times['ok']} unchanged"]
        if times["reverted"]:
            counts.append(f"{times['reverted']} reverted")
        name = f"{self._fleet.name(report.host)}:".ljust(self._fleet.width + 1)
        verdict = "" if report.ok else "FAILED; "
        text = f"{name} {verdict}{', '.join(counts)}, {report.seconds:.1f} s"
        self.say(text, style="bold" if report.ok else "bold red")

    def failures(self, reports: Iterable[Report]) -> None:
        """Why hosts failed, in their own words; hosts that say the same together."""
        problems: dict[str, list[str]] = {}
        for report in reports:
            # What failed on a single host has been said where it did.
            if problem := report.problem() if self._fleet.several else report.error:
                problems.setdefault(problem, []).append(self._fleet.name(report.host))
        for problem, names in problems.items():
            with self._lock:
                self.say(f"{', '.join(names)} failed:", style="bold red")
                self.say(textwrap.indent(problem, "  "), style="red")

    def agrees(self, question: str) -> bool:
        """Ask whoever sits at the terminal, if anybody does; all that hosts have to say waits for the answer.

        :raises UsageError: nobody does.
        """
        if self.quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(f"{question}\ncannot ask for confirmation without a terminal; pass --yes to go ahead")
        with self._lock, self._live.away() if self._live else contextlib.nullcontext():
            self.say(f"{question} [y/N]", style="yellow")
            return sys.stdin.readline().strip().lower() in ("y", "yes")

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line that is not about one resource."""
        self._print([(text, None)], style)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
        """A listing; columns as wide as what stands in them, so that nothing is cut off when it is piped."""
        # What a host says in a cell must not look like a row of another host's.
        cells = [[cell.replace("\n", "?") for cell in row] for row in (columns, *rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        with self._lock:
            for number, row in enumerate(cells):
                line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                style = "bold" if number == 0 else styles[number - 1] if styles else None
                self._print([(line, None)], style)

    def _print(self, pieces: Sequence[Piece], style: str | None = None, out: Paper | None = None) -> None:
        hidden = [(without_logins(piece[0]), piece[1]) if isinstance(piece, tuple) else piece for piece in pieces]
        self._show(hidden, style, out)

    def _show(self, pieces: Sequence[Piece], style: str | None, out: Paper | None) -> None:
        with self._lock:
            if self._live:
                self._live.fit()
            (out or self._out).print(pieces, style)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
