"""Disposable local VPSes: full Debian/Ubuntu hosts on this machine, ready in seconds.

    from hostsmith.sandbox import Sandbox, lookup

    host, = Sandbox(Path.cwd()).up()            # sandbox-1, at its own address
    target = lookup(Path.cwd(), "sandbox-1")    # how to reach it over SSH, host key known

A host is a systemd-nspawn machine with systemd and sshd, on an overlay of a base that debootstrap made once. It shares
this machine's kernel and does not contain hostile code: it stands in for a server in rehearsals and tests.

`lookup` reads one small file and needs no root. Importing this package is cheap: names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lifecycle import Sandbox, abandoned, remove_unused_bases
    from .store import SandboxHost, SshTarget, lookup

__all__ = ["Sandbox", "SandboxHost", "SshTarget", "abandoned", "lookup", "remove_unused_bases"]


def __getattr__(name: str) -> Any:
    if name in ("Sandbox", "abandoned", "remove_unused_bases"):
        from . import lifecycle

        return getattr(lifecycle, name)
    if name in __all__:
        from . import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
