"""Variables of a new release, from the settings and from the hosts.

Weakest first: variables of the framework, of services, `environment` of the settings, the encrypted file,
`FABRIC_ENVIRONMENT_<NAME>`, and the values of `fab config.set`.
"""

from __future__ import annotations

import os
import re
import secrets
import string
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..connection import requests
from ..connection.requests import Request
from ..contract.events import Event
from ..contract.secret import Secret
from ..hostkit.app.layout import Record
from ..hostkit.app.variables import Variable, Variables
from . import django
from .secret_file import NAME
from .secret_key import find_key, output_of, secret_file

if TYPE_CHECKING:
    from ..settings import Settings

GENERATED = "generated"
_SETTINGS, _SHELL, _COMMAND = "settings", "environment", "command"
_ALPHABET = string.ascii_letters + string.digits
# Names of variables with secret values, and values that are not secret, such as `production`, `blog.settings` or
# `/srv/blog/shared`: "No module named '***'" would help nobody.
_SECRET_NAME = re.compile(r"key|secret|token|pass|pwd|auth|credential|private|salt|dsn|cookie|url|uri", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[a-z_]+(\.[a-z_]+)*|(/[a-z_.]+)+/?|[0-9]{1,6}")


@dataclass(frozen=True)
class Given:
    """Variables of the settings, as far as they are known without the hosts.

    :param generated: lengths of the generated values, which hosts keep or which do not exist yet.
    """

    known: Mapping[str, Variable]
    generated: Mapping[str, int] = field(default_factory=dict)

    def over(self, weaker: Mapping[str, Variable]) -> Given:
        """Merge them over weaker ones."""
        beneath = {name: each for name, each in weaker.items() if name not in self.generated}
        return replace(self, known={**beneath, **self.known})


def given(settings: Settings, without: Container[str] = ()) -> Given:
    """Read the encrypted file and run the commands that print secrets.

    Call it before anything is locked, since a command may ask for a password.

    :param without: variables that are not needed.
    :raises SecretsError: the key is missing, or a command fails.
    """
    # It loads pydantic, which `fab --list` does not need.
    from ..settings.secrets import FromCommand, Generated

    known: dict[str, Variable] = {}
    lengths: dict[str, int] = {}
    file = secret_file(settings)
    needed = file.exists and not (without and all(name in without for name in file.names()))
    encrypted = file.read(find_key(settings)) if needed else {}
    for name, value in settings.environment.items():
        if name in without or (name in encrypted and not _is_of_shell(name)):
            continue
        if isinstance(value, Generated):
            lengths[name] = value.length
        elif isinstance(value, FromCommand):
            known[name] = Variable(output_of(value, f"environment.{name}"), _COMMAND)
        else:
            known[name] = _literal(name, value)
    known.update({name: Variable(value, NAME) for name, value in encrypted.items() if name not in known})
    if settings.is_django:
        own = {*known, *lengths}
        known.update({n: Variable(v, "django") for n, v in django.variables(settings).items() if n not in own})
        if django.SECRET_KEY not in own and django.SECRET_KEY not in without:
            lengths[django.SECRET_KEY] = django.SECRET_KEY_LENGTH
    return Given(known, lengths)


def _literal(name: str, value: Secret) -> Variable:
    if _is_of_shell(name):
        return Variable(value, _SHELL)
    text = value.reveal()
    plain = _PLAIN_VALUE.fullmatch(text) and not _SECRET_NAME.search(name)
    return Variable(text if plain else value, _SETTINGS)


def _is_of_shell(name: str) -> bool:
    return f"FABRIC_ENVIRONMENT_{name}" in os.environ


@dataclass(frozen=True)
class Kept:
    """Variables and releases on a host.

    :param label: name of the host.
    :param live: its live release; None before the first deploy.
    :param bad: ids of releases that were rolled back.
    :param variables: variables of the live release.
    :param generated: generated values of the app.
    """

    label: str
    live: Record | None
    bad: frozenset[str]
    variables: Variables
    generated: Mapping[str, Secret]


def kept(app: str) -> Request[Kept]:
    """Make the request for the variables on a host."""
    question = requests.ask("kept_variables", app=app)

    def read(host: str, done: Event) -> Kept:
        answer: dict[str, Any] = question.read(host, done)
        return Kept(
            host,
            Record(**answer["live"]) if answer["live"] else None,
            frozenset(answer["bad"]),
            Variables.from_json(answer["variables"]) if answer["variables"] else Variables(),
            {name: Secret(value) for name, value in answer["generated"].items()},
        )

    return Request(question.frame, read)


@dataclass(frozen=True)
class Wanted:
    """Variables of a new release, the same on each host.

    :param generated: all generated values, for the hosts to keep.
    :param remarks: differences between hosts.
    """

    variables: Variables
    generated: Mapping[str, Secret]
    remarks: Sequence[str] = ()


def lacking(given: Given, kept: Sequence[Kept]) -> bool:
    """Whether other hosts must be asked: these have no release, or lack a generated value."""
    return not any(host.live for host in kept) or not set(given.generated) <= _generated(kept).keys()


def wanted(given: Given, kept: Sequence[Kept]) -> Wanted:
    """Merge the variables of the settings and of the hosts."""
    generated = _generated(kept)
    for name, length in given.generated.items():
        if name not in generated:
            generated[name] = generate(length)
    known = {**given.known, **{name: Variable(generated[name], GENERATED) for name in given.generated}}
    source = reference(kept)
    set_last = source.variables if source else Variables()
    remarks = [
        *replaced(kept),
        *(
            f"{host.label} had another generated value of {name} than {_first(kept, name)}, and gets that one"
            for host in kept
            for name in given.generated
            if name in host.generated and host.generated[name] != generated[name]
        ),
    ]
    return Wanted(replace(set_last, given=known), generated, remarks)


def replaced(kept: Sequence[Kept]) -> list[str]:
    """List the values set on a host that those of another host replace; by name, without values."""
    source = reference(kept)
    if source is None:
        return []
    found = []
    for host in kept:
        if host.live and (names := differing(host.variables.chosen, source.variables.chosen)):
            found.append(
                f"{host.label} had other values of config.set than {source.label}, and gets those: {', '.join(names)}"
            )
        if host.live and (names := differing(host.variables.scale, source.variables.scale)):
            found.append(
                f"{host.label} had other numbers of fab scale than {source.label}, and gets those: {', '.join(names)}"
            )
    return found


def generate(length: int) -> Secret:
    """Generate a secret value of letters and digits."""
    return Secret("".join(secrets.choice(_ALPHABET) for _ in range(length)))


def reference(kept: Sequence[Kept]) -> Kept | None:
    """Find the host whose values of `config.set` count: the one where they were set last.

    A host that missed a rollback has reverted values: its release is bad elsewhere. Values with a time after the live
    release of their host, or in the future, were not set by hostsmith, and count as never set.
    """
    latest = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() + 86400))
    bad = frozenset[str]().union(*(host.bad for host in kept))
    live = [host for host in kept if host.live]
    candidates = [host for host in live if host.live and host.live.id not in bad] or live

    def since(host: Kept) -> str:
        time_set = host.variables.since
        return time_set if host.live and time_set <= host.live.id and time_set <= latest else ""

    return max(candidates, key=since, default=None)


def last_set(kept: Sequence[Kept]) -> Variables:
    """Return the values set on the host where they were set last."""
    source = reference(kept)
    return source.variables if source else Variables()


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """List the names whose values differ."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _generated(kept: Sequence[Kept]) -> dict[str, Secret]:
    """Collect all generated values, each from the first host that has it."""
    return {name: value for host in reversed(kept) for name, value in host.generated.items()}


def _first(kept: Sequence[Kept], name: str) -> str:
    return next(host.label for host in kept if name in host.generated)
