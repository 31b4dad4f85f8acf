"""Resources that are rendered to others before they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..contract.base import Change, Resource, ResourceError


@dataclass(frozen=True)
class Rendered(Resource):
    """A resource that is rendered to another one before it is sent to a host."""

    def check(self) -> Change | None:
        raise ResourceError(f"{self.describe()} must be rendered before it is sent to a host")

    def render(self, project: Path, host: str) -> Resource:
        """Render the resource.

        :param project: the project folder, which may have templates and other files.
        :param host: the host as the user wrote it.
        :raises SettingsError: a file is missing or invalid.
        """
        raise NotImplementedError


def rendered(resources: Sequence[Resource], project: Path, host: str) -> list[Resource]:
    """Render all resources that need it, also those within other resources."""
    return [_rendered(resource, project, host) for resource in resources]


def _rendered(resource: Resource, project: Path, host: str) -> Resource:
    if isinstance(resource, Rendered):
        return resource.render(project, host)
    parts: dict[str, Any] = {}
    for part in fields(resource):
        value = getattr(resource, part.name)
        if isinstance(value, Resource):
            parts[part.name] = _rendered(value, project, host)
        elif isinstance(value, tuple) and value and all(isinstance(item, Resource) for item in value):
            parts[part.name] = tuple(rendered(value, project, host))
    return replace(resource, **parts) if parts else resource
