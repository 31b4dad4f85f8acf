"""Settings of the deployers: people who may deploy and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ..errors import SettingsError
from .kinds import ListOf, Model, Text, UnexpectedError
from .reserved import is_reserved

_KEY = "a public key such as `ssh-ed25519 AAAA... alice`, or a file of them such as keys/bob.pub"
_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_USER = "the name of a Unix user for deployers alone, such as deploy"


def _user(value: str) -> str:
    if is_reserved(value):
        raise UnexpectedError(_USER, "this user has, or may get, other rights; use deploy")
    return value


def _key(value: str) -> str:
    """Check a public key on one line, or a file's path.

    :raises UnexpectedError: it is neither.
    """
    text = value.strip()
    return text if _is_file(text) else _checked(text)


def _is_file(text: str) -> bool:
    return text.partition(" ")[0] not in _TYPES and re.fullmatch(r"[\w./ ~-]+\.pub", text) is not None


def _checked(line: str) -> str:
    kind, _, rest = line.partition(" ")
    if "PRIVATE KEY" in line:
        raise UnexpectedError(_KEY, "never share a private key; use the .pub file beside it", found="a private key")
    if kind not in _TYPES:
        hint = "remove the options before the key: hostsmith sets the options of every key"
        raise UnexpectedError(_KEY, hint if any(f" {each} " in f" {line}" for each in _TYPES) else "")
    data, _, comment = rest.strip().partition(" ")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    parts = _parts(decoded)
    if len(parts) < 2 or parts[0] != kind.encode():
        raise UnexpectedError(_KEY, "the key is cut off or mistyped")
    if not re.fullmatch(r"[^\x00-\x1f\x7f]*", comment):
        raise UnexpectedError(_KEY, "write it on one line")
    return f"{kind} {data} {comment}".strip()


def _parts(data: bytes) -> list[bytes]:
    """Split a key into its parts, the type first (RFC 4253, section 6.6); empty if it is truncated."""
    parts = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            return []
        parts.append(data[4:end])
        data = data[end:]
    return parts


class Deployers(Model):
    """People who may deploy the app and do nothing else on its hosts."""

    user: Annotated[str, AfterValidator(_user), Text(_USER, r"[a-z][a-z0-9-]{0,30}")] = Field(
        "deploy",
        description="Unix user they log in as. Each app on a host needs a different one.",
    )
    keys: Annotated[
        list[Annotated[str, AfterValidator(_key), Text(_KEY)]],
        ListOf(f"a list, each {_KEY}"),
    ] = Field(
        default_factory=list,
        description="Public keys of the deployers, or files of the project with such keys. `fab provision` gives "
        "them access and revokes the access of removed keys.",
    )

    def read(self, project: Path) -> Deployers:
        """Replace the names of files by the keys in them.

        :raises SettingsError: a file is missing, or has anything but keys.
        """
        keys = [key for name in self.keys for key in (_keys_of(project, name) if _is_file(name) else [name])]
        return self.model_copy(update={"keys": list(dict.fromkeys(keys))})


def _keys_of(project: Path, name: str) -> list[str]:
    try:
        text = (project / Path(name).expanduser()).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise SettingsError(f"deployers.keys: {name}: {why}; expected {_KEY}") from None
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise SettingsError(f"deployers.keys: {name}: the file has no key, expected {_KEY}")
    try:
        return [_checked(key) for key in keys]
    except UnexpectedError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise SettingsError(f"deployers.keys: {name}: the file has an invalid line, {error}{hint}") from None
