"""Key to `secrets.enc.yaml`, and secrets that a local command prints."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.secret import Secret
from ..errors import SecretsError
from .secret_file import NAME, Key, SecretFile

if TYPE_CHECKING:
    from ..settings import Settings
    from ..settings.secrets import FromCommand

VARIABLE = "HOSTSMITH_KEY"


def secret_file(settings: Settings) -> SecretFile:
    """Return the project's encrypted file, whether or not it exists."""
    return SecretFile(settings.project / NAME)


def key_path(settings: Settings) -> Path | None:
    """Return the path of the key's file; None if a command prints the key."""
    place = settings.secrets_key
    if isinstance(place, Path):
        return settings.project / place.expanduser()
    if place is not None:
        return None
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config, "hostsmith", f"{settings.app}.key").expanduser()


def has_key(settings: Settings) -> bool:
    """Whether the project has a key, as far as can be seen without reading it."""
    path = key_path(settings)
    return bool(os.environ.get(VARIABLE)) or path is None or path.exists() or secret_file(settings).exists


def find_key(settings: Settings) -> Key:
    """Find the key: in HOSTSMITH_KEY, else where the settings point.

    :raises SecretsError: the key is missing or invalid.
    """
    if text := os.environ.get(VARIABLE, "").strip():
        return Key.parse(text, f"{VARIABLE} in the environment")
    place = settings.secrets_key
    if place is not None and not isinstance(place, Path):
        return Key.parse(output_of(place, "secrets_key").reveal(), "secrets_key")
    path = key_path(settings)
    assert path is not None
    try:
        return Key.parse(path.read_text(encoding="ascii"), str(path))
    except FileNotFoundError:
        raise SecretsError(
            f"{NAME}: its key is missing in {VARIABLE} and in {path}; ask a colleague for the key and put it into "
            "that file, which only you may read"
        ) from None
    except UnicodeDecodeError:
        raise SecretsError(f"{path}: not ASCII text, expected a key") from None
    except OSError as error:
        raise SecretsError(f"{path}: cannot be read: {error.strerror}") from None


def output_of(command: FromCommand, what: str) -> Secret:
    """Run a command and return its output, without the end of the line.

    The command has the terminal: it may ask for a password, and prints its errors there.

    :param what: name of the setting, for errors.
    :raises SecretsError: the command failed or printed nothing.
    """
    shown = shlex.join(command.argv)
    try:
        done = subprocess.run(command.argv, stdout=subprocess.PIPE, check=False)
        text = done.stdout.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretsError(f"{what}: `{shown}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretsError(f"{what}: `{shown}` printed bytes that are not UTF-8 text") from None
    if done.returncode:
        raise SecretsError(f"{what}: `{shown}` failed with exit status {done.returncode}; its message is above")
    if not text or "\0" in text:
        raise SecretsError(f"{what}: `{shown}` printed {'NUL' if text else 'nothing'}, expected the value")
    return Secret(text)
