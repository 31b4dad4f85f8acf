"""supervisord, which keeps the apps' processes running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resources import Package, Resource, Service

if TYPE_CHECKING:
    from ..settings import Settings


def supervisor(settings: Settings) -> list[Resource]:
    """supervisord as Debian packages it, running now and after a reboot."""
    return [Package("supervisor"), Service("supervisor")]
