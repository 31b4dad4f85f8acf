"""What all tasks share on the command line."""

from __future__ import annotations

import pytest
from hostsmith.fab.task import task
from invoke.collection import Collection
from invoke.parser import ParserContext


@task(help={"lines": "How many."}, short={"follow": "f", "lines": "n"})
def show(c: object, follow: bool = False, lines: int = 10, role: str | None = None, force: bool = False) -> None:
    """Show something."""


@pytest.fixture(scope="module")
def parsed() -> ParserContext:
    """The task's flags; Invoke tells their help only once."""
    (context,) = Collection(show).to_contexts()
    return context


def test_a_short_flag_is_there_when_it_is_asked_for_and_only_then(parsed: ParserContext) -> None:
    flags = set(parsed.flag_names())
    assert flags == {"--follow", "-f", "--lines", "-n", "--role", "--force"}


def test_the_flags_that_limit_the_hosts_need_no_help_of_their_own(parsed: ParserContext) -> None:
    assert parsed.args["role"].help == "Only hosts of this role, or of these: web,worker."
    assert parsed.args["lines"].help == "How many."
