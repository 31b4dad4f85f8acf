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


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is of a function of the library, and not of the body of a module or a class."""
    return frame.f_code.co_filename.startswith(ROOT) and bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)


def watch(frame: FrameType, event: str, argument: Any) -> None:
    """Note where a call comes from, and where a return goes to: the nearest function of the library below it."""
    here = frame.f_code.co_filename
    if event not in ("call", "return") or not is_ours(frame):
        return
    files.add(here)
    caller = frame.f_back
    while caller is not None and not is_ours(caller):
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
