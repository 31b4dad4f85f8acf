"""Count of the files that a `fab` command passes through, and of hops.

    python scripts/hops.py deploy

A hop is a call, or a return, that leaves one file of the library for another; each is counted once however often it is
taken. Code that travels to the host runs there and is not counted.
"""

from __future__ import annotations

import atexit
import inspect
import sys
import threading
from types import FrameType
from typing import Any

import hostsmith
from fabric.main import program

ROOT = hostsmith.__path__[0]
calls: set[tuple[str, str]] = set()
returns: set[tuple[str, str]] = set()
files: set[str] = set()


def watch(frame: FrameType, event: str, argument: Any) -> None:
    """Note where a call comes from, and where a return goes to: the nearest function of the library below it."""
    here = frame.f_code.co_filename
    is_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED  # and not the body of a module or a class
    if event not in ("call", "return") or not here.startswith(ROOT) or not is_function:
        return
    files.add(here)
    caller = frame.f_back
    while caller is not None and not caller.f_code.co_filename.startswith(ROOT):
        caller = caller.f_back
    if caller is not None and caller.f_code.co_filename != here:
        (calls if event == "call" else returns).add((caller.f_code.co_filename, here))


def report() -> None:
    """Print the figures."""
    sys.setprofile(None)
    sys.stderr.write(f"{len(files)} files, {len(calls)} calls and {len(returns)} returns between them\n")


atexit.register(report)
threading.setprofile(watch)
sys.setprofile(watch)
program.run(["fab", *sys.argv[1:]])
