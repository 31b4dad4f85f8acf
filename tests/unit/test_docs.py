"""What the documentation says exists: tasks, flags, targets, links, settings, tests; and its examples are valid."""

from __future__ import annotations

import ast
import functools
import html
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostsmith
import pytest
from fabric.main import make_program
from hostsmith.fab.words import TakingParser
from hostsmith.inventory.project import settings_of
from invoke.parser import Parser, ParserContext
from invoke.util import yaml

from tests.docs import PAGES, ROOT, Block, blocks, matches, text_without_blocks

README, GUIDE, SECRETS = ROOT / "README.md", ROOT / "docs" / "guide.md", ROOT / "docs" / "secrets.md"
PROCESSES = ROOT / "docs" / "processes.md"
BACKUP = ROOT / "docs" / "backup.md"
GUARANTEES = ROOT / "docs" / "guarantees.md"

_LONGEST_LINE = 120
_TASKS = [str(context.name) for context in hostsmith.ns.to_contexts()]


def _blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=str(block)) for page in PAGES for block in blocks(page) if block.language == language
    ]


def _commands(program: str) -> list[Any]:
    """Every use of a program in the docs: in console blocks, and as `program ...` in the text."""
    found = []
    for page in PAGES:
        lines = [command.text for b in blocks(page) if b.language == "console" for command in b.commands()]
        lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text_without_blocks(page))]
        for line in dict.fromkeys(lines):
            for part in re.split(r" && |; ", line):
                bare = re.sub(r"^([A-Z_]+=\S+ )+", "", part)
                if bare.startswith(f"{program} ") and "..." not in bare:
                    found.append(pytest.param(bare, id=f"{page.name}: {bare}"))
    return found


@pytest.mark.parametrize("command", _commands("fab"))
def test_every_fab_command_names_tasks_and_flags_that_exist(command: str) -> None:
    # In the text a bare `--to` stands for one with its value.
    argv = shlex.split(re.sub(r"(--to|--revision)$", r"\1 x", command))[1:]
    # As Fabric does: first its own flags, then what is left with the tasks.
    core = Parser(initial=make_program().initial_context, ignore_unknown=True).parse_argv(argv)
    parser = _tasks_parser()
    words = core.unparsed
    if len(words) == 1 and words[0] in parser.contexts:
        # In the text a bare name of a task stands for it with what it must be given.
        words += ["x"] * len(parser.contexts[words[0]].missing_positional_args)
    parser.parse_argv(words)
    helped = core[0].args.help.value
    assert helped in (None, False, True) or helped in parser.contexts


def _tasks_parser() -> TakingParser:
    """hostsmith's tasks, and those that the fabfiles on the pages add."""
    own = {name.replace("_", "-") for page in PAGES for name in _own_tasks(page)}
    parser = TakingParser(contexts=[*hostsmith.ns.to_contexts(), *(ParserContext(name) for name in sorted(own))])
    parser.taking = {name for name in hostsmith.ns.task_names if hostsmith.ns[name].arguments}
    return parser


def _own_tasks(page: Path) -> list[str]:
    """Tasks that the examples on a page define."""
    found = []
    for block in blocks(page):
        found += re.findall(r"^@task.*\ndef (\w+)", block.text, flags=re.MULTILINE)
    return [*found, "server.status"]


@pytest.mark.parametrize("command", _commands("make"))
def test_every_make_command_names_a_target_that_exists(command: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = [word for word in shlex.split(command)[1:] if "=" not in word]
    assert named, command
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_without_blocks(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name}: {target}; there are {sorted(_anchors(file))}"


@functools.cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text_without_blocks(page), flags=re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w.]+)", README.read_text()))
    assert {str(page.relative_to(ROOT)) for page in PAGES if page.parent == ROOT / "docs"} <= linked


def test_the_page_of_tasks_is_what_fab_lists() -> None:
    written = subprocess.run(
        [sys.executable, ROOT / "scripts" / "tasks_page.py"], capture_output=True, text=True, check=True, timeout=60
    )
    page = (ROOT / "docs" / "tasks.md").read_text()
    assert page == written.stdout, "run: python scripts/tasks_page.py > docs/tasks.md"
    assert set(re.findall(r"^\| `fab ([\w.]+)[` ]", page, flags=re.MULTILINE)) == set(_TASKS)


def test_the_readme_names_each_task_once() -> None:
    section = README.read_text().partition("\n## Tasks\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`([\w.]+)`", section)) == sorted(_TASKS)


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_picture_shows_tasks_that_exist() -> None:
    shown = html.unescape((ROOT / "docs" / "terminal.svg").read_text()).replace("\N{NO-BREAK SPACE}", " ")
    named = re.findall(r"(?<!~/)\bfab (\w+)<", shown)
    assert named
    assert set(named) <= set(_TASKS)


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_every_settings_block_is_valid(block: Block) -> None:
    found = yaml.safe_load(block.text)
    given = {key: value for key, value in found.items() if not key.startswith("x-")}
    settings_of(**{"app": "hello", **given})


