"""The variables that a new release gets: what the settings give, and what the hosts keep.

From the weakest to the strongest: what the framework wants, those of services, `environment` of the settings, the
encrypted file, `FABRIC_ENVIRONMENT_<NAME>`, and the values of `fab config.set`.
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
from ..settings.secrets import FromCommand, Generated
from . import django
from .secret_file import NAME
from .secret_key import find_key, secret_file, told_by

if TYPE_CHECKING:
    from ..settings import Settings

GENERATED = "generated"
_SETTINGS, _SHELL, _COMMAND = "settings", "environment", "command"
_ALPHABET = string.ascii_letters + string.digits
# What says in a variable's name that its value is a secret, and what a value looks like that is none: `production`,
# `blog.settings`, `/srv/blog/shared`. "No module named '***'" would help nobody.
_SECRET_NAME = re.compile(r"key|secret|token|pass|pwd|auth|credential|private|salt|dsn|cookie|url|uri", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[a-z_]+(\.[a-z_]+)*|(/[a-z_.]+)+/?|[0-9]{1,6}")


@dataclass(frozen=True)
class Given:
    """What the settings give, as far as it is known without the hosts.

    :param generated: lengths of the values that the hosts keep, or that are yet to be made up.
    """

    known: Mapping[str, Variable]
    generated: Mapping[str, int] = field(default_factory=dict)

    def over(self, weaker: Mapping[str, Variable]) -> Given:
        """These, with others beneath them."""
        beneath = {name: each for name, each in weaker.items() if name not in self.generated}
        return replace(self, known={**beneath, **self.known})


def given(settings: Settings, without: Container[str] = ()) -> Given:
    """Read the encrypted file and have the commands tell their secrets.

    To be called before anything is locked, since a command may ask for a password.

    :param without: variables that are not asked for.
    :raises SecretsError: there is no key, or a command fails.
    """
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
            known[name] = Variable(told_by(value, f"environment.{name}"), _COMMAND)
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
    """What a host keeps.

    :param label: the host.
    :param live: its live release; None before the first deploy.
    :param bad: ids of the releases that were rolled back from.
    :param variables: those of the live release.
    :param generated: values that were made up for the app.
    """

    label: str
    live: Record | None
    bad: frozenset[str]
    variables: Variables
    generated: Mapping[str, Secret]


def kept(app: str) -> Request[Kept]:
    """Say what the host keeps."""
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
    """What a new release gets on each host.

    :param generated: all values that were made up, for the hosts to keep.
    :param remarks: where hosts differed.
    """

    variables: Variables
    generated: Mapping[str, Secret]
    remarks: Sequence[str] = ()


def lacking(given: Given, kept: Sequence[Kept]) -> bool:
    """Whether other hosts must be asked: none of these has a release, or has a value that may have been made up."""
    return not any(host.live for host in kept) or not set(given.generated) <= _made_up(kept).keys()


def wanted(given: Given, kept: Sequence[Kept]) -> Wanted:
    """Bring together what the settings give and what hosts keep: the same for all of them."""
    made_up = _made_up(kept)
    for name, length in given.generated.items():
        if name not in made_up:
            made_up[name] = make_up(length)
    known = {**given.known, **{name: Variable(made_up[name], GENERATED) for name in given.generated}}
    source = reference(kept)
    set_last = source.variables if source else Variables()
    remarks = [
        *replaced(kept),
        *(
            f"{host.label} had another value made up for {name} than {_first(kept, name)}, and gets that"
            for host in kept
            for name in given.generated
            if name in host.generated and host.generated[name] != made_up[name]
        ),
    ]
    return Wanted(replace(set_last, given=known), made_up, remarks)


def replaced(kept: Sequence[Kept]) -> list[str]:
    """What people have set on hosts and those lose who get what is set on another; by name, without values."""
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


def make_up(length: int) -> Secret:
    """A value of so many letters and digits that nobody has."""
    return Secret("".join(secrets.choice(_ALPHABET) for _ in range(length)))


def reference(kept: Sequence[Kept]) -> Kept | None:
    """The host whose values of `config.set` are right: the one on which they were set last.

    A host that lags behind a rollback has values that were taken back: its release is bad elsewhere. What a host says
    was set after its live release, or in days to come, was not set with hostsmith, and counts as never.
    """
    latest = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() + 86400))
    bad = frozenset[str]().union(*(host.bad for host in kept))
    live = [host for host in kept if host.live]
    candidates = [host for host in live if host.live and host.live.id not in bad] or live

    def since(host: Kept) -> str:
        said = host.variables.since
        return said if host.live and said <= host.live.id and said <= latest else ""

    return max(candidates, key=since, default=None)


def last_set(kept: Sequence[Kept]) -> Variables:
    """What people have set on the hosts, of the host on which it was set last."""
    source = reference(kept)
    return source.variables if source else Variables()


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names that do not have the same value in both."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _made_up(kept: Sequence[Kept]) -> dict[str, Secret]:
    """All values that were made up, of the first host that has each."""
    return {name: value for host in reversed(kept) for name, value in host.generated.items()}


def _first(kept: Sequence[Kept], name: str) -> str:
    return next(host.label for host in kept if name in host.generated)
