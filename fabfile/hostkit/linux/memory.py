"""Memory size of the host, for the tuning of services."""

from __future__ import annotations

import re

from . import filesystem

_MEMINFO = "/proc/meminfo"
# The limit of a container (cgroup v2).
_LIMIT = "/sys/fs/cgroup/memory.max"


def total(meminfo: str = _MEMINFO, limit: str = _LIMIT) -> int:
    """Return the bytes of memory that the host has, or may use."""
    found = re.search(rb"^MemTotal:\s+(\d+) kB", filesystem.read(meminfo) or b"", re.MULTILINE)
    whole = int(found[1]) * 1024 if found else 1 << 30
    allowed = (filesystem.read(limit) or b"max").strip()
    return min(whole, int(allowed)) if allowed.isdigit() else whole
