"""Disposable local VPSes: full systemd + sshd Debian/Ubuntu hosts on this machine, each up in a second or two.

    from hostsmith.sandbox import Sandbox, lookup

    host, = Sandbox(Path.cwd()).up()            # sandbox-1, at an address of its own
    target = lookup(Path.cwd(), "sandbox-1")    # how to reach it over SSH, host key known

A host is a systemd-nspawn machine on an overlay of a base made once by debootstrap. It shares this machine's kernel
and is no boundary against hostile code: it stands in for a server, for rehearsals and tests.

`lookup` reads one small file, needs no root, and importing this package stays cheap: each name is loaded when it is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lifecycle import Sandbox, abandoned, remove_unused_bases
    from .store import Host, SshTarget, lookup

__all__ = ["Host", "Sandbox", "SshTarget", "abandoned", "lookup", "remove_unused_bases"]


def __getattr__(name: str) -> Any:
    if name in ("Sandbox", "abandoned", "remove_unused_bases"):
        from . import lifecycle

        return getattr(lifecycle, name)
    if name in __all__:
        from . import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
