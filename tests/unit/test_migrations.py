"""Migrations: which ones a database has had, and which a release that one goes back to does not know."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hostsmith.deployment import migrations
from hostsmith.hostkit.app import migrations as on_host
from hostsmith.hostkit.app.layout import Layout
from hostsmith.hostkit.app.migrations import Migrations
from hostsmith.hostkit.linux import system

A, B, C, D = (f"2026010{day}-120000-x" for day in range(1, 5))

DJANGO = """[X]  contenttypes.0001_initial
[X]  blog.0001_initial ... (contenttypes.0001_initial)
[ ]  blog.0002_more ... (blog.0001_initial)
"""
ALEMBIC = """1975ea83b712 -> ae1027a6acf (head), Add a column -> of another kind
<base> -> 1975ea83b712, create account table
"""


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A release whose `start` prints what the tools would."""
    found = Layout("blog", base=str(tmp_path))
    os.makedirs(f"{found.release(A)}/code")
    start = Path(found.release(A), "start")
    start.write_text(
        "#!/bin/sh\ncase $* in\n"
        f"*showmigrations*) cat <<'END'\n{DJANGO}END\n;;\n"
        f"*alembic?current) cat {tmp_path}/current;;\n"
        f"*alembic*) cat <<'END'\n{ALEMBIC}END\n;;\n"
        "esac\n"
    )
    start.chmod(0o755)
    run = system.run
    monkeypatch.setattr(system, "run", lambda argv, user, timeout: run(argv, timeout=timeout))
    return found


def test_django_and_alembic_say_what_the_database_has_had_in_its_order(layout: Layout) -> None:
    code = Path(layout.release(A), "code")
    assert not on_host.can_list(layout, A)
    (code / "manage.py").write_text("import django\n")
    assert on_host.applied(layout, A, 5) == ("contenttypes.0001_initial", "blog.0001_initial")
    (code / "manage.py").write_text("# of another kind\n")
    (code / "alembic.ini").touch()
    assert on_host.can_list(layout, A)
    current = Path(layout.base, "current")
    current.write_text("")
    assert on_host.applied(layout, A, 5) == ()
    current.write_text("ae1027a6acf (head)\n")
    assert on_host.applied(layout, A, 5) == ("1975ea83b712", "ae1027a6acf")


def test_a_release_remembers_what_it_applied(layout: Layout) -> None:
    assert on_host.written(layout, A) is None
    what = Migrations(("one",), ("one", "two"))
    on_host.write(layout, A, what)
    assert on_host.written(layout, A) == what
    assert what.applied == ["two"]


def past(**releases: tuple[str, str]) -> migrations.History:
    """Each release with what was applied before it and after it, as letters."""
    ids = {"a": A, "b": B, "c": C, "d": D}
    answers = [
        {"migrations": {ids[name]: asdict(Migrations(tuple(before), tuple(after)))}}
        for name, (before, after) in releases.items()
    ]
    return migrations.history(answers)


def test_what_came_after_a_release_is_unknown_to_it() -> None:
    history = past(a=("", "1"), b=("1", "12"), c=("12", "123"))
    assert migrations.unknown_to(A, history) == ["2", "3"]
    assert migrations.unknown_to(B, history) == ["3"]
    assert migrations.unknown_to(C, history) == []


def test_also_what_a_release_applied_that_failed_or_was_pruned() -> None:
    assert migrations.unknown_to(A, past(a=("", "1"), d=("12", "123"))) == ["2", "3"]
    assert migrations.unknown_to(B, past(a=("", "1"), c=("1", "12"))) == ["2"], "b ran no command of its own"


def test_of_a_release_from_before_there_were_records_the_next_one_tells() -> None:
    assert migrations.unknown_to(A, past(b=("1", "12"))) == ["2"]
    assert migrations.unknown_to(A, past(b=("1", "12"), c=("12", "123"))) == ["2", "3"], "of several, the first"
    assert migrations.unknown_to(A, past()) == []
