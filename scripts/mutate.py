"""Mutations of a file: cosmic-ray's operators, calls left out, lines of templates removed."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import parso
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Operator
from parso.python.tree import Name

# Of each kind the fault that is hardest to see: `<` for `<=`, not `<` for `is`.
_CORE = [
    "AddNot",
    "ExceptionReplacer",
    "RemoveDecorator",
    "ReplaceAndWithOr",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_BitAnd_BitOr",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceBinaryOperator_Mul_FloorDiv",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBreakWithContinue",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    "ZeroIterationForLoop",
]


class DropCall(Operator):  # type: ignore[misc]
    """Leaves out a statement that is a call, or that raises: a lost fsync, a check that is not made."""

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[object]:
        if node.type == "simple_stmt" and node.children[0].type in ("atom_expr", "raise_stmt"):
            yield (node.start_pos, node.end_pos)

    def mutate(self, node: parso.tree.NodeOrLeaf, index: int) -> parso.tree.NodeOrLeaf:
        first = node.children[0]
        node.children[0] = Name("pass", first.start_pos, first.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[object, ...]:
        return ()


class WholeNumber(NumberReplacer):  # type: ignore[misc]
    """One more or less; not for durations, which are written with a point and promise nothing so exact."""

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[object]:
        if node.type == "number" and "." not in node.value:
            yield from super().mutation_positions(node)


_OPERATORS: dict[str, Operator] = {name: plugins.get_operator(f"core/{name}")() for name in _CORE}
_OPERATORS |= {"DropCall": DropCall(), "WholeNumber": WholeNumber()}


@dataclass(frozen=True)
class Place:
    """Where a fault can be put.

    :param file: relative to the checkout.
    :param number: of how many occurrences of the operator it is, from 0.
    """

    file: str
    operator: str
    number: int


def places(root: Path, file: str) -> Iterator[Place]:
    """Find all places of a file."""
    text = (root / file).read_text()
    if not file.endswith(".py"):
        yield from (Place(file, "template", number) for number, _ in enumerate(_template(text)))
        return
    nodes = list(ast_nodes(get_ast(text)))
    for name, operator in _OPERATORS.items():
        count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        yield from (Place(file, name, number) for number in range(count))


def mutated(root: Path, place: Place) -> str | None:
    """Put the fault into the file's text; None if the program is the same, or is not one."""
    text = (root / place.file).read_text()
    if place.operator == "template":
        return list(_template(text))[place.number]
    found = mutate_code(text, _OPERATORS[place.operator], place.number)
    return found if found is not None and _differs(text, found) else None


def change(before: str, after: str) -> tuple[str, str]:
    """Return the lines that a fault replaces, and the new ones."""
    delta = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]
    old, new = (" / ".join(line[2:].strip() for line in delta if line[0] == sign) for sign in "-+")
    return old, new


def _differs(before: str, after: str) -> bool:
    try:
        return _meaning(before) != _meaning(after)
    except SyntaxError:
        return False


def _meaning(text: str) -> str:
    """The program without what does nothing when it runs: annotations, and what only type checkers read."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        # A dataclass and pydantic read that there is one; what it says is seen by mypy.
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.test, node.body = ast.Constant(None), []
    return ast.dump(tree)


_TAG = re.compile(r"{%-?\s*(el)?if\s+(.*?)\s*-?%}")


def _template(text: str) -> Iterator[str]:
    """A line that is gone, a condition turned round, a value that is not quoted."""
    lines = re.sub(r"{#.*?#}", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL).split("\n")
    for number, line in enumerate(lines):
        others = lines[:number], lines[number + 1 :]
        if line.strip() and "{%" not in line and not line.strip().startswith(("#", "//")):
            yield "\n".join([*others[0], *others[1]])
        for tag in _TAG.finditer(line):
            turned = f"{{% {tag[1] or ''}if not ({tag[2]}) %}}"
            yield "\n".join([*others[0], line[: tag.start()] + turned + line[tag.end() :], *others[1]])
        for quoted in re.finditer(r"\s*\|\s*quote\b", line):
            yield "\n".join([*others[0], line[: quoted.start()] + line[quoted.end() :], *others[1]])
