"""The environment of a release: a file for a shell to read, and one that says where each variable is from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.secret import Secret
from ...hostkit.app.layout import Layout
from ...hostkit.app.variables import VARIABLE_NAME, Variables
from ..file import File
from ..validated import Validated


@dataclass(frozen=True)
class Environment(Resource):
    """The variables of a release, which only root and the app can read, and their origins, which only root can.

    :param variables: all of them but those that tell the app about its release.
    """

    app: str
    release: str
    variables: Variables

    def describe(self) -> str:
        return "environment"

    def check(self) -> Change | None:
        folder = Layout(self.app).release(self.release)
        kept = json.dumps(self.variables.to_json(), indent=1) + "\n"
        files = (
            File(f"{folder}/env", Secret(self.text()), mode=0o640, owner="root", group=self.app),
            File(f"{folder}/config.json", Secret(kept), mode=0o600, owner="root", group="root"),
        )
        return Validated("environment", files).check()

    def text(self) -> str:
        """The file that a shell reads."""
        self._require_valid()
        values = {name: variable.text for name, variable in self.variables.all().items()}
        about = {"HOSTSMITH_APP": self.app, "HOSTSMITH_RELEASE": self.release}
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in {**about, **values}.items())

    def _require_valid(self) -> None:
        """Refuse what a shell would read as something else than a variable.

        :raises ResourceError: there is such a name, or a value that no variable can hold.
        """
        for name, variable in self.variables.all().items():
            if not VARIABLE_NAME.fullmatch(name):
                raise ResourceError(f"environment: found the name {name!r}, expected letters, digits and _")
            if "\0" in variable.text:
                raise ResourceError(f"environment: {name}: found a NUL, which no variable can hold")


@dataclass(frozen=True)
class GeneratedValues(Resource):
    """Values that were made up for the app once; they stay whatever becomes of the release."""

    app: str
    values: Mapping[str, Secret]

    def describe(self) -> str:
        return "generated values"

    def check(self) -> Change | None:
        text = json.dumps({name: value.reveal() for name, value in self.values.items()}, indent=1) + "\n"
        return File(Layout(self.app).generated, Secret(text), mode=0o600, owner="root", group="root").check()
