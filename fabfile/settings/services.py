"""Settings of the services that an app uses, and their options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationError, ValidationInfo

from . import values as kind
from .context import NO_CONTEXT
from .kinds import MappingOf, Model, UnexpectedError

EXPECTED = "a list of services such as [postgres, redis], or a mapping such as {postgres: {extensions: [postgis]}}"
# Other names of services.
_MEANT = {"postgresql": "postgres", "pg": "postgres", "mariadb": "mysql", "memcache": "memcached"}


class ServiceOptions(Model):
    """Options that every service has."""

    role: kind.RoleName | None = Field(
        None,
        description="Role of the host that runs the service. Default: `db` or `cache`; without such a host, the host "
        "of the app.",
    )


def _as_mapping(value: Any) -> Any:
    """Expand a list of names to a mapping."""
    if not isinstance(value, list | tuple):
        return value
    names = [str(name) for name in value]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UnexpectedError("each service once", found=f"{twice!r} twice")
    return dict.fromkeys(names)


def _services(value: Mapping[Any, Any], info: ValidationInfo) -> dict[str, ServiceOptions]:
    """Validate each service and its options.

    :raises UnexpectedError: the service is unknown, or an option is invalid.
    """
    kinds = (info.context or NO_CONTEXT).services()
    return {str(name): _options(str(name), options, kinds) for name, options in value.items()}


def _options(name: str, value: Any, kinds: Mapping[str, type[ServiceOptions]]) -> ServiceOptions:
    if name not in kinds:
        near = _MEANT.get(name.lower()) or next(iter(difflib.get_close_matches(name.lower(), kinds, n=1)), None)
        hint = f"did you mean {near}?" if near else ""
        raise UnexpectedError(f"one of: {', '.join(kinds)}", hint, found=f"the service {name!r}")
    model = kinds[name]
    if isinstance(value, ServiceOptions):
        return value
    if value is not None and not isinstance(value, Mapping):
        raise UnexpectedError("a mapping", found=f"{value!r} for {name}", hint=f"write `{name}: {{}}`")
    try:
        return model.model_validate(value or {})
    except ValidationError as error:
        raise _problem(name, model, error) from None


def _problem(name: str, model: type[ServiceOptions], error: ValidationError) -> UnexpectedError:
    """Describe the first problem of a service's options."""
    detail = error.errors(include_url=False)[0]
    key = ".".join([name, *(str(part) for part in detail["loc"])])
    if detail["type"] == "extra_forbidden":
        keys = list(model.model_fields)
        near = difflib.get_close_matches(str(detail["loc"][-1]), keys, n=1)
        return UnexpectedError(f"one of: {', '.join(keys)}", f"did you mean {near[0]}?" if near else "", f"`{key}`")
    cause = detail.get("ctx", {}).get("error")
    if not isinstance(cause, UnexpectedError):
        cause = UnexpectedError(str(detail["msg"]))
    return UnexpectedError(cause.expected, cause.hint, f"{cause.found or repr(detail['input'])} for `{key}`")


Services = Annotated[
    dict[str, ServiceOptions],
    PlainValidator(_services),
    PlainSerializer(lambda found: {name: each.model_dump(mode="json") for name, each in found.items()}),
    MappingOf(EXPECTED),
    BeforeValidator(_as_mapping),
]
