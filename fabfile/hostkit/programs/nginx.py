"""nginx's processes: which workers serve."""

from __future__ import annotations

import contextlib
from pathlib import Path

PID_FILE = "/run/nginx.pid"


def workers(pid_file: str = PID_FILE, processes: str = "/proc") -> frozenset[int]:
    """Process ids of the workers that take new connections; those of before a reload, which finish, are none."""
    try:
        master = int(Path(pid_file).read_text())
    except (FileNotFoundError, ValueError):
        return frozenset()
    found = set()
    for folder in Path(processes).glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").strip()
            # After the name in brackets, which may hold anything: the state and the parent.
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if title == b"nginx: worker process" and int(parent) == master:
                found.add(int(folder.name))
    return frozenset(found)
