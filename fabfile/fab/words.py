"""Words on fab's command line that belong to a task without a flag, however many: `fab config.set A=1 B=2 --role web`.

Invoke knows a fixed number of them, and takes the next for another task. So before it looks, the words of such a task
are made the value of one flag. The task takes all that follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabric.main import Fab
from invoke.parser import Parser

# What no word can contain.
_BETWEEN = "\0"


class TakingFab(Fab):  # type: ignore[misc]
    """A `fab` some of whose tasks take words."""

    def _make_parser(self) -> Parser:
        parser: Parser = super()._make_parser()
        # A new one would copy the flags of all tasks again.
        parser.__class__ = TakingParser
        return parser


class TakingParser(Parser):
    """Makes the words of a task the value of its flag `--words`."""

    def parse_argv(self, argv: list[str]) -> Any:
        return super().parse_argv(list(self._gathered(argv)))

    def _gathered(self, argv: list[str]) -> Iterator[str]:
        """The same, with the words of a task as the value of its flag `--words`."""
        rest = iter(argv)
        for word in rest:
            yield word
            if word in self.contexts and "--words" in self.contexts[word].flags:
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
            yield from ("--words", _BETWEEN.join(words))


def adopt(program: Fab) -> None:
    """Have the running `fab` use our parser."""
    if type(program) is Fab:
        program.__class__ = TakingFab


def split(words: str) -> list[str]:
    """The words that a task was given."""
    return words.split(_BETWEEN) if words else []
