"""The version of hostsmith that provisioned a host, as the host remembers it."""

from __future__ import annotations

import glob
import json
import re

from ..linux import filesystem
from .passwords import FOLDER

PATH = f"{FOLDER}/provisioned.json"
# The first version wrote no such file; what it did write is the names that an app takes.
_FIRST = "0.1.0"
_VERSION = re.compile(r"([0-9]+(?:\.[0-9]+)*)([A-Za-z0-9.+-]{0,30})")


def record(version: str) -> str:
    """Make the content of the file."""
    return json.dumps({"hostsmith": version}) + "\n"


def version(folder: str = FOLDER) -> str | None:
    """Read which version provisioned this host last; None when none has, or when it is unknown."""
    text = filesystem.read(f"{folder}/provisioned.json")
    if text is None:
        return _FIRST if glob.glob(f"{folder}/*/names.json") else None
    try:
        found = json.loads(text)["hostsmith"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, str) and _VERSION.fullmatch(found) else None


def compared(found: str, ours: str) -> str:
    """Say how a version compares with ours: "older", "newer", or nothing when it is the same."""
    theirs, here = _key(found), _key(ours)
    return "" if theirs == here else "older" if theirs < here else "newer"


def _key(text: str) -> tuple[list[int], bool, str]:
    """Order versions as PEP 440 does, as far as we number ours: 0.2.0.dev1, 0.2.0a1, 0.2.0rc1, 0.2.0."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return [], False, text
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers, not match[2], match[2]
