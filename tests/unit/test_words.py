"""Words of the trade in what people read, held for code and pages alike."""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest

from tests import words

# Packages and pages whose words have not been rewritten yet. Nothing is added here; a line goes with its last finding.
PENDING: tuple[str, ...] = ()

# By file and what was found there, and why it may stay.
EXCEPTIONS: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="module")
def findings() -> list[words.Finding]:
    return words.all_findings()


def test_what_people_read_uses_the_words_of_the_trade(findings: list[words.Finding]) -> None:
    left = [
        str(each)
        for each in findings
        if not each.path.startswith(PENDING) and (each.path, each.found) not in EXCEPTIONS
    ]
    assert not left, "\n" + "\n".join(left)


def test_an_exception_is_still_one(findings: list[words.Finding]) -> None:
    assert EXCEPTIONS.keys() <= {(each.path, each.found) for each in findings}


@pytest.mark.parametrize(
    "text",
    [
        "the site is not well",
        "it is made anew",
        "as the user was told",
        "put out a release",
        "its files are taken back",
        "put it back first",
        "processes of which there must never be two",
        "if so, say it with --yes",
        "hosts that are away",
        "knocked at its port",
        "the resource that it is at",
        "a session of\n    its own",
        "it is no directory",
        "an archive is none that can be restored",
        "when it is mended",
        "does not heed SIGTERM",
        "nothing to look at",
        "a password that was made up",
        "the certificate is over",
        "the release before, not the one before",
        "what the host goes by",
        "is passed over",
        "what was half-way",
        "a deploy that is underway",
        "the server does not let us in",
        "found no terminal",
    ],
)
def test_a_private_word_is_found(text: str) -> None:
    assert list(words.findings(words.Text("a.py", 1, "comment", text)))


@pytest.mark.parametrize(
    "text",
    [
        "This works as well as it is well known.",
        "There is no file, and it is no longer needed; there is none.",
        "Nothing tells a link from a file.",
        "The site is at https://example.com.",
        "It is made up of parts.",
        "The time is over 9000.",
        "Going away from here.",
        "Backups are taken; back up first.",
        "an amendment, recommended",
        "a value of 3 or None",
    ],
)
def test_ordinary_words_pass(text: str) -> None:
    assert not list(words.findings(words.Text("a.py", 1, "comment", text)))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("module", "What a host does that has no agent."),
        ("module", "The one thing and the other, and the third, which is what the others are there for."),
        ("function", "That a file exists."),
        ("function", "Have the host restart."),
        ("function", "See that it runs."),
        ("class", "What a host is."),
    ],
)
def test_a_docstring_begins_with_a_noun_phrase_or_a_verb(kind: str, text: str) -> None:
    assert list(words.findings(words.Text("a.py", 1, kind, text)))


def test_a_finding_names_its_line_and_what_to_say() -> None:
    text = words.Text("a.py", 7, "string", "One line,\nand a session of\nits own.")
    assert [str(each) for each in words.findings(text)] == ["a.py:8: 'of its own': say its own X, a separate X, yours"]


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path in words.files(["fabfile"]):
        if path.suffix == ".py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(path.relative_to(words.ROOT).as_posix())
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}
