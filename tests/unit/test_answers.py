"""What a host answers is taken as it is, or refused as a whole: nothing of a host that was taken over gets further."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hostsmith
import pytest
from hostsmith.agent import actions, queries
from hostsmith.connection import answers, requests
from hostsmith.console import Console
from hostsmith.contract.events import read
from hostsmith.deployment.redeploy import require_agreement
from hostsmith.environment import variables
from hostsmith.errors import AgentError, ReleaseError, UsageError
from hostsmith.tasks.deploy import _Origin
from hypothesis import given
from hypothesis import strategies as st

_LIVE = {"id": "20261127-120000-abc1234", "revision": "a" * 40, "subject": "s", "who": "w", "created": "c"}
_LIVE |= {"state": "proven", "reason": ""}
_GIVEN = {"value": "x", "origin": "fabric.yaml", "shown": True}
_KEPT: dict[str, Any] = {
    "live": _LIVE,
    "bad": [],
    "variables": {"since": _LIVE["id"], "given": {"A": _GIVEN}, "chosen": {"B": "x"}, "scale": {"worker": 2}},
    "generated": {"KEY": "x"},
}


def _with(path: str, value: Any) -> dict[str, Any]:
    """What a host keeps, with one thing in it another."""
    first, _, rest = path.partition(".")
    if not rest:
        return {**_KEPT, first: value}
    return {**_KEPT, first: {**_KEPT[first], rest: value}}


def test_there_is_a_shape_for_each_question_that_a_host_can_be_asked() -> None:
    asked = [
        name
        for name, function in inspect.getmembers(queries, inspect.isfunction)
        if function.__module__ == queries.__name__ and not name.startswith("_")
    ]
    assert sorted([*asked, *actions.ACTIONS]) == sorted(answers.ANSWERS)


def test_what_a_host_keeps_is_read() -> None:
    kept = variables.kept("hello").read("web1", {"ok": True, "answer": _KEPT})
    assert (kept.variables.chosen["B"].reveal(), kept.variables.scale) == ("x", {"worker": 2})
    variables.kept("hello").read("web1", {"ok": True, "answer": _with("variables", None)})


def test_a_large_repository_and_a_database_with_many_migrations_are_no_attack() -> None:
    many = ["a" * 40] * 20_000
    for query, answer in (
        ("before_deploy", {"releases": [], "objects": many, "live": None}),
        ("releases", {"live": None, "records": [], "migrations": {_LIVE["id"]: {"before": [], "after": many}}}),
        ("log_lines", {"lines": [[0.5, "web", "a\udcff\0" * 1_000_000]] * 3, "marks": {}}),
    ):
        assert requests.ask(query).read("web1", {"ok": True, "answer": answer}) == answer


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("variables.chosen", {"A=1\nid > /tmp/x\nB": "x"}),
        ("variables.chosen", {"A B": "x"}),
        ("variables.chosen", {"A": 1}),
        ("variables.chosen", {"A": "\0"}),
        ("variables.chosen", ["A"]),
        ("variables.given", {"A": {**_GIVEN, "shown": 1}}),
        ("variables.given", {"A; id": _GIVEN}),
        ("variables.since", "99999999-999999-x"),
        ("variables.since", "9"),
        ("variables.scale", {"worker": 10**9}),
        ("variables.scale", {"worker": -1}),
        ("variables.scale", {"../x": 1}),
        ("variables", []),
        ("generated", {"A-B": "x"}),
        ("generated", {"A": None}),
        ("live", {**_LIVE, "id": "../../etc"}),
        ("live", {**_LIVE, "id": "20261127-120000-a/../../b"}),
        ("live", {**_LIVE, "revision": "a\nb"}),
        ("live", {**_LIVE, "more": ""}),
        ("live", "x"),
        ("bad", "x"),
        ("more", 1),
    ],
)
def test_what_no_host_would_keep_is_refused_in_one_line_that_names_the_host(path: str, value: Any) -> None:
    question = variables.kept("hello")
    with pytest.raises(AgentError, match="^web1: invalid answer to 'kept_variables'") as error:
        question.read("web1", {"ok": True, "answer": _with(path, value)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("before_deploy", {"releases": [], "objects": ["--upload-pack=x"], "live": None}),
        ("before_deploy", {"releases": [], "objects": ["a" * 40 + "\n"], "live": None}),
        ("resolve", {"commit": "HEAD", "subject": ""}),
        ("services", {"postgres": "word\nX=1"}),
        ("clock", float("inf")),
        ("clock", "0"),
        ("history", {"commit": "a" * 40, "since": {"b": {"new": [{}], "gone": [], "files": []}}}),
        ("log_lines", {"lines": [["now", "web", "x"]], "marks": {}}),
        ("verify", {"problem": None}),
        ("releases", None),
    ],
)
def test_an_answer_of_another_shape_is_refused(query: str, answer: Any) -> None:
    with pytest.raises(AgentError, match=f"web1: invalid answer to '{query}'"):
        requests.ask(query).read("web1", {"ok": True, "answer": answer})
    with pytest.raises(AgentError, match=f"web1: invalid answer to '{query}'"):
        requests.ask(query).read("web1", {"ok": True})


_keys = st.sampled_from(["live", "bad", "variables", "generated", "chosen", "given", "id", "new"]) | st.text()
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(_LIVE["id"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(query=st.sampled_from(sorted(answers.ANSWERS)), answer=_json)
def test_whatever_a_host_answers_is_an_answer_or_an_error_of_that_host(query: str, answer: Any) -> None:
    for question in (requests.ask(query), variables.kept("hello")):
        try:
            question.read("web1", {"ok": True, "answer": answer})
        except AgentError as error:
            assert str(error).startswith("web1: ")


@pytest.mark.parametrize(
    "record",
    [
        b'{"event": "result", "index": 0, "resource": "x", "state": "owned", "seconds": 0}',
        b'{"event": "result", "index": 0, "resource": "x", "state": "ok", "seconds": NaN}',
        b'{"event": "result", "index": 0, "resource": "x", "state": "failed", "seconds": 0, "error": 1}',
        b'{"event": "result", "index": true, "resource": "x", "state": "ok", "seconds": 0}',
        b'{"event": "output", "stream": "stdin", "data": ""}',
        b'{"event": "output", "stream": "stdout", "data": "?"}',
        b'{"event": "data", "data": "="}',
        b'{"event": "alive", "machine": 1}',
        b'{"event": "done", "ok": true, "status": "0"}',
        b'{"event": "done", "ok": false, "error": ["x"]}',
        b'{"event": "note", "text": "x", "text": "y"}',
        b"[" * 100_000,
    ],
)
def test_an_event_of_another_shape_is_none(record: bytes) -> None:
    with pytest.raises(ValueError):
        read(record)


def test_values_of_one_host_replace_those_of_others_only_when_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console()
    lines = ["web1 had other values of config.set than web2, and gets those: PYTHONPATH"]
    require_agreement(console, [], False)
    with pytest.raises(UsageError, match=r"PYTHONPATH\nGive them these values\?\n.*--yes"):
        require_agreement(console, lines, False)
    require_agreement(console, lines, True)
    assert "PYTHONPATH" in capsys.readouterr().out
    monkeypatch.setattr(Console, "agrees", lambda self, question: False)
    with pytest.raises(ReleaseError, match="nothing has changed"):
        require_agreement(console, lines, False)


# Who writes to the terminal past the console, which shows nothing that a terminal obeys; and what is written there.
_PAST_THE_CONSOLE = {
    "__main__.py": "what the user has typed",
    "fab/words.py": "help of a task, as Invoke prints it",
    "openssh/host_keys.py": "the host as the user wrote it, and a fingerprint",
    "connection/terminal.py": "the terminal of `fab shell`, which is the host's",
    "environment/editor.py": "errors of hostsmith, which are printable",
    "settings/reference.py": "the reference of settings, to a file",
    "tasks/config.py": "a value, for a pipe as it is and for a terminal printable",
    "tasks/restore.py": "a question, made printable",
    "tasks/sandbox.py": "errors of hostsmith, which are printable",
}
# On the host standard output is the channel, and what the user's own machine runs is the user's.
_ELSEWHERE = ("contract", "hostkit", "agent", "resources", "console", "sandbox", "local", "patchwork")


def test_nothing_gets_to_the_terminal_past_the_console_but_what_is_listed() -> None:
    root = Path(hostsmith.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in _ELSEWHERE
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr == "write" and ast.unparse(node).startswith("sys.std"))
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "os.write", "sys.stdout.buffer.write"))
    }
    assert found == set(_PAST_THE_CONSOLE)


def test_a_cell_of_a_table_is_no_row_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table(("HOST", "SUBJECT"), [("web1", "x\nweb2  fine\x1b[2J")])
    assert capsys.readouterr().out.splitlines()[1:] == ["web1  x?web2  fine?[2J"]


class _Member(SimpleNamespace):
    __hash__ = object.__hash__


def _run(**commits: str) -> Any:
    """A deployment whose hosts say which commit they found, as far as `_Origin` knows it."""

    def member(label: str, commit: str) -> Any:
        return _Member(label=label, request=lambda _: {"commit": commit, "subject": ""})

    members = [member(label, commit) for label, commit in commits.items()]
    by_label = {each.label: each for each in members}
    fleet = SimpleNamespace(each=lambda work: {each: work(each) for each in members}, require=lambda _: None)
    return SimpleNamespace(settings=SimpleNamespace(app="hello", build_timeout=60), fleet=fleet, first=by_label["web1"])


def test_no_host_chooses_the_code_of_the_others() -> None:
    origin = _Origin("main", url="https://example.org/hello.git")
    assert origin.resolve(_run(web1="a" * 40, web2="a" * 40)).revision == "a" * 40
    with pytest.raises(ReleaseError, match="web1: aaaaaaa, web2: bbbbbbb"):
        origin.resolve(_run(web1="a" * 40, web2="b" * 40))


@pytest.mark.parametrize(
    "revision", ["aaaaaaa+/../../../../opt/victim", "a/b", "..", "aaaaaaa+Dirty/", "a\nb", "a" * 65]
)
def test_a_revision_cannot_lead_out_of_the_folder_of_releases(revision: str) -> None:
    """The id of the next release is made of it, and so the name of a folder that root makes and removes."""
    answer = {"live": None, "records": [{**_LIVE, "revision": revision}], "migrations": {}}
    with pytest.raises(AgentError):
        requests.ask("releases").read("web1", {"ok": True, "answer": answer})
