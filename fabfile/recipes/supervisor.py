"""supervisord, which runs the apps' processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resources import Package, Resource, Service

if TYPE_CHECKING:
    from ..settings import Settings


def supervisor(settings: Settings) -> list[Resource]:
    """Install supervisord from Debian's package, running now and after a reboot."""
    return [Package("supervisor"), Service("supervisor")]
