"""Base packages of every host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings

BASE_PACKAGES = ("ca-certificates", "git", "logrotate", "openssh-client", "rsync")


def system(settings: Settings) -> list[Resource]:
    """Install the base packages, and those of the setting `packages`."""
    return [Package(*BASE_PACKAGES, *settings.packages)]
