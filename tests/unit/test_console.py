"""What people see; here as it is piped into a file: plain, whole lines, nothing that moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostsmith.console import Console, print_json
from hostsmith.report import Report, Result


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "40")


def result(resource: str, state: str, seconds: float = 0.0, **fields: str) -> dict[str, Any]:
    return {"event": "result", "index": 0, "resource": resource, "state": state, "seconds": seconds, **fields}


def shown(capsys: pytest.CaptureFixture[str], *events: dict[str, Any], dry_run: bool = False) -> list[str]:
    console, report = Console(), Report("web1", dry_run=dry_run)
    for event in events:
        console.event(report, event)
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    report = Report("root@web1", seconds=2.34, results=[Result("a", "ok"), Result("b", "changed"), Result("c", "ran")])
    with console.host(report, "provision", 2):
        console.event(report, {"event": "start", "index": 0, "resource": "a"})
        console.event(report, result("a", "ok"))
        console.event(report, {"event": "start", "index": 1, "resource": "file /etc/motd"})
        console.event(report, result("file /etc/motd", "changed", 1.26, summary="created", diff="+secret\n"))
        console.event(report, result("reload nginx", "ran"))
    console.summary(report)
    assert capsys.readouterr().out.splitlines() == [
        "root@web1: provision",
        "  changed  file /etc/motd: created  1.3 s",
        "  ran      reload nginx",
        "root@web1: 1 changed, 1 unchanged, 2.3 s",
    ]


def test_a_dry_run_says_so_and_shows_the_diffs(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    report = Report("web1", dry_run=True, seconds=1, results=[Result("file /a", "changed")])
    with console.host(report, "provision", 1):
        console.event(
            report, result("file /a", "changed", summary="content changed", diff="--- a\n+++ a\n-old\n+new\n")
        )
        console.event(report, result("reload nginx", "ran"))
    console.summary(report)
    assert capsys.readouterr().out.splitlines() == [
        "web1: provision (dry run: nothing is touched)",
        "  change   file /a: content changed",
        "           --- a",
        "           +++ a",
        "           -old",
        "           +new",
        "  run      reload nginx",
        "web1: 1 would change, 0 unchanged, 1.0 s",
    ]


def test_a_failure_shows_the_error_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, result("nginx site blog", "failed", error="refused:\nnginx: [emerg] line 3\n")) == [
        "  failed   nginx site blog",
        "           refused:",
        "           nginx: [emerg] line 3",
    ]
    report = Report("web1", results=[Result("a", "failed", error="x"), Result("b", "changed")], seconds=1)
    Console().summary(report)
    assert capsys.readouterr().out == "web1: FAILED; 1 changed, 0 unchanged, 1.0 s\n"


def test_a_note_of_several_lines_is_one_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, {"event": "note", "text": "a deploy key:\nssh-ed25519 AAAA"}) == [
        "  note     a deploy key:",
        "           ssh-ed25519 AAAA",
    ]


def test_long_lines_and_brackets_are_left_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "file /etc/" + "very/long/" * 30 + "[bold]x[/bold] :smile: [link=http://a]"
    assert shown(capsys, result(name, "changed", summary="[red]s[/red]")) == [f"  changed  {name}: [red]s[/red]"]
    diff = f"+[bold]{'x' * 200}[/bold]\n"
    assert shown(capsys, result("a", "changed", diff=diff), dry_run=True)[1] == f"           {diff.rstrip()}"


def test_no_escape_codes_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    console, report = Console(), Report("web1", results=[Result("a", "failed", error="e")])
    with console.host(report, "deploy", 1), console.working("packing"):
        console.event(report, result("a", "failed", error="e"))
    console.summary(report)
    console.say("done", style="bold green")
    console.table(["ID", "STATE"], [["1", "live"]], ["green"])
    assert "\x1b" not in capsys.readouterr().out


def test_a_table_is_as_wide_as_what_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["20260101-120000-0123456", "live", "Add a page that has a rather long subject line"], ["1", "bad", ""]]
    Console().table(["ID", "STATE", "SUBJECT"], rows)
    assert capsys.readouterr().out.splitlines() == [
        "ID                       STATE  SUBJECT",
        "20260101-120000-0123456  live   Add a page that has a rather long subject line",
        "1                        bad",
    ]


def test_quiet_leaves_standard_output_to_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    console, report = Console(quiet=True), Report("web1", results=[Result("ünï", "ok")])
    with console.host(report, "provision", 1), console.working("packing"):
        console.event(report, result("a", "changed"))
        console.event(report, {"event": "note", "text": "x"})
    console.summary(report)
    console.say("x")
    console.table(["A"], [["1"]])
    print_json(report.to_json())
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][0]["resource"] == "ünï"
    assert err == ""
