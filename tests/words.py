"""Private words in what people read, and where they stand.

`python -m tests.words fabfile/sandbox docs/tls.md` lists them, for packages and pages that are still on the list of
pending ones, too.
"""

from __future__ import annotations

import ast
import bisect
import io
import itertools
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
SOURCES = ("fabfile", "benchmarks", "scripts", "examples")
LONGEST_HEADLINE = 14

# Private words, as regular expressions whose spaces stand for any white space, and the field's words for them.
WORDS = {
    r"unwell|(?:is|are|was|were|be|not|all|stays?|keeps?) well(?! known|-)": "healthy, unhealthy",
    r"anew": "again, from scratch, restart",
    r"tells?(?! .{0,30}(?:apart|from))|told": "report, show, print",
    r"puts? (?:\w+ (?:\w+ )?)?out(?= a release| releases| the release)|puts? out|putting out": "publish, activate",
    r"(?:takes?|took|taken|taking|puts?|putting) (?:it |them |that |this |all |everything )?back(?! up)": (
        "revert, roll back, undo, restore"
    ),
    r"must never be two": "singleton",
    r"as was said|say it with|says? how many|nobody says|what is said of": "set, configure, pass",
    r"(?:is|are|was|were|stays?|stayed) away(?! from)|hosts? away": "unreachable",
    r"knock(?:s|ed|ing)?": "probe",
    r"what (?:\w+ ){1,3}(?:is|are|was) at|that (?:it|they) (?:is|are|was|were) at": "is running, is doing",
    r"of (?:its|their|your|our|his|one's|ones) own": "its own X, a separate X, yours",
    r"keeps? (?:\w+ )?waiting|kept (?:\w+ )?waiting": "wait for, hold",
    r"remember(?:s|ed)? (?:it |them )?when (?:it is |they are )?(?:first )?met": "add to `~/.ssh/known_hosts`, trust",
    r"(?<!there )(?:is|are) (?-i:none)(?! of)|(?<!there )is no(?= \w)(?! longer| more| \w+er )": (
        "invalid, is not a valid X"
    ),
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"heed(?:s|ed|ing)?": "respect, honour, follow",
    r"look(?:s|ed|ing)? at|examin(?:e|es|ed|ing|ation)": "inspect, check",
    r"put(?:s|ting)? an end to": "cancel, abort",
    r"(?:make|makes|made|making) (?:one |it |them )?up(?! of)": "generate, create",
    r"(?:is|are|was|were) over(?= ?[.,;:)]|$)": "expire, end",
    r"can be said of": "option",
    r"the one before|the old one": "the previous release, the previous one",
    r"go(?:es|ing)? by|went by": "uses, reads, takes effect",
    r"pass(?:es|ed|ing)? over|pass (?:it|them) over": "skip, ignore",
    r"half-?way": "partially, halfway done",
    r"underway": "deployment, in progress",
    r"lets? (?:us|it|them|you|me) in": "reachable over SSH, authentication",
    r"found no": "there is no, missing",
}
_PATTERNS = [(re.compile(rf"\b(?:{said})\b", re.IGNORECASE), use) for said, use in WORDS.items()]

_NAMES = re.compile(r"(?<!`)`[^`\n]+`(?!`)|(?<=:param )\w+(?=:)")


@dataclass(frozen=True)
class Text:
    """Something that people read.

    :param kind: comment, string, page, or the docstring of a module, class or function.
    :param line: number of its first line.
    """

    path: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Finding:
    """A private word, or a docstring that begins as none should."""

    path: str
    line: int
    found: str
    use: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r}: say {self.use}"


def files(names: Iterable[str] = ()) -> list[Path]:
    """Sources and pages below these names, all of them without one."""
    places = [ROOT / name for name in names] or [ROOT / name for name in (*SOURCES, "docs", *PAGES)]
    found = [each for place in places for each in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(each for each in found if each.suffix in (".py", ".md", ".sh") and "node_modules" not in each.parts)


def texts(path: Path) -> Iterator[Text]:
    """All that people read in a file."""
    name, content = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _of_code(name, content)
        yield from _comments(name, content)
    else:
        yield Text(name, 1, "page", content)


def _of_code(name: str, content: str) -> Iterator[Text]:
    """Docstrings, and all other strings that have more than one word."""
    tree = ast.parse(content)
    docstrings = set()
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not node.body:
            continue
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            docstrings.add(first.value)
            kind = {ast.Module: "module", ast.ClassDef: "class"}.get(type(node), "function")
            yield Text(name, first.lineno, kind, first.value.value)
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = _string(node)
        if " " in text.strip() and node not in docstrings and node not in parts:
            assert isinstance(node, ast.expr)
            yield Text(name, node.lineno, "string", text)


def _string(node: ast.AST) -> str:
    """The text of a string, with {} for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_string(part) or "{}" for part in node.values)
    return ""


def _comments(name: str, content: str) -> Iterator[Text]:
    """Comments; lines that follow each other are one."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != last + 1:
            yield Text(name, last - len(block) + 1, "comment", "\n".join(block))
            block = []
        block.append(token.string.lstrip("#! "))
        last = token.start[0]
    if block:
        yield Text(name, last - len(block) + 1, "comment", "\n".join(block))


def findings(text: Text) -> Iterator[Finding]:
    """Private words in a text, and what is wrong with a docstring's beginning."""
    # Names of code are no words, and a phrase may be broken by the end of a line.
    prose = _NAMES.sub(lambda match: "`" * len(match[0]), text.text)
    words = [(match[0], match.start()) for match in re.finditer(r"\S+", prose)]
    starts = list(itertools.accumulate((len(word) + 1 for word, _ in words), initial=0))
    flat = " ".join(word for word, _ in words)
    for pattern, use in _PATTERNS:
        for match in pattern.finditer(flat):
            _, place = words[bisect.bisect_right(starts, match.start()) - 1]
            yield Finding(text.path, text.line + text.text.count("\n", 0, place), match[0], use)
    yield from _beginning(text)


def _beginning(text: Text) -> Iterator[Finding]:
    first = " ".join(text.text.split("\n\n")[0].split())
    if text.kind == "module":
        headline = re.split(r"(?<=\.) ", first)[0]
        words = len(headline.split())
        if words > LONGEST_HEADLINE:
            use = f"it with at most {LONGEST_HEADLINE} words, not {words}"
            yield Finding(text.path, text.line, headline, use)
        if re.match(r"(What|How|That|Where|Who|Which|When|Whether)\b", headline):
            yield Finding(text.path, text.line, headline, "it with a noun phrase")
    if text.kind in ("class", "function") and (match := re.match(r"(That|Have|See that|What)\b", first)):
        yield Finding(text.path, text.line, f"{match[0]} ...", "it with a verb, or a noun for a property or class")


def all_findings(names: Iterable[str] = ()) -> list[Finding]:
    """Findings below these names, in the whole project without one."""
    return [each for path in files(names) for text in texts(path) for each in findings(text)]


if __name__ == "__main__":
    for each in all_findings(sys.argv[1:]):
        print(each)
