"""Fabric's configuration object, adapted to our keys.

Fabric reads the files and merges them. Three errors would end in a traceback before a task starts, so the running
program's configuration gets a class that reports them:

- a file that cannot be read, is not a YAML mapping, or has keys that are not text;
- two files of which one has a mapping where the other has a single value;
- a `FABRIC_*` variable for a list, or without a number where the file has one: Fabric converts it to the type of the
  value it replaces. `environment.py` reads our variables by the schema.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import fabric
from invoke.config import AmbiguousMergeError
from invoke.env import Environment
from invoke.exceptions import UnknownFileType
from invoke.util import yaml  # type: ignore[attr-defined]

from ..errors import SettingsError
from ..openssh.host import listed

if TYPE_CHECKING:
    from fabric.main import Fab
    from paramiko import SSHConfig


@dataclass(frozen=True)
class Layer:
    """A place that configuration comes from.

    :param label: its name in messages: the file as the user knows it.
    """

    label: str
    data: Mapping[Any, Any]


def layers(config: fabric.Config) -> list[Layer]:
    """List the layers of the configuration, weakest first, without Fabric's defaults and the environment."""
    found = [
        ("the fabfile's configure()", config._collection),
        (shown(config._system_path), config._system),
        (shown(config._user_path), config._user),
        (shown(config._project_path), config._project),
        (shown(config._runtime_path), config._runtime),
        ("the command line", config._overrides),
        ("the fabfile", config._modifications),
    ]
    return [Layer(label, data) for label, data in found if data]


def project_folder(config: fabric.Config) -> Path:
    """Find the folder of the fabfile, where Fabric reads `fabric.yaml`; outside of `fab`, the working folder."""
    return Path(config._project_prefix or Path.cwd()).absolute()


def shown(path: str | None) -> str:
    """Shorten a path as seen from the working folder."""
    return min((os.path.relpath(path), str(path)), key=len) if path else ""


def running_program() -> Fab | None:
    """Find the `fab` program of this process, once it has read its command line; None without one."""
    main = sys.modules.get("fabric.main")
    program = main.program if main else None
    return program if hasattr(program, "config") and hasattr(program, "core") else None


def adopt(program: Fab) -> None:
    """Give the running program's configuration our class."""
    if type(program.config) is fabric.Config:
        program.config.__class__ = ProjectConfig
        _expand_hosts(program)


def _expand_hosts(program: Fab) -> None:
    """Expand the host patterns of `-H` before Fabric reads them.

    :raises UsageError: a pattern is invalid, or there is no host.
    """
    argument = program.core[0].args.hosts
    if argument.value is not None:
        argument.value = ",".join(listed(argument.value, "-H"))


class ProjectConfig(fabric.Config):  # type: ignore[misc]
    """Fabric's configuration with one-line errors for invalid files, and hosts as ssh sees them."""

    @property
    def base_ssh_config(self) -> SSHConfig:
        from ..openssh.client import WholeConfig

        return WholeConfig(self, self.__dict__["base_ssh_config"])

    @base_ssh_config.setter
    def base_ssh_config(self, read: SSHConfig) -> None:
        self.__dict__["base_ssh_config"] = read

    def merge(self) -> None:
        try:
            super().merge()
        except AmbiguousMergeError:
            # Fabric's own message shows the values, which may be secret.
            levels = [Layer("Fabric's defaults", self._defaults), *layers(self)]
            raise SettingsError(_clash(levels)) from None

    def load_shell_env(self) -> None:
        """Let Fabric fill its own keys, and those of `configure()` in the fabfile, from the environment."""
        self.merge()
        theirs = {*self.global_defaults(), *self._collection}
        known = {key: value for key, value in self._config.items() if key in theirs}
        self._set(_env=Environment(config=cast(Any, known), prefix=self._env_prefix).load())
        self.merge()

    def _load_file(self, prefix: str, absolute: bool = False, merge: bool = True) -> None:
        try:
            super()._load_file(prefix, absolute=absolute, merge=merge)
        except UnknownFileType:
            path = getattr(self, f"_{prefix}_path")
            raise SettingsError(
                f"{path}: Fabric cannot read this kind of file, expected .yaml, .yml, .json or .py"
            ) from None

    def _load_yaml(self, path: str) -> Any:
        return _read_mapping(path, super()._load_yaml)

    _load_yml = _load_yaml

    def _load_json(self, path: str) -> Any:
        return _read_mapping(path, super()._load_json)


def _read_mapping(path: str, read: Callable[[str], Any]) -> Any:
    try:
        data = finite(read(path))
    except FileNotFoundError:
        raise  # Fabric tries the next name
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown line"
        # PyYAML quotes aliases and tags, which may be a secret that begins with * or ! and lacks quotes.
        problem = re.sub(r"\b(alias|tag) .*", r"\1; put a text that begins with * or ! in quotes", error.problem or "")
        raise SettingsError(f"{shown(path)}: {place}: invalid YAML: {problem}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SettingsError(f"{shown(path)}: {place}: invalid JSON: {error.msg}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"{shown(path)}: not UTF-8 text, expected YAML") from None
    except OSError as error:
        raise SettingsError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError:
        # PyYAML raises ValueError for texts that only look like a number or a date, such as 0x_ or 2026-13-45.
        raise SettingsError(
            f"{shown(path)}: found a text that looks like a number or a date but is not valid; put it in quotes"
        ) from None
    except RecursionError:
        raise SettingsError(f"{shown(path)}: the lists or mappings are nested too deeply") from None
    if data is not None and not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise SettingsError(f"{shown(path)}: found {kind}, expected keys with values, such as `app: blog`")
    odd = [key for key in data or () if not isinstance(key, str)]
    if odd:
        raise SettingsError(f"{shown(path)}: found the key {odd[0]!r}, expected a text; put it in quotes")
    return data


def finite(data: Any) -> Any:
    """Refuse data without an end: in YAML a mapping can contain itself, by its anchor.

    :raises RecursionError: the data contains itself.
    """

    def visit(value: Any, above: tuple[int, ...]) -> None:
        if id(value) in above:
            raise RecursionError
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for one in inner:
            visit(one, (*above, id(value)))

    visit(data, ())
    return data


def _clash(found: list[Layer]) -> str:
    """Describe the first key that is a mapping in one file and a single value in another."""
    seen: dict[tuple[Any, ...], tuple[str, bool]] = {}
    for layer in found:
        for path, is_mapping in _walk(layer.data, ()):
            other, other_is_mapping = seen.setdefault(path, (layer.label, is_mapping))
            if is_mapping != other_is_mapping:
                names = ("a mapping", "a single value") if is_mapping else ("a single value", "a mapping")
                key = ".".join(map(str, path))
                return f"{layer.label}: {key}: found {names[0]}, expected {names[1]} as in {other}"
    return "one file has a mapping where another has a single value"


def _walk(data: Mapping[Any, Any], at: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], bool]]:
    """List every path in nested mappings, and whether its value is a mapping."""
    paths = []
    for key, value in data.items():
        is_mapping = isinstance(value, dict)
        paths.append(((*at, key), is_mapping))
        if is_mapping:
            paths += _walk(value, (*at, key))
    return paths
