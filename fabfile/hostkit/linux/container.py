"""Whether this host is a container, which shares its kernel, clock and swap with the machine around it."""

from __future__ import annotations

import os

from . import filesystem


def container() -> str | None:
    """What kind of container this host is, such as "systemd-nspawn"; None for a machine with a kernel of its own."""
    # systemd writes it at boot; it is what `systemd-detect-virt --container` says.
    kind = filesystem.read("/run/systemd/container")
    if kind is not None:
        return kind.decode("ascii", "replace").strip() or "container"
    return "openvz" if os.path.exists("/proc/vz") and not os.path.exists("/proc/bc") else None
