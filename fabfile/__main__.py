"""The program `hostsmith`, for `hostsmith init` in a folder without a fabfile."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from invoke.collection import Collection
from invoke.program import Program

from ._version import __version__
from .tasks.collection import ns
from .tasks.init import init

_PROGRAM = "hostsmith"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program; all but the first step of a project is `fab`'s."""
    words = list(sys.argv if argv is None else argv)
    task = next((word for word in words[1:] if not word.startswith("-")), None)
    if task is not None and task != "init" and task in ns.task_names:
        sys.stderr.write(f"found `{_PROGRAM} {task}`, expected `fab {task}`: {_PROGRAM} itself has `init` alone\n")
        sys.exit(2)
    program = Program(version=__version__, namespace=Collection(init), name=_PROGRAM, binary=_PROGRAM)
    program.run([_PROGRAM, *(words[1:] or ["--help"])])


if __name__ == "__main__":
    main()
