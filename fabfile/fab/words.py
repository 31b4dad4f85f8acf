"""Positional arguments of tasks, as in `fab config.set A=1 B=2 --role web`.

Invoke knows a fixed number of them, and takes the next for another task. So before it looks, the words of such a task
become the value of one flag, which no help shows. The task takes all that follows it.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from fabric.main import Fab
from invoke.parser import Parser

FLAG = "--words"
# What no word can contain; after each, so that an empty one is one, too.
_AFTER = "\0"


class TakingFab(Fab):  # type: ignore[misc]
    """A `fab` some of whose tasks take words."""

    def _make_parser(self) -> Parser:
        parser: Parser = super()._make_parser()
        # A new one would copy the flags of all tasks again.
        parser.__class__ = TakingParser
        taking: Any = parser
        taking.taking = {name for name in self.collection.task_names if _arguments(self.collection[name])}
        return parser

    def print_task_help(self, name: str) -> None:
        """Print the help of a task as Invoke does, and its words as arguments."""
        context, made = self.parser.contexts[name], self.collection[name]
        if not _arguments(made):
            super().print_task_help(name)
            return
        flags = [pair for pair in context.help_tuples() if not pair[0].startswith(FLAG)]
        text = textwrap.indent(inspect.getdoc(made) or "", self.leading_indent)
        usage = f"Usage: {self.binary} [--core-opts] {name} {made.arguments} [--options]"
        sys.stdout.write(f"{usage}\n\nDocstring:\n{text}\n\nArguments:\n")
        self.print_columns([(made.arguments, context.flags[FLAG].help)])
        sys.stdout.write("Options:\n")
        self.print_columns(flags)


def _arguments(made: object) -> str:
    """How a task shows its words; empty for one that takes none, such as a project's own with a flag `--words`."""
    return getattr(made, "arguments", "")


class TakingParser(Parser):
    """Makes the words of a task the value of its flag `--words`.

    :ivar taking: names of the tasks that take words.
    """

    taking: Container[str] = ()

    def parse_argv(self, argv: list[str]) -> Any:
        return super().parse_argv(list(self._gathered(argv)))

    def _gathered(self, argv: list[str]) -> Iterator[str]:
        """The same, with the words of a task as the value of its flag `--words`."""
        rest = iter(argv)
        flags = self._flags(None)
        for word in rest:
            yield word
            if word in self.contexts:
                flags = self._flags(word)
                if self.contexts[word].name in self.taking:
                    yield from self._of_task(flags, rest)
            elif _takes_next(word, flags):
                yield from (value for value in [next(rest, None)] if value is not None)

    def _flags(self, task: str | None) -> list[Mapping[str, Any]]:
        # Not merged: these mappings know other spellings of a flag, too, such as --hosts for -H.
        own = [self.contexts[task].flags] if task else []
        return [*own, *([self.initial.flags] if self.initial else [])]

    @staticmethod
    def _of_task(flags: Sequence[Mapping[str, Any]], rest: Iterator[str]) -> Iterator[str]:
        words = []
        for word in rest:
            if word == "--":
                yield from (word, *rest)
            elif not word.startswith("-"):
                words.append(word)
            else:
                yield word
                if _takes_next(word, flags):
                    yield from (value for value in [next(rest, None)] if value is not None)
        if words:
            yield from (FLAG, "".join(f"{word}{_AFTER}" for word in words))


def _takes_next(word: str, flags: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the next word is the value of a flag, and so no task and no word of one."""
    return any(word in known and known[word].takes_value for known in flags)


def adopt(program: Fab) -> None:
    """Give the running `fab` our parser and help."""
    if type(program) is Fab:
        program.__class__ = TakingFab


def split(words: str | Sequence[str] | None) -> list[str]:
    """The words that a task was given: on the command line, or by Python code as one text or several."""
    if isinstance(words, str):
        return words.split(_AFTER)[:-1] if _AFTER in words else [words] if words else []
    return list(words or ())
