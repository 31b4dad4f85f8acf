"""Resources that stand for others, which are made of them here, before they are sent to a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..contract.base import Change, Resource, ResourceError


@dataclass(frozen=True)
class Rendered(Resource):
    """A resource that stands for another one, which is made of it before it is sent to a host."""

    def check(self) -> Change | None:
        raise ResourceError(f"{self.describe()} has not been rendered, as it is before it is sent to a host")

    def render(self, project: Path, host: str) -> Resource:
        """The resource that it stands for.

        :param project: the project folder, which may hold templates and other files.
        :param host: the host as the user wrote it.
        :raises SettingsError: a file is missing, or is not as it must be.
        """
        raise NotImplementedError


def rendered(resources: Sequence[Resource], project: Path, host: str) -> list[Resource]:
    """The resources with all that is to be rendered, also what others are made of, replaced by what it stands for."""
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
