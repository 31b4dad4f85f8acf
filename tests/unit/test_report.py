"""Reports: what happened on a host, for people and for machines."""

from __future__ import annotations

import json

import pytest
from hostsmith.report import Report, Result


def report(*states: str, error: str = "") -> Report:
    results = [Result(f"file /{state}", state, error="it broke" if state == "failed" else "") for state in states]
    return Report("web1", results=results, error=error)


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (report(), True),
        (report("ok", "changed", "ran"), True),
        (report("ok", "failed"), False),
        (report("ok", error="interrupted"), False),
    ],
)
def test_its_verdict(found: Report, ok: bool) -> None:
    assert found.ok == ok
    assert found.to_json()["ok"] == ok


def test_what_changed_and_what_failed() -> None:
    found = report("ok", "changed", "ran", "changed", "failed")
    assert [result.resource for result in found.changed] == ["file /changed"] * 2
    assert [result.resource for result in found.failed] == ["file /failed"]


def test_the_problem_is_told_in_the_hosts_words() -> None:
    assert report("ok").problem() == ""
    assert report("failed").problem() == "file /failed: it broke"
    assert report("ok", error="interrupted").problem() == "interrupted"
    assert report("failed", error="interrupted").problem() == "file /failed: it broke\ninterrupted"


def test_as_json_it_is_plain_data_with_counts() -> None:
    document = json.loads(json.dumps(report("ok", "ok", "changed", "ran", "failed").to_json()))
    assert document["counts"] == {"ok": 2, "changed": 1, "failed": 1}
    assert (document["host"], document["dry_run"], document["error"]) == ("web1", False, "")
    assert set(document["results"][0]) == {"resource", "state", "summary", "diff", "error", "seconds"}


def test_it_is_made_of_the_events_of_the_host() -> None:
    found = Report("web1")
    for event in (
        {"event": "start", "index": 0, "resource": "file /a"},
        {"event": "note", "text": "waiting for apt"},
        {"event": "result", "index": 0, "resource": "file /a", "state": "changed", "seconds": 1.5, "summary": "created",
         "diff": "+x\n"},
        {"event": "result", "index": 1, "resource": "file /b", "state": "failed", "seconds": 0.1, "error": "no"},
        {"event": "result", "index": 2, "resource": "reload nginx", "state": "ran", "seconds": 0.0, "later": "unknown"},
    ):  # fmt: skip
        found.add(event)
    assert found.notes == ["waiting for apt"]
    assert found.results == [
        Result("file /a", "changed", "created", "+x\n", seconds=1.5),
        Result("file /b", "failed", error="no", seconds=0.1),
        Result("reload nginx", "ran"),
    ]
