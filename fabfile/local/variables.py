"""Variables of the app on this machine: settings, generated values and `local.env`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..environment.variables import generate, given
from ..errors import SettingsError
from ..hostkit.app.layout import Layout
from ..hostkit.app.variables import VARIABLE_NAME
from ..settings.tls import Tls
from .folder import folder, keep, kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import Settings

LOCAL = "local.env"


def variables(settings: Settings, own: Mapping[str, str]) -> dict[str, str]:
    """Collect the variables of the settings and generated ones; without `own`.

    :param own: the variables of `local.env`: no key or command is needed for those.
    :raises SecretsError: there is no key, or a command fails.
    """
    # The site has no domain and no HTTPS here: a framework might enforce them.
    found = given(settings.model_copy(update={"domains": [], "tls": Tls()}), own)
    known = {name: variable.text for name, variable in found.known.items()}
    if known.get("MEDIA_ROOT") == Layout(settings.app).media:
        known["MEDIA_ROOT"] = str(folder(settings.project) / "media")
    return {**known, **_generated(settings.project, found.generated)}


def _generated(project: Path, lengths: Mapping[str, int]) -> dict[str, str]:
    if not lengths:
        return {}
    path = folder(project) / "generated.json"
    values = kept(path)
    if missing := [name for name in lengths if name not in values]:
        values |= {name: generate(lengths[name]).reveal() for name in missing}
        keep(path, values)
    return {name: values[name] for name in lengths}


def local_env(project: Path) -> dict[str, str]:
    """Read `local.env` of a project folder: `NAME=value` lines, quoted as for a shell.

    :raises SettingsError: lines of another form, by their numbers; their text stays secret.
    """
    path = project / LOCAL
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"{LOCAL}: found bytes that are not UTF-8 text, expected lines `NAME=value`") from None
    except OSError as error:
        raise SettingsError(f"{LOCAL}: {error.strerror}") from None
    values, problems = {}, []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, text = re.sub(r"^\s*export\s+", "", line).strip().partition("=")
        value = _unquoted(text)
        if equals and VARIABLE_NAME.fullmatch(name) and value is not None:
            values[name] = value
        else:
            problems.append(f"{LOCAL}: line {number}: expected `NAME=value` or `NAME='two words'`")
    if problems:
        raise SettingsError("\n".join(problems))
    return values


def _unquoted(text: str) -> str | None:
    """Remove the quotes of a value; None when they do not end or more follows."""
    if not text.startswith(("'", '"')):
        return text if "\0" not in text else None
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return None
    return words[0] if len(words) == 1 else None
