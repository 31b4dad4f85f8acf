"""What people see: plain, whole lines in a pipe; on a terminal also what each host is at, as long as it lasts."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
from hostsmith.console import Console, print_json
from hostsmith.errors import UsageError
from hostsmith.report import Report, Result
from terminal import Terminal

WEBS = ["root@web1", "root@web2", "root@web10"]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "40")


def start(index: int, resource: str) -> dict[str, Any]:
    return {"event": "start", "index": index, "resource": resource}


def result(resource: str, state: str, seconds: float = 0.0, **fields: str) -> dict[str, Any]:
    return {"event": "result", "index": 0, "resource": resource, "state": state, "seconds": seconds, **fields}


def note(text: str) -> dict[str, Any]:
    return {"event": "note", "text": text}


def shown(capsys: pytest.CaptureFixture[str], *events: dict[str, Any], dry_run: bool = False) -> list[str]:
    """What is printed of a host's events, below the line above all others."""
    console = Console()
    with console.fleet(["web1"], "provision", dry_run):
        for event in events:
            console.event("web1", event)
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()[1:]


def test_a_run_on_one_host(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    report = Report("root@web1", seconds=2.34, results=[Result("a", "ok"), Result("b", "changed"), Result("c", "ran")])
    with console.fleet(["root@web1"], "provision"):
        console.phase("root@web1", "connect")
        console.phase("root@web1", "converge", total=2)
        console.event("root@web1", start(0, "a"))
        console.event("root@web1", result("a", "ok"))
        console.event("root@web1", start(1, "file /etc/motd"))
        console.event("root@web1", result("file /etc/motd", "changed", 1.26, summary="created", diff="+secret\n"))
        console.event("root@web1", result("reload nginx", "ran"))
        console.done("root@web1", "done")
    console.host_summary(report)
    console.failures([report])
    assert capsys.readouterr().out.splitlines() == [
        "root@web1: provision",
        "  changed  file /etc/motd: created  1.3 s",
        "  ran      reload nginx",
        "root@web1: 1 changed, 1 unchanged, 2.3 s",
    ]


def test_a_run_on_several_hosts_says_on_each_line_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(WEBS, "deploy blog 1"):
        for label in WEBS:
            console.phase(label, "prepare", total=1)
            console.event(label, start(0, "code"))
        console.event("root@web10", note("two\nlines"))
        console.event("root@web1", result("code", "changed", summary="checked out"))
        console.event("root@web2", result("live release", "reverted", summary="put back"))
    console.host_summary(Report("root@web1", seconds=1, results=[Result("code", "changed")]))
    console.host_summary(Report("root@web10", seconds=2, results=[Result("a", "changed"), Result("a", "reverted")]))
    assert capsys.readouterr().out.splitlines() == [
        "3 hosts: deploy blog 1",
        "-- prepare",
        "web10  note     two",
        "web10           lines",
        "web1   changed  code: checked out",
        "web2   reverted live release: put back",
        "web1:  1 changed, 0 unchanged, 1.0 s",
        "web10: 1 changed, 0 unchanged, 1 reverted, 2.0 s",
    ]


def test_the_user_is_left_out_where_hosts_can_be_told_apart_without(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    labels = ["root@web1", "admin@web1", "root@db", "web1:2222"]
    with console.fleet(labels, "provision"):
        for label in labels:
            console.event(label, result("a", "changed"))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "root@web1   changed  a",
        "admin@web1  changed  a",
        "db          changed  a",
        "web1:2222   changed  a",
    ]


def test_a_phase_with_work_in_it_is_told_once_before_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(WEBS, "provision"):
        for label in WEBS:
            console.phase(label, "lock")
            console.phase(label, "provision", total=3)
        for label in WEBS:
            console.idle(label, "waiting for the others")
            console.phase(label, "verify", total=1)
            console.event(label, result(f"health on {label}", "changed"))
    assert capsys.readouterr().out.splitlines() == [
        "3 hosts: provision",
        "-- verify",
        "web1   changed  health on root@web1",
        "web2   changed  health on root@web2",
        "web10  changed  health on root@web10",
    ]


def test_a_dry_run_says_so_and_shows_the_diffs(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    report = Report("web1", dry_run=True, seconds=1, results=[Result("file /a", "changed")])
    with console.fleet(["web1"], "provision", dry_run=True):
        diff = "--- a\n+++ a\n-old\n+new\n"
        console.event("web1", result("file /a", "changed", summary="content changed", diff=diff))
        console.event("web1", result("reload nginx", "ran"))
    console.host_summary(report)
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


def test_a_dry_run_of_several_hosts_says_on_each_line_of_a_diff_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(WEBS, "provision", dry_run=True):
        console.event("root@web2", result("file /a", "changed", diff="-old\n+new\n"))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "web2   change   file /a",
        "web2            -old",
        "web2            +new",
    ]


def test_a_failure_of_one_host_is_told_in_full_where_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    error = "refused:\nnginx: [emerg] line 3\n"
    report = Report("web1", results=[Result("site", "failed", error=error), Result("b", "changed")], seconds=1)
    with console.fleet(["web1"], "provision"):
        console.event("web1", result("nginx site blog", "failed", error=error))
    console.host_summary(report)
    console.failures([report])
    assert capsys.readouterr().out.splitlines() == [
        "web1: provision",
        "  failed   nginx site blog",
        "           refused:",
        "           nginx: [emerg] line 3",
        "web1: FAILED; 1 changed, 0 unchanged, 1.0 s",
    ]


def test_a_failure_besides_the_resources_is_told_last(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(["web1"], "provision"):
        pass
    console.failures([Report("web1", error="the connection was lost")])
    assert capsys.readouterr().out.splitlines()[1:] == ["web1 failed:", "  the connection was lost"]


def test_failures_of_several_hosts_are_told_in_full_last_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    error = "refused:\nnginx: [emerg] line 3"
    with console.fleet(WEBS, "provision"):
        console.event("root@web2", result("nginx site blog", "failed", error=error))
        console.event("root@web1", result("b", "changed"))
    console.failures(
        [
            Report("root@web1", results=[Result("b", "changed")]),
            Report("root@web2", results=[Result("nginx site blog", "failed", error=error)]),
            Report("root@web10", error="root@web10: no SSH connection"),
        ]
    )
    assert capsys.readouterr().out.splitlines()[1:] == [
        "web2   failed   nginx site blog: refused:",
        "web1   changed  b",
        "web2 failed:",
        "  nginx site blog: refused:",
        "  nginx: [emerg] line 3",
        "web10 failed:",
        "  root@web10: no SSH connection",
    ]


def test_hosts_that_fail_alike_are_told_of_together(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(WEBS, "provision"):
        pass
    console.failures([Report(label, error="disk full" if label != "root@web2" else "broken") for label in WEBS])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "web1, web10 failed:",
        "  disk full",
        "web2 failed:",
        "  broken",
    ]


def test_a_note_of_several_lines_is_one_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, note("a deploy key:\nssh-ed25519 AAAA")) == [
        "  note     a deploy key:",
        "           ssh-ed25519 AAAA",
    ]


def test_long_lines_and_brackets_are_left_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "file /etc/" + "very/long/" * 30 + "[bold]x[/bold] :smile: [link=http://a]"
    assert shown(capsys, result(name, "changed", summary="[red]s[/red]")) == [f"  changed  {name}: [red]s[/red]"]
    diff = f"+[bold]{'x' * 200}[/bold]\n"
    assert shown(capsys, result("a", "changed", diff=diff), dry_run=True)[1] == f"           {diff.rstrip()}"


def test_no_escape_codes_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.fleet(WEBS, "deploy"):
        console.phase("root@web1", "prepare", total=1)
        console.event("root@web1", result("a", "failed", error="e"))
        console.output("root@web1", "stdout", b"\x1b[31mred\x1b[0m\n")
    console.host_summary(Report("root@web1", results=[Result("a", "failed", error="e")]))
    console.failures([Report("root@web1", error="e")])
    console.say("done", style="bold green")
    console.table(["ID", "STATE"], [["1", "live"]], ["green"])
    assert "\x1b" not in capsys.readouterr().out


def test_what_hosts_say_at_the_same_time_is_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    labels = [f"web{number}" for number in range(16)]
    console = Console()

    def work(label: str) -> None:
        for number in range(20):
            console.phase(label, "prepare", total=20)
            console.event(label, start(number, f"file {number}"))
            console.event(label, note(f"{label} {number}\nsecond\nthird"))
            console.output(label, "stdout", b"a\nb")
            console.output_end(label)
        console.done(label, "switched")

    with console.fleet(labels, "deploy"):
        threads = [threading.Thread(target=work, args=(label,)) for label in labels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["16 hosts: deploy", "-- prepare"]
    assert len(lines) == 2 + 16 * 20 * 5
    for index, line in enumerate(lines):
        label, _, text = line.partition(" ")
        if text.strip().startswith("note"):
            assert lines[index + 1].split() == [label, "second"]
            assert lines[index + 2].split() == [label, "third"]


def test_a_table_is_as_wide_as_what_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["20260101-120000-0123456", "live", "Add a page that has a rather long subject line"], ["1", "bad", ""]]
    Console().table(["ID", "STATE", "SUBJECT"], rows)
    assert capsys.readouterr().out.splitlines() == [
        "ID                       STATE  SUBJECT",
        "20260101-120000-0123456  live   Add a page that has a rather long subject line",
        "1                        bad",
    ]


def test_quiet_leaves_standard_output_to_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    console, report = Console(quiet=True), Report("web1", results=[Result("ünï", "ok")], error="e")
    with console.fleet(WEBS, "provision"):
        console.phase("root@web1", "prepare", total=1)
        console.event("root@web1", result("a", "changed"))
        console.event("root@web1", note("x"))
        console.output("root@web1", "stdout", b"x\n")
    with console.outputs(["web1"]):
        console.output("web1", "stdout", b"x")
        console.output("web1", "stderr", b"x")
    console.host_summary(report)
    console.failures([report])
    console.say("x")
    console.table(["A"], [["1"]])
    print_json(report.to_json())
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][0]["resource"] == "ünï"
    assert err == ""


