"""Positional arguments of tasks, as in `fab config.set A=1 B=2 --role web`.

Invoke knows a fixed number of them, and takes the next for another task. So before it looks, the words of such a task
become the value of one flag, which no help shows. The task takes all that follows it.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from fabric.main import Fab
from invoke.parser import Parser

FLAG = "--words"
# What no word can contain.
_BETWEEN = "\0"


class TakingFab(Fab):  # type: ignore[misc]
    """A `fab` some of whose tasks take words."""

    def _make_parser(self) -> Parser:
        parser: Parser = super()._make_parser()
        # A new one would copy the flags of all tasks again.
        parser.__class__ = TakingParser
        return parser

    def print_task_help(self, name: str) -> None:
        """Print the help of a task as Invoke does, and its words as arguments."""
        context = self.parser.contexts[name]
        made = self.collection[name]
        if not (words := context.flags.get(FLAG)):
            super().print_task_help(name)
            return
        flags = [pair for pair in context.help_tuples() if not pair[0].startswith(FLAG)]
        usage = f"Usage: {self.binary} [--core-opts] {name} {made.arguments} [--options] [other tasks here ...]"
        text = textwrap.indent(inspect.getdoc(made) or "", self.leading_indent)
        sys.stdout.write(f"{usage}\n\nDocstring:\n{text}\n\nArguments:\n")
        self.print_columns([(made.arguments, words.help)])
        sys.stdout.write("Options:\n")
        self.print_columns(flags)


class TakingParser(Parser):
    """Makes the words of a task the value of its flag `--words`."""

    def parse_argv(self, argv: list[str]) -> Any:
        return super().parse_argv(list(self._gathered(argv)))

    def _gathered(self, argv: list[str]) -> Iterator[str]:
        """The same, with the words of a task as the value of its flag `--words`."""
        rest = iter(argv)
        for word in rest:
            yield word
            if word in self.contexts and FLAG in self.contexts[word].flags:
                yield from self._of_task(self._flags(word), rest)

    def _flags(self, task: str) -> dict[str, Any]:
        initial = self.initial.flags if self.initial else {}
        return {**initial, **self.contexts[task].flags}

    @staticmethod
    def _of_task(flags: dict[str, Any], rest: Iterator[str]) -> Iterator[str]:
        words = []
        for word in rest:
            if word == "--":
                yield from (word, *rest)
            elif not word.startswith("-"):
                words.append(word)
            else:
                yield word
                if word in flags and flags[word].takes_value:
                    yield from (value for value in [next(rest, None)] if value is not None)
        if words:
            yield from (FLAG, _BETWEEN.join(words))


def adopt(program: Fab) -> None:
    """Give the running `fab` our parser and help."""
    if type(program) is Fab:
        program.__class__ = TakingFab


def split(words: str | Sequence[str]) -> list[str]:
    """The words that a task was given: on the command line, or by Python code as one text or several."""
    if isinstance(words, str):
        return words.split(_BETWEEN) if words else []
    return list(words)
