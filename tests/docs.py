"""The documentation as the tests read it: its pages, code blocks, commands, and the output that is shown for them.

How a page is written so that it can be tested:

- A ```console block holds commands, `$ ` before each, and after each the lines that it prints. `...` in a line stands
  for anything, a line `...` for any number of lines. Ids of releases and commits, times and durations may differ.
- A block after a line that ends with "`NAME`:" is the content of that file; "added to `NAME`:" adds to it.
- `<!-- not run: reason -->` above a block keeps it from being run, `<!-- exits: 1 -->` says how its last command ends,
  `<!-- from: path -->` says that it is an excerpt of that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)

_COMMENT = re.compile(r"<!-- ([a-z ]+): (.*?) -->")
_FILE = re.compile(r"(?P<added>added to )?`(?P<name>[\w./-]+)`:$", re.IGNORECASE)


@dataclass
class Command:
    """A line after `$ `, and the lines that it is shown to print."""

    text: str
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    :param line: number of the line that opens it.
    :param before: the line of text before it.
    :param marks: the comments directly above it, such as {"not run": "it needs a server"}.
    """

    page: Path
    line: int
    language: str
    text: str
    before: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """Name of the file that the block is the content of, or is added to."""
        found = _FILE.search(self.before)
        return found["name"] if found and self.language != "console" else None

    @property
    def is_added(self) -> bool:
        """Whether it goes after what the file has already."""
        found = _FILE.search(self.before)
        return bool(found and found["added"])

    def commands(self) -> list[Command]:
        """The commands of a console block."""
        found: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                assert found, f"{self}: a console block begins with a command"
                found[-1].output.append(line)
        return found


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    found: list[Block] = []
    before, marks, opened = "", {}, None
    content: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if opened is not None:
            if line == "```":
                found.append(Block(page, *opened, "".join(f"{row}\n" for row in content), before, marks))
                before, marks, opened, content = "", {}, None, []
            else:
                content.append(line)
        elif line.startswith("```"):
            opened = (number, line[3:])
        elif comment := _COMMENT.fullmatch(line):
            marks[comment[1]] = comment[2]
        elif line:
            before, marks = line, {}
    assert opened is None, f"{page}:{opened}: this block is never closed"
    return found


def text_without_blocks(page: Path) -> str:
    """What is written between the blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


# What may differ from run to run, by how it looks in the docs and what it then may look like.
_VARIES = [
    (r"\d{8}-\d{6}-[0-9a-f]{7}", r"\d{8}-\d{6}-[0-9a-f]{7}"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"),
    (r"code [0-9a-f]{12}", r"code [0-9a-f]{12}"),
    (r"\b[0-9a-f]{7}\b", r"[0-9a-f]{7}"),
    (r"\d+\.\d s", r"\d+\.\d s"),
    (r"@laptop", r"@[\w.-]+"),
    (r"\.\.\.", r".*"),
    (r" +", r" +"),
]
_VARYING = re.compile("|".join(f"(?P<v{index}>{shown})" for index, (shown, _) in enumerate(_VARIES)))


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether what a command printed is what the docs show; showing nothing promises nothing."""
    if not shown:
        return True
    return (
        re.fullmatch("".join(map(_line_pattern, shown)), "".join(f"{line.rstrip()}\n" for line in printed)) is not None
    )


def _line_pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*"
    pattern, end = "", 0
    for found in _VARYING.finditer(line):
        pattern += re.escape(line[end : found.start()])
        pattern += _VARIES[int(str(found.lastgroup)[1:])][1]
        end = found.end()
    # A step that took a second or more says so.
    return pattern + re.escape(line[end:]) + r"(?: +\d+\.\d s)?\n"