def test_what_one_host_prints_is_passed_on_byte_for_byte_at_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    console = Console()
    with console.outputs(["root@web1"]):
        console.output("root@web1", "stdout", b"\x00\xff\r\n\x1b[31mno end")
        console.output("root@web1", "stderr", b"Password: ")
        assert capfdbinary.readouterr() == (b"\x00\xff\r\n\x1b[31mno end", b"Password: ")
    assert capfdbinary.readouterr() == (b"", b"")


def test_what_several_hosts_print_comes_in_whole_lines_with_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.outputs(WEBS):
        console.output("root@web1", "stdout", b"one\r\ntwo h" + "ä".encode()[:1])
        console.output("root@web10", "stdout", b"10 %\r99 %\rdone\n\n")
        console.output("root@web10", "stderr", b"no \xff such file\nleft over")
        console.output("root@web1", "stdout", "ä".encode()[1:] + b"lf\nrest")
        console.output_end("root@web1")
        out, err = capsys.readouterr()
    assert out.splitlines() == ["web1   one", "web10  done", "web10  ", "web1   two hälf", "web1   rest"]
    assert err.splitlines() == ["web10  no \N{REPLACEMENT CHARACTER} such file"]
    assert capsys.readouterr() == ("", "web10  left over\n")


@pytest.mark.parametrize("labels", [["web1"], ["web1", "web2"]])
def test_a_reader_that_goes_away_ends_it_without_a_traceback(labels: list[str]) -> None:
    code = f"""
        from hostsmith.console import Console
        console = Console()
        with console.outputs({labels}):
            while True:
                console.output("web1", "stdout", b"y" * 99 + bytes([10]))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1


# On a terminal. `step()` waits until the test has looked.
_START = """
import sys, threading
from hostsmith.console import Console, print_json

