"""Where the key to `secrets.enc.yaml` is, and secrets that a command on this machine tells."""

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
    """The project's encrypted file, whether or not there is one."""
    return SecretFile(settings.project / NAME)


def key_path(settings: Settings) -> Path | None:
    """The file that the key is in; None when it comes from a command."""
    place = settings.secrets_key
    if isinstance(place, Path):
        return settings.project / place.expanduser()
    if place is not None:
        return None
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config, "hostsmith", f"{settings.app}.key").expanduser()


def has_key(settings: Settings) -> bool:
    """Whether the project has a key, as far as can be seen without reading it or asking for it."""
    path = key_path(settings)
    return bool(os.environ.get(VARIABLE)) or path is None or path.exists() or secret_file(settings).exists


def find_key(settings: Settings) -> Key:
    """The key: of HOSTSMITH_KEY, or else from where the settings say.

    :raises SecretsError: there is none.
    """
    if text := os.environ.get(VARIABLE, "").strip():
        return Key.parse(text, f"{VARIABLE} in the environment")
    place = settings.secrets_key
    if place is not None and not isinstance(place, Path):
        return Key.parse(told_by(place, "secrets_key").reveal(), "secrets_key")
    path = key_path(settings)
    assert path is not None
    try:
        return Key.parse(path.read_text(encoding="ascii"), str(path))
    except FileNotFoundError:
        raise SecretsError(
            f"{NAME}: found no key to it in {VARIABLE}, nor in {path}; ask a colleague for the key and put it into "
            "that file, which only you may read"
        ) from None
    except UnicodeDecodeError:
        raise SecretsError(f"{path}: found bytes that are no text, expected a key") from None
    except OSError as error:
        raise SecretsError(f"{path}: cannot be read: {error.strerror}") from None


def told_by(command: FromCommand, what: str) -> Secret:
    """What a command prints, without the end of the line.

    It may ask for a password: it has the terminal. What it says of errors goes there, too, and not into ours.

    :param what: the setting that has it, for errors.
    :raises SecretsError: it failed, or told nothing.
    """
    shown = shlex.join(command.argv)
    try:
        done = subprocess.run(command.argv, stdout=subprocess.PIPE, check=False)
        text = done.stdout.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretsError(f"{what}: `{shown}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretsError(f"{what}: `{shown}` printed bytes that are no UTF-8 text") from None
    if done.returncode:
        raise SecretsError(
            f"{what}: `{shown}` ended with exit status {done.returncode}; what it has to say stands above"
        )
    if not text or "\0" in text:
        raise SecretsError(f"{what}: `{shown}` printed {'NUL' if text else 'nothing'}, expected the value")
    return Secret(text)
