"""Detection of containers, which share kernel, clock and swap with their machine."""

from __future__ import annotations

import os

from . import filesystem


def container() -> str | None:
    """Name the kind of container, such as "systemd-nspawn"; None for a machine with its own kernel."""
    # systemd writes it at boot; `systemd-detect-virt --container` prints it.
    kind = filesystem.read("/run/systemd/container")
    if kind is not None:
        return kind.decode("ascii", "replace").strip() or "container"
    return "openvz" if os.path.exists("/proc/vz") and not os.path.exists("/proc/bc") else None
