"""JSON form of resources: dataclasses by module and class, field by field."""

from __future__ import annotations

import base64
import dataclasses
import importlib
from typing import Any

from . import redact
from .base import ResourceError
from .secret import Secret

# In a checkout the library is loaded by the name "fabfile"; on the wire and on the host it has one name.
CANONICAL = "hostsmith"
_HERE = __name__.split(".")[0]
# Hosts keep the names of classes, in the journal and in what is owed. Version 0.1.0 had all resources in one folder and
# what they stand on beside the agent; where these modules are now. An entry stays for as long as a host may hold its
# name: `tests/unit/test_takeover.py` loads what each earlier version has written.
_MOVED = {
    f"resources.{name}": f"resources.{folder}.{name}"
    for folder, names in {
        "front": "balancer certificate nginx",
        "hardening": "clock firewall sshd swap sysctl",
        "release": "assets backed_up django drained environment live maintenance release release_command restarted "
        "restored scaled settled singletons",
        "services": "mariadb port postgres",
    }.items()
    for name in names.split()
} | {
    "resources.base": "contract.base",
    "resources.kept": "resources.services.password",
    "resources.secret": "contract.secret",
    # Parts of resources: a release that goes back has its health check with it.
    **{f"agent.{name}": f"hostkit.app.{name}" for name in ("health", "layout", "variables")},
}


def dump(value: Any) -> Any:
    """A value as what JSON can hold.

    :raises TypeError: the value is of a kind that does not travel.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        redact.remember(value)
        return {"$secret": value.reveal()}
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, tuple):
        return {"$tuple": [dump(item) for item in value]}
    if isinstance(value, list):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {"$dict": [[dump(key), dump(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: dump(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"$type": type_name(type(value)), "fields": fields}
    raise TypeError(f"{value!r} cannot be sent to a host: expected text, numbers, lists, mappings or resources")


def type_name(cls: type) -> str:
    """Where a class is found on the host: "module:Class"."""
    package, _, rest = cls.__module__.partition(".")
    module = f"{CANONICAL}.{rest}" if package == _HERE and rest else cls.__module__
    return f"{module}:{cls.__qualname__}"


def load(data: Any) -> Any:
    """The value that `dump` was given.

    :raises ResourceError: it was given none, or one of a class that is not here.
    """
    try:
        return _load(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ResourceError(f"found what cannot have been sent to a host: {type(error).__name__}: {error}") from error


def load_kept(data: Any) -> Any:
    """Load a value that a host has kept since an earlier version: fields that were added have their defaults.

    :raises ResourceError: it cannot have been one, or its class is missing.
    """
    return load(_completed(data))


def _completed(data: Any) -> Any:
    if isinstance(data, list):
        return [_completed(item) for item in data]
    if not isinstance(data, dict):
        return data
    if data.keys() != {"$type", "fields"}:
        return {key: _completed(item) for key, item in data.items()}
    fields = {key: _completed(item) for key, item in data["fields"].items()}
    for field in dataclasses.fields(_class(data["$type"])):
        if field.name not in fields and field.default is not dataclasses.MISSING:
            fields[field.name] = dump(field.default)
    return {"$type": data["$type"], "fields": fields}


def _load(data: Any) -> Any:
    if isinstance(data, list):
        return [_load(item) for item in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {"$type", "fields"}:
        return _instance(data["$type"], data["fields"])
    ((kind, content),) = data.items()
    if kind == "$dict":
        return {_load(key): _load(item) for key, item in content}
    if kind == "$tuple":
        return tuple(_load(item) for item in content)
    if kind == "$bytes":
        return base64.b64decode(content, validate=True)
    if kind == "$secret":
        secret = Secret(content)
        redact.remember(secret)
        return secret
    raise ValueError(f"unknown kind {kind!r}")


def _instance(name: str, fields: dict[str, Any]) -> Any:
    """An instance of a dataclass with these fields; its own __init__ has done its work before it was sent."""
    cls = _class(name)
    known = {field.name for field in dataclasses.fields(cls)}
    # Between two versions of the code, such as when a handler has been owed since before an upgrade.
    if known != set(fields):
        raise ResourceError(f"the host cannot load {name}: found {sorted(fields)}, expected {sorted(known)}")
    instance = object.__new__(cls)
    for key, value in fields.items():
        object.__setattr__(instance, key, _load(value))
    return instance


def _class(name: str) -> Any:
    """The dataclass of a name, see `type_name`, also of one that it had in an earlier version."""
    module, _, qualname = name.partition(":")
    package, _, rest = module.partition(".")
    if package == CANONICAL:
        module = f"{_HERE}.{_MOVED.get(rest, rest)}"
    try:
        cls = getattr(importlib.import_module(module), qualname)
        dataclasses.fields(cls)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ResourceError(f"the host cannot load {name}: {error}") from error
    return cls
