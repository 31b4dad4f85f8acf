"""Secrets in the user's editor, in a private temporary file."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from invoke.util import yaml  # type: ignore[attr-defined]

from ..contract.secret import Secret
from ..errors import UsageError
from ..hostkit.app.variables import VARIABLE_NAME

_NAME = "secrets.yaml"


def edited(values: Mapping[str, Secret], title: str) -> dict[str, Secret]:
    """Let the user edit the values, and correct mistakes.

    :param title: comment at the top of the file.
    :raises UsageError: there is no editor, it failed, or the file is invalid.
    """
    with _private_folder() as folder:
        path = folder / _NAME
        path.touch(mode=0o600)
        path.write_text(f"# {title}\n{_written(values)}", encoding="utf-8")
        while True:
            _edit(path)
            try:
                return parsed(path.read_bytes())
            except UsageError as error:
                if not sys.stdin.isatty():
                    raise
                sys.stderr.write(f"{error}\n")
                sys.stderr.write("edit again? [Y/n] ")
                sys.stderr.flush()
                answer = sys.stdin.readline()
                # An empty answer without a newline is Ctrl-D.
                if not answer or answer.strip().lower() in ("n", "no"):
                    raise


def parsed(data: bytes) -> dict[str, Secret]:
    """Parse a file of `NAME: value` lines; every value is a text.

    :raises UsageError: the file is invalid. The message does not show values.
    """
    try:
        # This loader converts no text to a number or date.
        found = yaml.load(data.decode(), Loader=yaml.BaseLoader) or {}  # type: ignore[no-untyped-call]  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"{line}invalid YAML, expected `NAME: value`; nothing has changed") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UsageError("not UTF-8 text, expected `NAME: value`; nothing has changed") from None
    if not isinstance(found, dict):
        raise UsageError("there are no names with values, expected lines such as `NAME: value`; nothing has changed")
    for name, value in found.items():
        if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name):
            raise UsageError("invalid name, expected letters, digits and _; nothing has changed")
        if not isinstance(value, str) or "\0" in value:
            raise UsageError(f"{name}: found a list or a mapping, expected a text; nothing has changed")
    return {name: Secret(value) for name, value in found.items()}


def _written(values: Mapping[str, Secret]) -> str:
    if not values:
        return "# NAME: value\n"
    texts = {name: value.reveal() for name, value in sorted(values.items())}
    text: str = yaml.dump(texts, Dumper=_Dumper, allow_unicode=True, width=10**9)  # type: ignore[no-untyped-call]
    return text


class _Dumper(yaml.SafeDumper):
    """Dumper that writes a text of several lines as a block."""


def _represent(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent)  # type: ignore[no-untyped-call]


def _edit(path: Path) -> None:
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        done = subprocess.run([*words, str(path)], check=False)
    except OSError as error:
        raise UsageError(f"EDITOR: {words[0]}: {error.strerror}; set it to your editor") from None
    if done.returncode:
        raise UsageError(f"the editor failed with exit status {done.returncode}; nothing has changed")


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """Make a temporary folder for the user alone, in memory if possible; a signal removes it, too."""
    places = (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm")  # noqa: S108
    place = next((place for place in places if place and os.access(place, os.W_OK)), None)
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with tempfile.TemporaryDirectory(prefix="hostsmith-", dir=place) as folder:
            yield Path(folder)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
