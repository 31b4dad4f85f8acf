"""What every host gets, whatever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings

BASE_PACKAGES = ("ca-certificates", "git", "logrotate", "openssh-client", "rsync")


def system(settings: Settings) -> list[Resource]:
    """Base packages, and those that the project asks for."""
    return [Package(*BASE_PACKAGES, *settings.packages)]
