"""The summary of a run over a fleet, printed however the run ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..console import Console
from ..errors import FleetError, InterruptedRunError
from ..report import Report


@contextmanager
def summarized(console: Console, what: str) -> Iterator[list[Report]]:
    """Print at the end of the block, however it ends, how the run went on each host.

    :param what: the run: "deploy".
    :returns: the list for the reports of the run's hosts, to be filled by the block.
    :raises FleetError, InterruptedRunError: the error that ended the block, with the hosts' own words.
    """
    reports: list[Report] = []
    try:
        yield reports
    except FleetError as error:
        raise FleetError(_message(reports, f"{what} failed: {error}"), reports=reports) from None
    except InterruptedRunError:
        raise InterruptedRunError(
            _message(reports, f"{what}: interrupted; {_left(reports)}"), reports=reports
        ) from None
    finally:
        console.failures([report for report in reports if report.failed])
        _table(console, reports)


def _left(reports: Sequence[Report]) -> str:
    """The state that an interrupted run has left."""
    if any(report.verdict == "switched" for report in reports):
        return "the release was live on all hosts already, and stays; the next deploy or rollback finishes the rest"
    return "the unfinished step has been undone"


def _message(reports: Sequence[Report], text: str) -> str:
    errors = [f"{report.host}: {report.error}" for report in reports if report.error]
    if any(report.verdict in ("switched", "unreachable") for report in reports) and len(reports) > 1:
        text += "; see `fab status`"
    elif any(report.verdict in ("kept", "reverted") for report in reports):
        text += "; the previous release is still live"
    return "\n".join([*errors, text])


def _table(console: Console, reports: Sequence[Report]) -> None:
    if len(reports) < 2 or not all(report.verdict for report in reports):
        return
    styles = {"switched": "green", "reverted": "yellow", "unreachable": "red"}
    rows = [(report.host, report.verdict, report.problem().partition("\n")[0]) for report in reports]
    console.table(("HOST", "VERDICT", ""), rows, [styles.get(report.verdict) for report in reports])
