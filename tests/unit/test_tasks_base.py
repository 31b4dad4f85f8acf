"""What all tasks share: flags, one call for all hosts, and the document that `--json` prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hostsmith.errors import DriftError, FleetError, HostsmithError, LockedError, SettingsError, UsageError
from hostsmith.fab.task import JSON, TaskCall, task
from hostsmith.report import Report
from invoke.collection import Collection
from invoke.config import Config
from invoke.context import Context
from invoke.parser import ParserContext
from local_fab import Fab


@task(JSON, help={"lines": "How many."}, short={"follow": "f", "lines": "n"})
def show(call: TaskCall, follow: bool = False, lines: int = 10, force: bool = False) -> str:
    """Show something."""
    return f"{call.limits} {follow} {lines}"


@task(JSON, hosts=False, arguments="WORD ...", help={"words": "What is said."})
def echo(call: TaskCall, words: Sequence[str] = (), fails: str = "") -> list[str]:
    """Say words."""
    call.document["words"] = list(words)
    if fails:
        raise _ERRORS[fails]
    return list(words)


_ERRORS: dict[str, HostsmithError] = {
    "usage": UsageError("no"),
    "locked": LockedError("held", host="web1", holder="bob@desk"),
    "fleet": FleetError("failed", reports=[Report("web1"), Report("web2", error="disk full", kind="agent")]),
    "drift": DriftError("not as it should be: web1", hosts=["web1"]),
}


@pytest.fixture(scope="module")
def parsed() -> ParserContext:
    """The task's flags; Invoke tells their help only once."""
    (context,) = Collection(show).to_contexts()
    return context


@pytest.fixture
def context() -> Context:
    return Context(Config())


def test_a_short_flag_is_there_when_it_is_asked_for_and_only_then(parsed: ParserContext) -> None:
    flags = set(parsed.flag_names())
    assert flags == {"--follow", "-f", "--lines", "-n", "--role", "--host", "--exclude", "--force", "--json"}


def test_shared_flags_need_no_help_of_their_own(parsed: ParserContext) -> None:
    assert parsed.args["role"].help == "Only hosts of this role, or of these: web,worker."
    assert parsed.args["lines"].help == "How many."


def test_every_task_describes_every_flag() -> None:
    """In a process of its own, since Invoke gives the help of a flag only once."""
    code = (
        "import hostsmith\n"
        "for task in hostsmith.ns.to_contexts():\n"
        "    print(*(f'{task.name} {name}' for name, flag in task.args.items() if not flag.help), end='')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == ""


def test_python_code_calls_a_task_with_a_context(context: Context) -> None:
    assert show(context, lines=3, role="web") == "--role web False 3"
    assert show(context, True, 3) == " True 3"
    with pytest.raises(TypeError, match="too many positional arguments"):
        show(context, True, 3, False, True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'lnes'"):
        show(context, lnes=3)


@pytest.mark.parametrize(
    ("given", "words"), [("", []), (None, []), ("worker", ["worker"]), (["a b", "c"], ["a b", "c"])]
)
def test_python_code_gives_words_as_a_text_or_a_list(context: Context, given: Any, words: list[str]) -> None:
    assert echo(context, given) == words


class TestDocument:
    """With `--json` standard output is one document, however a task ends."""

    def of(self, context: Context, capsys: pytest.CaptureFixture[str], **given: Any) -> Any:
        try:
            echo(context, ["a"], json=True, **given)
        finally:
            self.printed = capsys.readouterr().out
        return json.loads(self.printed)

    def test_it_has_a_format_and_no_error(self, context: Context, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.of(context, capsys) == {"format": 1, "ok": True, "words": ["a"], "error": None}

    @pytest.mark.parametrize(
        ("fails", "error"),
        [
            ("usage", {"kind": "usage", "message": "no", "host": None}),
            ("locked", {"kind": "locked", "message": "held", "host": "web1"}),
            ("fleet", {"kind": "fleet", "message": "failed", "host": "web2"}),
            ("drift", {"kind": "drift", "message": "not as it should be: web1", "host": "web1"}),
        ],
    )
    def test_it_says_why_a_task_failed(
        self, context: Context, capsys: pytest.CaptureFixture[str], fails: str, error: dict[str, Any]
    ) -> None:
        with pytest.raises(HostsmithError):
            self.of(context, capsys, fails=fails)
        document = json.loads(self.printed)
        assert (document["format"], document["ok"], document["error"]) == (1, False, error)
        assert document["words"] == ["a"]

    def test_it_has_what_happened_on_each_host(self, context: Context, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(FleetError):
            self.of(context, capsys, fails="fleet")
        hosts = json.loads(self.printed)["hosts"]
        assert [(host["host"], host["ok"], host["kind"]) for host in hosts] == [
            ("web1", True, ""),
            ("web2", False, "agent"),
        ]


def test_an_error_says_what_a_program_needs() -> None:
    error = _ERRORS["fleet"]
    assert isinstance(error, FleetError)
    assert [report.host for report in error.failed] == ["web2"]
    assert error.report is error.failed[0]
    locked = _ERRORS["locked"]
    assert isinstance(locked, LockedError)
    assert (locked.host, locked.holder) == ("web1", "bob@desk")


def test_exit_codes_tell_a_mistake_from_drift() -> None:
    codes = {kind.exit_code for kind in (UsageError, SettingsError)}
    assert codes == {2}
    assert DriftError.exit_code == 3
    assert FleetError.exit_code == 1


def test_every_error_has_a_kind_of_its_own() -> None:
    def below(cls: type[HostsmithError]) -> list[type[HostsmithError]]:
        return [cls, *(each for child in cls.__subclasses__() for each in below(child))]

    kinds = [cls.kind for cls in below(HostsmithError) if cls.__module__ == "hostsmith.errors"]
    assert sorted(set(kinds)) == sorted(kinds)


class TestWords:
    """Words without a flag, which Invoke does not know."""

    @pytest.fixture
    def fab(self, tmp_path: Path) -> Fab:
        (tmp_path / "fabfile.py").write_text("from hostsmith import ns\n")
        return Fab(tmp_path)

    def test_help_shows_them_as_arguments_and_their_flag_nowhere(self, fab: Fab) -> None:
        shown = fab.run("--help", "config.set").stdout
        assert "config.set KEY=VALUE ... [--options]" in shown
        assert "Arguments:\n  KEY=VALUE ...   KEY=- reads standard input" in shown
        assert "--words" not in shown
        assert "--words" not in fab.run("--list").stdout