def start(label, index, resource):
    console.event(label, {"event": "start", "index": index, "resource": resource})

def result(label, resource, state="changed", **fields):
    console.event(label, {"event": "result", "resource": resource, "state": state, "seconds": 0, **fields})

step = sys.stdin.readline
console = Console()
"""


def on_terminal(code: str, width: int = 80, height: int = 24, **environment: str) -> Terminal:
    return Terminal(_START + textwrap.dedent(code), width, height, **environment)


def test_a_terminal_shows_what_each_host_is_at_below_what_has_changed() -> None:
    code = """
        with console.fleet(["root@web1", "root@web2", "db"], "deploy blog 1"):
            console.phase("root@web1", "prepare", 12)
            start("root@web1", 2, "file /etc/x")
            console.phase("root@web2", "lock")
            step()
            result("root@web1", "file /etc/x")
            start("root@web1", 12, "reload nginx")
            console.idle("root@web2", "waiting for the others")
            console.done("db", "unreachable", ok=False)
            step()
            console.done("root@web1", "switched")
            step()
        print("over")
    """
    with on_terminal(code) as terminal:
        header = ["3 hosts: deploy blog 1", "-- prepare"]
        waiting = "  web2  waiting for the others"
        terminal.until(
            [*header, "* web1  prepare 0 s  3/12 file /etc/x", "* web2  lock 0 s", "  db    waiting"],
        )
        terminal.type("\n")
        header.append("web1  changed  file /etc/x")
        terminal.until(
            [
                *header,
                "* web1  prepare 0 s  12/12 reload nginx",
                "  web2  waiting for the others",
                "  db    unreachable",
            ]
        )
        terminal.type("\n")
        terminal.until([*header, "  web1  switched", waiting, "  db    unreachable"])
        terminal.type("\n")
        assert terminal.to_the_end() == [*header, "over"]
        assert terminal.screen.cursor_shown


def test_one_host_has_its_line_too() -> None:
    code = """
        with console.fleet(["root@web1"], "provision"):
            console.phase("root@web1", "provision", 2)
            start("root@web1", 0, "file /a")
            result("root@web1", "file /a")
            start("root@web1", 1, "file /b")
            step()
    """
    with on_terminal(code) as terminal:
        kept = ["root@web1: provision", "  changed  file /a"]
        terminal.until([*kept, "* root@web1  provision 0 s  2/2 file /b"])
        terminal.type("\n")
        assert terminal.to_the_end() == kept


def test_where_not_all_hosts_have_room_failed_and_working_ones_are_shown_and_the_others_counted() -> None:
    code = """
        labels = [f"web{number:02}" for number in range(60)]
        with console.fleet(labels, "deploy"):
            for label in labels[:12]:
                console.done(label, "switched")
            console.done("web31", "failed", ok=False)
            console.phase("web40", "connect")
            console.phase("web20", "connect")
            step()
            for label in labels[10:]:
                console.phase(label, "connect")
            step()
    """
    with on_terminal(code, height=9) as terminal:
        title = "60 hosts: deploy"
        rest = ["  web12  waiting", "  web13  waiting", "  and 43 waiting, 12 done"]
        # In their own order.
        terminal.until([title, *rest[:2], "* web20  connect 0 s", "  web31  failed", "* web40  connect 0 s", rest[2]])
        terminal.type("\n")
        terminal.until([title, *(f"* web{n}  connect 0 s" for n in range(10, 15)), "  and 45 working, 10 done"])
        terminal.type("\n")
        assert terminal.to_the_end() == [title]


def test_many_hosts_at_work_leave_no_stray_lines_on_a_terminal() -> None:
    code = """
        labels = [f"web{number:02}" for number in range(30)]

        def work(label):
            for number in range(10):
                console.phase(label, f"phase {number}", 5)
                start(label, 1, "file " + "x" * number * 9)
                result(label, f"file {number}")
            console.done(label, "switched")

        with console.fleet(labels, "deploy"):
            threads = [threading.Thread(target=work, args=(label,)) for label in labels]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """
    with on_terminal(code, height=20) as terminal:
        lines = terminal.to_the_end()
        changes = [f"web{host:02}  changed  file {number}" for host in range(30) for number in range(10)]
        assert lines[0] == "30 hosts: deploy"
        assert sorted(line for line in lines[1:] if not line.startswith("-- ")) == changes


def test_what_others_write_comes_above_the_live_lines_and_stays() -> None:
    code = """
        with console.fleet(["web1"], "deploy"):
            print("a new host key\\nis remembered", file=sys.stderr)
            print("and a", end=" ")
            print("print")
            print("no end", end="")
            console.output("web1", "stdout", b"hello\\n")
            step()
    """
    with on_terminal(code) as terminal:
        kept = ["web1: deploy", "a new host key", "is remembered", "and a print", "  hello"]
        terminal.until([*kept, "  web1  waiting"])
        terminal.type("\n")
        assert terminal.to_the_end() == [*kept, "no end"]


def test_a_question_has_the_terminal_to_itself_until_it_is_answered() -> None:
    code = """
        with console.fleet(["web1"], "rollback"):
            console.say(f"answered {console.agrees('go back all the same?')}")
            step()
    """
    question = ["web1: rollback", "go back all the same? [y/N]"]
    for answer, agreed in (("y", True), ("", False)):
        with on_terminal(code) as terminal:
            terminal.until(question)
            terminal.type(f"{answer}\n")
            terminal.until([*question, f"answered {agreed}", "  web1  waiting"])
            terminal.type("\n")
            assert terminal.to_the_end() == [*question, f"answered {agreed}"]


def test_a_question_without_a_terminal_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="cannot ask for confirmation without a terminal; pass --yes to go ahead"):
        Console().agrees("go back all the same?")


def test_a_terminal_that_becomes_narrower_keeps_no_rest_of_the_live_lines() -> None:
    code = """
        with console.fleet(["web1", "web2"], "deploy"):
            for label in ("web1", "web2"):
                console.phase(label, "prepare", 3)
                start(label, 0, "file /etc/" + "x" * 60)
            step()
            console.say("hello")
            step()
    """
    with on_terminal(code, width=80) as terminal:
        kept = ["2 hosts: deploy", "-- prepare"]
        terminal.until([*kept, *(f"* web{n}  prepare 0 s  1/3 file /etc/{'x' * 39}…" for n in (1, 2))])
        terminal.resize(30)
        live = [f"* web{n}  prepare 0 s  1/3…" for n in (1, 2)]
        terminal.until([*kept, *live])
        terminal.type("\n")
        terminal.until([*kept, "hello", *live])
        terminal.type("\n")
        assert terminal.to_the_end() == [*kept, "hello"]


def test_ctrl_c_leaves_the_terminal_as_it_should_be() -> None:
    code = """
        try:
            with console.fleet(["web1", "web2"], "deploy"):
                step()
        except KeyboardInterrupt:
            console.say("interrupted")
    """
    with on_terminal(code) as terminal:
        terminal.until(["2 hosts: deploy", "  web1  waiting", "  web2  waiting"])
        assert not terminal.screen.cursor_shown
        terminal.type("\x03")
        assert terminal.to_the_end() == ["2 hosts: deploy", "interrupted"]
        assert terminal.screen.cursor_shown


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"TERM": "dumb"}])
def test_nothing_moves_in_ci_and_on_a_terminal_that_cannot(environment: dict[str, str]) -> None:
    code = """
        with console.fleet(["web1", "web2"], "deploy"):
            console.phase("web1", "prepare", 1)
            result("web1", "file /a")
            print("looking")
            step()
    """
    with on_terminal(code, **environment) as terminal:
        lines = ["2 hosts: deploy", "-- prepare", "web1  changed  file /a", "looking"]
        terminal.until(lines)
        assert terminal.screen.cursor_shown
        terminal.type("\n")
        assert terminal.to_the_end() == lines


def test_forced_colours_in_a_pipe_bring_no_moving_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    console = Console()
    with console.fleet(["web1", "web2"], "deploy"):
        console.event("web2", result("a", "changed"))
    out = capsys.readouterr().out
    assert "\x1b[32mchanged" in out
    assert "\x1b[?25l" not in out


def test_hosts_differ_in_colour_unless_none_is_wanted() -> None:
    code = """
        with console.fleet(["web1", "web2"], "deploy"):
            result("web1", "a")
            result("web2", "a")
    """
    with on_terminal(code, CI="true") as terminal:
        terminal.to_the_end()
        assert terminal.screen.colours == {"32", "35", "36"}
    with on_terminal(code, CI="true", NO_COLOR="1") as terminal:
        terminal.to_the_end()
        assert terminal.screen.colours == set()
