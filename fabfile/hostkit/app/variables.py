"""Environment of a release and the origin of each variable.

It is kept in the release, so that a rollback restores it, too.
"""

from __future__ import annotations

import glob
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...contract import redact
from ...contract.base import ResourceError
from ...contract.secret import Secret
from ..linux import filesystem

if TYPE_CHECKING:
    from .layout import Layout

CHOSEN = "config.set"
# Names that a shell accepts, since it reads the environment's file.
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FROM_HOSTSMITH = "HOSTSMITH_"


@dataclass(frozen=True)
class Variable:
    """One variable.

    :param value: a plain text when it may be shown, which is rare.
    :param origin: its source, for people: "fabric.yaml".
    """

    value: Secret | str
    origin: str

    @property
    def text(self) -> str:
        """The value itself."""
        return self.value.reveal() if isinstance(self.value, Secret) else self.value


@dataclass(frozen=True)
class Variables:
    """All variables of a release.

    :param given: set by the settings when its code was deployed.
    :param chosen: set by `fab config.set`; they override the given ones.
    :param since: id of the release with which `chosen` or `scale` changed last; empty when they never have.
    :param scale: numbers of some processes, set by `fab scale`: not variables, but kept like them.
    """

    given: Mapping[str, Variable] = field(default_factory=dict)
    chosen: Mapping[str, Secret] = field(default_factory=dict)
    since: str = ""
    scale: Mapping[str, int] = field(default_factory=dict)

    def all(self) -> dict[str, Variable]:
        """Return each variable with its effective value."""
        return {**self.given, **{name: Variable(value, CHOSEN) for name, value in self.chosen.items()}}

    def to_json(self) -> dict[str, Any]:
        """Return plain data; the values are still secret."""
        return {
            "since": self.since,
            "given": {
                name: {"value": each.text, "origin": each.origin, "shown": isinstance(each.value, str)}
                for name, each in self.given.items()
            },
            "chosen": {name: value.reveal() for name, value in self.chosen.items()},
            **({"scale": dict(self.scale)} if self.scale else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Variables:
        """Read what `to_json` returned."""
        given = {
            name: Variable(each["value"] if each["shown"] else Secret(each["value"]), each["origin"])
            for name, each in data["given"].items()
        }
        chosen = {name: Secret(value) for name, value in data["chosen"].items()}
        return cls(given, chosen, data["since"], data.get("scale", {}))


def kept(layout: Layout, release: str) -> Variables:
    """Read the variables of a release.

    :raises ResourceError: its files are damaged.
    """
    return _read(layout.release(release))


def generated(layout: Layout) -> dict[str, Secret]:
    """Read the values that were generated for the app; they outlive the releases."""
    text = filesystem.read(layout.generated)
    return {name: Secret(value) for name, value in json.loads(text).items()} if text else {}


def remember_all(app: str | None = None, base: str = "/srv") -> None:
    """Redact the secrets of live apps from the host's output.

    :param app: only those of this app; None: of all apps.
    """
    for path in glob.glob(f"{base}/{app or '*'}/current/env"):
        folder = path.rpartition("/")[0]
        try:
            known, values = _read(folder).all(), running(folder)
        except (ResourceError, OSError, ValueError, KeyError, TypeError):
            # Whoever needs them gets the error; here they only stay unknown.
            continue
        for name, value in values.items():
            # The file may have been edited: a value that is not known to be plain is secret.
            if name not in known or isinstance(known[name].value, Secret):
                redact.remember(Secret(value))


def running(folder: str) -> dict[str, str]:
    """Read the environment that a release's processes really get, without hostsmith's own variables.

    :raises ResourceError: the file is damaged.
    """
    path = f"{folder}/env"
    text = (filesystem.read(path) or b"").decode("utf-8", "replace")
    try:
        pairs = [word.partition("=")[::2] for word in shlex.split(text)]
    except ValueError:
        raise ResourceError(f"{path} is damaged; deploy again to rewrite it") from None
    return {name: value for name, value in pairs if not name.startswith(_FROM_HOSTSMITH)}


def _read(folder: str) -> Variables:
    text = filesystem.read(f"{folder}/config.json")
    if text:
        return Variables.from_json(json.loads(text))
    # A release from before origins were kept.
    return Variables({name: Variable(Secret(value), "settings") for name, value in running(folder).items()})
