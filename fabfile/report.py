"""Results of a run on a host, from the events that it sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .printable import without_logins

if TYPE_CHECKING:
    from .contract.events import Event

State = Literal["ok", "changed", "ran", "reverted", "failed"]


@dataclass(frozen=True)
class Result:
    """How one resource, or one handler, fared.

    :param state: "ok": nothing to do; "changed"; "ran": a handler; "reverted": a change that was
        undone because another host failed; "failed".
    :param seconds: how long it took on the host.
    """

    resource: str
    state: State
    summary: str = ""
    diff: str = ""
    error: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """All that happened on a host in one run.

    :param host: the host as the user wrote it.
    :param dry_run: whether the results are predictions.
    :param error: why the run as a whole failed, besides a failed result; empty when it did not.
    :param kind: of the error that ended the run on this host, see `errors`; empty when none did.
    :param verdict: what has become of the host in a deploy or rollback: "switched"; "kept": it has the release that
        it had; "reverted": it had switched, and went back; "unreachable"; "restarted".
    :param seconds: from the first byte sent to the last event.
    """

    host: str
    dry_run: bool = False
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0
    verdict: str = ""
    kind: str = ""

    def add(self, event: Event) -> None:
        """Enter an event of the host."""
        if event["event"] == "note":
            self.notes.append(event["text"])
        elif event["event"] == "result":
            known = ("resource", "state", "summary", "diff", "error", "seconds")
            self.results.append(Result(**{key: event[key] for key in known if key in event}))

    def fail(self, kind: str, message: str) -> None:
        """Record the error that ended the run on this host.

        :param kind: as in `errors`.
        """
        self.kind, self.error = kind, message.removeprefix(f"{self.host}: ")
        if kind in ("unreachable", "lost"):
            self.verdict = "unreachable"

    @property
    def ok(self) -> bool:
        """Whether all of it was done."""
        return not self.error and not self.failed

    @property
    def changed(self) -> list[Result]:
        """The results of changes, made or predicted."""
        return [result for result in self.results if result.state == "changed"]

    @property
    def failed(self) -> list[Result]:
        """The results of failures."""
        return [result for result in self.results if result.state == "failed"]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, with its verdict and counts, and without logins in URLs."""
        counts = {state: sum(result.state == state for result in self.results) for state in ("ok", "changed", "failed")}
        return {"ok": self.ok, "counts": counts, **_without_logins(asdict(self))}

    def problem(self) -> str:
        """Why it is not ok, in the host's own words."""
        return "\n".join([f"{result.resource}: {result.error}" for result in self.failed] + [self.error]).strip()


def _without_logins(data: Any) -> Any:
    """The same data, whose texts may quote a requirements file or a program."""
    if isinstance(data, str):
        return without_logins(data)
    if isinstance(data, dict):
        return {key: _without_logins(value) for key, value in data.items()}
    return [_without_logins(value) for value in data] if isinstance(data, list) else data
