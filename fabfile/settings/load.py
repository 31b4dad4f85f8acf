"""From Fabric's configuration, the environment and the Procfile to valid settings, or one error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.config import copy_dict

from ..errors import SettingsError
from .context import NO_CONTEXT, ValidationContext
from .fabric_config import layers, project_folder, running_program, shown
from .procfile import load_procfile

if TYPE_CHECKING:
    from fabric import Config
    from invoke.collection import Collection

    from .problems import Whereabouts
    from .project import Settings


def project_settings(config: Config, context: ValidationContext = NO_CONTEXT) -> Settings:
    """Read the settings of a project, with the processes of its Procfile.

    :raises SettingsError: all problems, a line each.
    """
    found = _read(config, context)
    from .processes import require_commands

    procfile, problems = _procfile(found)
    settings = _valid(found, problems).placed(found.project, procfile)
    if "web" not in settings.processes:
        raise SettingsError(_no_web(settings, found.whereabouts.default))
    require_commands(settings.processes, found.whereabouts.of(["processes"]), _shown_procfile(settings))
    return settings


def bare_settings(config: Config, context: ValidationContext = NO_CONTEXT) -> Settings:
    """Read the settings alone, without source and Procfile.

    :raises SettingsError: all problems, a line each.
    """
    found = _read(config, context)
    return _valid(found, []).placed(found.project, {})


@dataclass(frozen=True)
class _Found:
    """Settings or problems, or both if the problems are about other keys."""

    project: Path
    data: Mapping[str, Any]
    settings: Settings | None
    problems: list[str]
    whereabouts: Whereabouts


def _valid(found: _Found, problems: list[str]) -> Settings:
    if found.settings is None or found.problems or problems:
        raise SettingsError("\n".join(found.problems + problems))
    return found.settings


def _read(config: Config, context: ValidationContext) -> _Found:
    from pydantic import ValidationError

    from . import environment
    from .problems import Whereabouts, explain, unknown_key
    from .project import Settings
    from .values import app_name_like

    _check_runtime_file(config)
    project = project_folder(config)
    overlay = environment.read(os.environ)
    whereabouts = Whereabouts(layers(config), overlay, _file_to_write(config))
    given = {key: value for key, value in config._config.items() if value is not None}
    ours = copy_dict({key: value for key, value in given.items() if key in Settings.model_fields})
    overlay.over(ours)
    theirs = {*config.global_defaults(), *_configured_keys(config)}
    problems = overlay.problems + [
        unknown_key(key, whereabouts.of([key]), theirs)
        for key in given
        if key not in ours and key not in theirs and not str(key).startswith("x-")
    ]
    settings = None
    try:
        settings = Settings.model_validate(ours, context=context)
    except ValidationError as error:
        problems += explain(error, whereabouts, app_name_like(project.name) or "blog")
    return _Found(project, ours, settings, problems, whereabouts)


def _check_runtime_file(config: Config) -> None:
    """Refuse a missing `-f` file, which Fabric would silently ignore, and use the settings of another stage."""
    path = config._runtime_path
    if path and not Path(path).expanduser().exists():
        raise SettingsError(f"{path}: the settings file of -f is missing")


def _file_to_write(config: Config) -> str:
    """Name the file for a missing key; without a project file Fabric claims an empty `fabric.py`."""
    path = config._project_path
    if path and Path(path).exists():
        return shown(path)
    return shown(str(Path(config._project_prefix or "", "fabric.yaml"))) + " (no such file yet)"


def _configured_keys(config: Config) -> set[str]:
    """List the keys of the user's tasks: those given to `configure()` in the fabfile."""
    program = running_program()
    keys = set(config._collection)
    return keys | _keys_below(program.collection) if program and hasattr(program, "collection") else keys


def _keys_below(collection: Collection) -> set[str]:
    below = (_keys_below(other) for other in collection.collections.values())
    return set(collection._configuration).union(*below)


def _procfile(found: _Found) -> tuple[dict[str, str], list[str]]:
    """Read the Procfile's processes, and the problems of it or of a local source."""
    from .problems import value_text
    from .values import SOURCE, is_git_url

    source = found.data.get("source", ".")
    folder = found.project
    if isinstance(source, str) and not is_git_url(source):
        try:
            folder = found.project / Path(source).expanduser()
            is_folder = folder.is_dir()
        except (RuntimeError, OSError):  # an unknown ~user; an invalid file name
            is_folder = False
        if not is_folder:
            where = found.whereabouts.of(["source"])
            missing = f"which is not a folder relative to {found.project}"
            return {}, [f"{where}: source: found {value_text(source)}, {missing}; expected {SOURCE}"]
    try:
        return load_procfile(folder), []
    except SettingsError as error:
        return {}, [str(error)]


def _no_web(settings: Settings, file: str) -> str:
    return (
        f"{file}: processes: there is no process `web`, neither here nor in {_shown_procfile(settings)}; "
        "expected the command that serves the site, such as `processes: {web: gunicorn app:app}`"
    )


def _shown_procfile(settings: Settings) -> str:
    folder = settings.source_folder if settings.source_is_local else settings.project
    return shown(str(folder / "Procfile"))
