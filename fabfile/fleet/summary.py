"""What became of a run over a fleet, told to people and to machines however it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..console import Console, print_json
from ..errors import FleetError, InterruptedRunError
from ..report import Report


@dataclass
class Outcome:
    """What became of a run on each host, filled while it goes on.

    :param what: what is being done: "deploy".
    :param more: what the document for machines says besides.
    """

    what: str
    reports: list[Report] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


@contextmanager
def told(console: Console, what: str, **more: Any) -> Iterator[Outcome]:
    """Whatever ends the block, tell where each host stands: as lines, or as one JSON document when that is wanted.

    :param what: what is being done: "deploy".
    :param more: what the document says besides, as long as the block says nothing else.
    :raises FleetError, InterruptedRunError: what ended the block, in the words of the hosts.
    """
    outcome, ok = Outcome(what, more=more), False
    reports = outcome.reports
    try:
        yield outcome
        ok = True
    except FleetError as error:
        raise FleetError(_message(reports, f"{what} failed: {error}")) from None
    except InterruptedRunError:
        raise InterruptedRunError(_message(reports, f"{what}: interrupted; {_left(reports)}")) from None
    finally:
        console.failures([report for report in reports if report.failed])
        _table(console, reports)
        if console.quiet:
            print_json({"ok": ok, **outcome.more, "hosts": [report.to_json() for report in reports]})


def _left(reports: Sequence[Report]) -> str:
    """What an interrupted run has left."""
    if any(report.verdict == "switched" for report in reports):
        return "the release was on all hosts already, and stays; the next deploy or rollback tidies up"
    return "what was half-way has been put back"


def _message(reports: Sequence[Report], text: str) -> str:
    errors = [f"{report.host}: {report.error}" for report in reports if report.error]
    if any(report.verdict in ("switched", "unreachable") for report in reports) and len(reports) > 1:
        text += "; see `fab status`"
    elif any(report.verdict in ("kept", "reverted") for report in reports):
        text += "; what was live before is live still"
    return "\n".join([*errors, text])


def _table(console: Console, reports: Sequence[Report]) -> None:
    if len(reports) < 2 or not all(report.verdict for report in reports):
        return
    styles = {"switched": "green", "reverted": "yellow", "unreachable": "red"}
    rows = [(report.host, report.verdict, report.problem().partition("\n")[0]) for report in reports]
    console.table(("HOST", "VERDICT", ""), rows, [styles.get(report.verdict) for report in reports])
