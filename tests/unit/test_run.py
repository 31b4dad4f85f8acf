"""`fab run` and `fab logs` on the command line, up to the first connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_fab import Fab


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    project = Fab(tmp_path)
    project.write("from hostsmith import ns\n", "fabfile.py")
    project.write(
        "app: blog\nprocesses: {web: x, worker: y, release: z}\nroles: {web: [h1.example.com], db: [h2.example.com]}\n"
    )
    return project


def test_run_without_a_command_says_how_to_give_one(fab: Fab) -> None:
    for arguments in (["run"], ["run", "--once", "--"]):
        assert "write one after --" in fab.error(*arguments)[0]


def test_the_command_is_taken_wherever_the_task_is_in_the_namespace(fab: Fab) -> None:
    fab.write(
        "import hostsmith\nfrom invoke import Collection\nns = Collection(hostsmith.ns)\n"
        "ns.add_task(hostsmith.run, name='do')\n",
        "fabfile.py",
    )
    for name in ("hostsmith.run", "do"):
        assert fab.error(name, "--role", "db", "--", "ls")[0].startswith("no process of the app runs on")


def test_a_command_after_another_task_is_no_traceback(fab: Fab) -> None:
    (line,) = fab.error("status", "--", "rm", "-r", "x")
    assert line == "found -- rm -r x, expected no command here; `fab run -- ...` takes one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-n", "many"], "-n: found 'many', expected a number of lines"),
        (["-n", "-1"], "-n: found '-1', expected a number of lines"),
        (["--process", "wrker"], "expected one of: web, worker, nginx; did you mean worker?"),
        (["--process", "release"], "--process: found 'release'"),
        (["--role", "db"], "none of these hosts has logs of web, worker"),
    ],
)
def test_logs_that_are_not_there_are_told_before_any_connection(fab: Fab, arguments: list[str], said: str) -> None:
    (line,) = fab.error("logs", *arguments)
    assert said in line