@pytest.mark.parametrize("block", _blocks("python"))
def test_every_python_block_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", _blocks("python"))
def test_every_name_that_a_block_imports_from_hostsmith_is_public(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and node.module == "hostsmith":
            assert {name.name for name in node.names} <= set(hostsmith.__all__)


def test_every_excerpt_is_what_its_file_says() -> None:
    excerpts = [block for page in PAGES for block in blocks(page) if "from" in block.marks]
    assert excerpts
    for block in excerpts:
        assert block.text in (ROOT / block.marks["from"]).read_text(), f"{block}: not in {block.marks['from']}"


def test_what_is_not_run_says_why_and_is_little() -> None:
    consoles = [block for page in PAGES for block in blocks(page) if block.language == "console"]
    left_out = [block for block in consoles if "not run" in block.marks]
    assert all(len(block.marks["not run"].split()) >= 4 for block in left_out)
    assert len(left_out) * 4 < len(consoles), [str(block) for block in left_out]


def test_only_the_pages_that_are_followed_have_commands_to_run() -> None:
    """These are the pages that tests/hosts/test_docs.py runs, and the tests of their part."""
    for page in PAGES:
        if page not in (README, GUIDE, SECRETS, PROCESSES, BACKUP):
            assert all("not run" in block.marks for block in blocks(page) if block.language == "console"), page


@pytest.mark.parametrize(
    ("page", "heading"),
    [("README.md", "Development"), ("CONTRIBUTING.md", "Where a change goes"), ("docs/architecture.md", "The tree")],
)
def test_the_places_where_a_change_goes_exist(page: str, heading: str) -> None:
    section = (ROOT / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Folders, and modules and other files with a folder in front; `<noun>.py` stands for any.
    named = re.findall(r"`((?:[\w.]+/)+(?:[\w.]+\.(?:py|md|j2))?)`", section)
    assert len(named) > 5
    gone = [name for name in named if not (ROOT / name).exists() and not (ROOT / "fabfile" / name).exists()]
    assert not gone, gone


def test_the_tests_that_the_guarantees_name_exist() -> None:
    text = GUARANTEES.read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert named
    for file, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), flags=re.MULTILINE), f"{file}::{name}"
    for section in text.split("\n## ")[1:-1]:
        assert "**Promised.**" in section, section.splitlines()[0]
        assert "**Tests.**" in section, section.splitlines()[0]


def test_the_messages_under_troubleshooting_are_those_of_the_code() -> None:
    texts = [
        node.value
        for file in (ROOT / "fabfile").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    headings = re.findall(r"^#### `(.*)`$", GUIDE.read_text(), flags=re.MULTILINE)
    assert headings
    for heading in headings:
        for part in heading.split("..."):
            assert any(part.strip() in text for text in texts), f"{heading}: the code never says {part.strip()!r}"


def test_every_template_that_can_be_replaced_is_named() -> None:
    shipped = {str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.j2")}
    assert shipped == set(
        re.findall(r"^\| `([\w/.-]+\.j2)` \|", (ROOT / "docs/extending.md").read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_can_be_read_in_a_terminal(page: Path) -> None:
    text = re.sub(r"^```console.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    long = [line for line in text.splitlines() if len(line) > _LONGEST_LINE and not line.startswith("|")]
    assert not long, long


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "setup.cfg").read_text()
    names = re.findall(r"^    ([a-z]+)[><=]", text, flags=re.MULTILINE)
    dev = text.partition("dev =")[2].split()
    reasons = (ROOT / "CONTRIBUTING.md").read_text()
    assert names
    for name in [*names, *(name for name in dev if not name.startswith("types-"))]:
        assert f"| {name} |" in reasons or f"**{name}**" in reasons, name


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a: 1 changed, 0.1 s"], ["a: 1 changed, 7.4 s"], True),
        (["  changed  x: done"], ["  changed  x: done  1.2 s"], True),
        (["a: 1 changed"], ["a: 2 changed"], False),
        (["first", "...", "last"], ["first", "last"], True),
        (["first", "...", "last"], ["first", "x", "y", "last"], True),
        (["first", "last"], ["first", "x", "last"], False),
        (["first"], ["first", "more"], False),
        (["live 20261121-101500-1f3c2ab (x)"], ["live 20270101-000000-abcdef0 (x)"], True),
        (["live 20261121-101500-1f3c2ab (x)"], ["live 20270101-000000-abcdef0-dirty (x)"], False),
        (["GET /x"], ["GET /y"], False),
    ],
)
def test_shown_output_is_compared_line_by_line(shown: list[str], printed: list[str], same: bool) -> None:
    assert matches(shown, printed) is same
