"""nginx's serving worker processes."""

from __future__ import annotations

import contextlib
from pathlib import Path

PID_FILE = "/run/nginx.pid"


def workers(pid_file: str = PID_FILE, processes: str = "/proc") -> frozenset[int]:
    """Return the process ids of workers that accept connections, without those that finish after a reload."""
    try:
        master = int(Path(pid_file).read_text())
    except (FileNotFoundError, ValueError):
        return frozenset()
    found = set()
    for folder in Path(processes).glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").strip()
            # State and parent come after the name in brackets, which may contain anything.
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if title == b"nginx: worker process" and int(parent) == master:
                found.add(int(folder.name))
    return frozenset(found)
