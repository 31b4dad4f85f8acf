"""Environment files of a release: variables for the shell, and their origins."""

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
    """The variables of a release, readable by root and the app, and their origins, readable by root.

    :param variables: all except those about the release itself.
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
        """Return the file for the shell."""
        self._require_valid()
        values = {name: variable.text for name, variable in self.variables.all().items()}
        about = {"HOSTSMITH_APP": self.app, "HOSTSMITH_RELEASE": self.release}
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in {**about, **values}.items())

    def _require_valid(self) -> None:
        """Refuse names and values that a shell would not read as a variable.

        :raises ResourceError: there is one.
        """
        for name, variable in self.variables.all().items():
            if not VARIABLE_NAME.fullmatch(name):
                raise ResourceError(f"environment: found the name {name!r}, expected letters, digits and _")
            if "\0" in variable.text:
                raise ResourceError(f"environment: {name}: found a NUL, which no variable can hold")


@dataclass(frozen=True)
class GeneratedValues(Resource):
    """Values that were generated for the app; they outlive the release."""

    app: str
    values: Mapping[str, Secret]

    def describe(self) -> str:
        return "generated values"

    def check(self) -> Change | None:
        text = json.dumps({name: value.reveal() for name, value in self.values.items()}, indent=1) + "\n"
        return File(Layout(self.app).generated, Secret(text), mode=0o600, owner="root", group="root").check()
