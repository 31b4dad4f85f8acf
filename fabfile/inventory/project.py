"""Settings of a project, validated with its services and sandbox hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..openssh.host import machines_of
from ..settings.load import bare_settings, project_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fabric import Config
    from invoke.context import Context

    from ..settings import Settings
    from ..settings.context import ValidationContext
    from ..settings.services import ServiceOptions


def load(c: Context) -> Settings:
    """Read the settings of the project that a task runs in, with the processes of its Procfile.

    The Procfile is that of the source when this is a local folder, else that of the project folder.

    :raises SettingsError: all problems, a line each.
    """
    return project_settings(c.config, _context(c.config))


def load_settings(config: Config) -> Settings:
    """Read the settings alone, without source and Procfile: enough to know the hosts.

    :raises SettingsError: all problems, a line each.
    """
    return bare_settings(config, _context(config))


def _context(config: Config) -> ValidationContext:
    from ..settings.context import ValidationContext

    return ValidationContext(machines_of(config), service_options, in_sandbox)


def service_options() -> Mapping[str, type[ServiceOptions]]:
    """Return the options of each registered service: hostsmith's and the project's."""
    from ..services.registry import known

    return {name: kind.Options for name, kind in known().items()}


def in_sandbox(project: Path, name: str) -> bool:
    """Whether a host is in the project's sandbox."""
    from ..sandbox import lookup

    return lookup(project, name) is not None


def settings_of(**values: object) -> Settings:
    """Validate settings without a file, for instance in a test of a recipe.

    Hosts are taken as written, without `~/.ssh/config`.

    :raises pydantic.ValidationError: a value is invalid.

    >>> settings_of(app="blog", services=["postgres"]).app
    'blog'
    """
    from ..settings import Settings
    from ..settings.context import ValidationContext

    context = ValidationContext(services=service_options, in_sandbox=in_sandbox)
    return Settings.model_validate(values, context=context)
