"""No string reaches a shell unquoted: seen in the source of the library, its scripts and its benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("fabfile", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
SHELLS = {"sh", "/bin/sh", "bash", "/bin/bash"}
# What starts programs; the first argument is the command.
STARTERS = {"run", "sudo", "local", "call", "Popen", "exec_command", "check_call", "check_output", "start", "runner"}
FORBIDDEN = {"system", "popen", "getoutput", "getstatusoutput", "spawnl", "spawnlp", "create_subprocess_shell"}
# What makes one word, or a whole command, of anything.
QUOTING = {"quote", "join", "quote_path", "start_command"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")), node


def is_put_together(node: ast.AST) -> bool:
    """Whether a text is made of others without the functions that quote them."""
    if isinstance(node, ast.JoinedStr):
        values = [value.value for value in node.values if isinstance(value, ast.FormattedValue)]
        return any(not is_quoted(value) for value in values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) or is_put_together(node.left) or is_put_together(node.right)
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("format", "replace")


def is_quoted(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in QUOTING


def problems(source: str) -> list[int]:
    """The lines that start a program by a string that is put together, or by a shell that was not asked for."""
    found = []
    for name, call in calls(ast.parse(source)):
        module = getattr(call.func.value, "id", "") if isinstance(call.func, ast.Attribute) else ""
        if module in ("os", "subprocess", "asyncio") and name in FORBIDDEN:
            found.append(call.lineno)
        # A text is the login shell of a user.
        shells = [getattr(word.value, "value", True) for word in call.keywords if word.arg == "shell"]
        if any(shell and not isinstance(shell, str) for shell in shells):
            found.append(call.lineno)
        if name in STARTERS and call.args and is_put_together(call.args[0]):
            found.append(call.lineno)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.List | ast.Tuple):
            words = [getattr(word, "value", None) for word in node.elts]
            for place, word in enumerate(words[:-2]):
                if word in SHELLS and words[place + 1] == "-c" and is_put_together(node.elts[place + 2]):
                    found.append(node.lineno)
    return sorted(found)


# Each was looked at: what is put in is ours, and constant.
REVIEWED = {
    "fabfile/connection/pack.py": ["_AS_ROOT.replace"],
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_program_is_started_by_a_string_that_was_put_together(path: Path) -> None:
    source = path.read_text()
    allowed = REVIEWED.get(str(path.relative_to(ROOT)), [])
    found = [source.splitlines()[number - 1] for number in problems(source)]
    assert [line for line in found if not any(text in line for text in allowed)] == []


@pytest.mark.parametrize(
    "source",
    [
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "subprocess.run(f'ls {folder}')",
        "c.run('ls %s' % folder)",
        "c.sudo('ls ' + f'{folder}')",
        "c.local('ls {}'.format(folder))",
        "system.run(['sh', '-c', f'ls {folder}'])",
        "Command(['/bin/sh', '-c', 'ls %s' % folder])",
        "channel.exec_command(f'ls {folder}')",
    ],
)
def test_the_check_itself_sees_what_is_wrong(source: str) -> None:
    assert problems(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(['ls', folder])",
        "c.run(f'ls {shlex.quote(folder)}')",
        "c.local(shlex.join(['rsync', folder]))",
        "system.run(['sh', '-c', 'ls \"$1\"', 'sh', folder])",
        "subprocess.run(argv, shell=False)",
    ],
)
def test_the_check_lets_pass_what_is_quoted(source: str) -> None:
    assert problems(source) == []
