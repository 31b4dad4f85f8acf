"""The ways to give a value, and the words of a task on the command line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hostsmith.environment.assignments import assigned, names
from hostsmith.errors import UsageError
from hostsmith.resources import Secret
from local_fab import Fab
from terminal import Terminal


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    return data


def test_on_the_command_line_everything_after_the_first_equals_sign() -> None:
    assert assigned(["A=b=c -", "B=", "C=$(id)"]) == {"A": Secret("b=c -"), "B": Secret(""), "C": Secret("$(id)")}


def test_from_standard_input_and_from_a_file_without_the_end_of_the_last_line(
    stdin: io.BytesIO, tmp_path: Path
) -> None:
    stdin.write(b"two\nlines\r\n")
    stdin.seek(0)
    (tmp_path / "key").write_text("planted\n\n")
    assert assigned(["A=-", f"B=@{tmp_path}/key"]) == {"A": Secret("two\nlines"), "B": Secret("planted\n")}


def test_asked_for_on_a_terminal_without_an_echo() -> None:
    code = "from hostsmith.environment.assignments import assigned; print(len(assigned(['TOKEN'])['TOKEN'].reveal()))"
    with Terminal(code) as terminal:
        terminal.until(["TOKEN:"])
        terminal.type("planted\n")
        assert terminal.to_the_end() == ["TOKEN:", "7"]
    with Terminal(code) as terminal:
        terminal.until(["TOKEN:"])
        terminal.type("\x04")
        assert terminal.to_the_end()[-1].endswith("UsageError: TOKEN: the value is missing; nothing has changed")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "there is nothing to set, expected KEY=value"),
        (["A"], "A: cannot ask for the value without a terminal"),
        (["A=-"], "A: standard input is empty"),
        (["A=-", "B=-"], "found several values from standard input"),
        (["A=@/nowhere"], "A: /nowhere: No such file or directory; for a value that begins with @, use A=-"),
        (["planted-s3cret"], "invalid variable name"),
    ],
)
def test_mistakes_are_told_without_the_value(stdin: io.BytesIO, words: list[str], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        assigned(words)
    assert problem in str(caught.value)
    assert "planted" not in str(caught.value)


def test_bytes_that_no_variable_can_hold(stdin: io.BytesIO, tmp_path: Path) -> None:
    for data, problem in ((b"planted\0", "found a NUL"), (b"planted\xff", "not UTF-8 text")):
        (tmp_path / "key").write_bytes(data)
        with pytest.raises(UsageError, match=problem):
            assigned([f"A=@{tmp_path}/key"])


def test_names_have_no_values() -> None:
    assert names(["A", "B"]) == ["A", "B"]
    with pytest.raises(UsageError, match="A: found a value, expected the name alone"):
        names(["A=planted"])


class TestWords:
    """Words without a flag, however many, before and after the flags."""

    @pytest.fixture
    def fab(self, tmp_path: Path) -> Fab:
        fab = Fab(tmp_path)
        fab.write("app: blog\nroles: {web: [web1], worker: [web2]}\nprocesses: {web: gunicorn a:a}\n")
        fab.write(
            "from invoke.collection import Collection\nfrom hostsmith.fab.task import task\n"
            "@task(arguments='WORD ...')\ndef take(call, words=(), *, loud=False):\n"
            "    print(words, call.limits.role, loud)\n"
            "@task()\ndef other(call):\n    print('other')\n"
            "ns = Collection(take, other)\nns.add_collection(Collection('deep', take))\n",
            "fabfile.py",
        )
        return fab

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ([], "[] None False"),
            (["A=1"], "['A=1'] None False"),
            (["A=1", "--role", "web", "B=2 x", "--loud"], "['A=1', 'B=2 x'] web True"),
            (["--role=web", "A=-", "other"], "['A=-', 'other'] web False"),
            (["A=--role", "-H", "web1", "B"], "['A=--role', 'B'] None False"),
        ],
    )
    @pytest.mark.parametrize("name", ["take", "deep.take"])
    def test_they_are_the_tasks(self, fab: Fab, name: str, words: list[str], told: str) -> None:
        assert fab.output(name, *words) == [told]

    def test_other_tasks_may_come_first(self, fab: Fab) -> None:
        assert fab.output("other", "take", "A", "B") == ["other", "['A', 'B'] None False"]

    def test_an_empty_word_is_one(self, fab: Fab) -> None:
        assert fab.output("take", "") == ["[''] None False"]

    def test_a_value_is_no_task(self, fab: Fab) -> None:
        assert fab.output("take", "--role", "take", "A", "--host", "other", "B") == ["['A', 'B'] take False"]
        assert fab.output("other", "--role", "take", "take", "--hosts", "web1", "A") == ["other", "['A'] None False"]

    def test_a_projects_own_task_with_such_a_flag_is_left_alone(self, fab: Fab) -> None:
        fab.write(
            "from hostsmith import task\n@task\ndef greet(c, words='hi'):\n    print(words)\n"
            "@task\ndef after(c):\n    print('after')\n",
            "fabfile.py",
        )
        assert fab.output("greet", "--words", "hello", "after") == ["hello", "after"]
        assert any("--words=STRING" in line for line in fab.output("--help", "greet"))

    def test_the_dry_run_of_fabric_is_refused(self, fab: Fab) -> None:
        assert "fab plan" in fab.error("--dry", "take", "A")[0]
