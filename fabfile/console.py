"""What people see of a run: a line for each change as it happens, and the errors in full."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.status import Status

    from .report import Report
    from .session import Event

_STYLES = {"changed": "green", "ran": "cyan", "failed": "bold red"}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


class Console:
    """Prints to standard output; on a terminal with colours and a line that shows what is being worked on.

    :param quiet: print nothing but errors, because standard output is for JSON.
    """

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console as RichConsole

        self._out: RichConsole = RichConsole(highlight=False, soft_wrap=True, markup=False, emoji=False, quiet=quiet)
        self._status: Status | None = None
        self._total = 0

    @contextlib.contextmanager
    def host(self, report: Report, what: str, total: int) -> Iterator[None]:
        """While one host is worked on."""
        self._total = total
        suffix = " (dry run: nothing is touched)" if report.dry_run else ""
        self._out.print(f"{report.host}: {what}{suffix}", style="bold")
        with self.working(f"{report.host}: connecting"):
            yield

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """While something takes time: says so on a terminal, on a line that goes again."""
        if not self._out.is_terminal or self._out.quiet:
            yield
            return
        with self._out.status(text, spinner="dots") as self._status:
            yield
        self._status = None

    def event(self, report: Report, event: Event) -> None:
        """One event of the host, as it arrives."""
        if event["event"] == "start" and self._status is not None:
            count = min(event["index"] + 1, self._total)
            self._status.update(f"{report.host}: {count}/{self._total} {event['resource']}")
        elif event["event"] == "note":
            self.note(event)
        elif event["event"] == "result" and event["state"] != "ok":
            self._result(report, event)

    def note(self, event: Event) -> None:
        """Something that a host has to say besides its results."""
        self._block(event["text"], "  note     ", "yellow")

    def _result(self, report: Report, event: Event) -> None:
        from rich.text import Text

        would = {"changed": "change", "ran": "run"} if report.dry_run else {}
        word = would.get(event["state"], str(event["state"]))
        line = Text.assemble(("  " + word.ljust(9), _STYLES[event["state"]]), event["resource"])
        if event.get("summary"):
            line.append(f": {event['summary']}", style="dim")
        if event["seconds"] >= 1:
            line.append(f"  {event['seconds']:.1f} s", style="dim")
        self._out.print(line)
        if event.get("error"):
            self._block(event["error"], " " * 11, "red")
        # Only a plan is read line by line; of what was done, the lines above are the account.
        for row in (event.get("diff") or "").splitlines() if report.dry_run else ():
            self._out.print(" " * 11 + row, style=_DIFF_STYLES.get(row[:1]))

    def _block(self, text: str, prefix: str, style: str) -> None:
        for row in text.splitlines():
            self._out.print(prefix + row, style=style)
            prefix = " " * len(prefix)

    def summary(self, report: Report) -> None:
        """The host's verdict in one line."""
        unchanged = sum(result.state == "ok" for result in report.results)
        verb = "would change" if report.dry_run else "changed"
        text = f"{report.host}: {len(report.changed)} {verb}, {unchanged} unchanged, {report.seconds:.1f} s"
        if not report.ok:
            text = f"{report.host}: FAILED; {text.partition(': ')[2]}"
        self._out.print(text, style="bold" if report.ok else "bold red")

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line that is not about one resource."""
        self._out.print(text, style=style)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
        """A listing; columns as wide as what stands in them, so that nothing is cut off when it is piped."""
        cells = [list(columns), *[list(row) for row in rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        for number, row in enumerate(cells):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            style = "bold" if number == 0 else styles[number - 1] if styles else None
            self._out.print(line, style=style)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
