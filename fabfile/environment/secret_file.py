"""Encrypted variables of the app, shared in its repository: `secrets.enc.yaml`.

The names can be read, so that `git diff` shows which value has changed. Each value is encrypted by itself with
AES-256-GCM and bound to its name, so that it cannot be moved to another. The key is never in the repository.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invoke.util import yaml  # type: ignore[attr-defined]

from ..contract.secret import Secret
from ..errors import SecretsError
from ..hostkit.app.variables import VARIABLE_NAME

NAME = "secrets.enc.yaml"
_HEADER = """\
# Encrypted by hostsmith; `fab secrets.edit` changes it. The names can be read, the values cannot.
"""
_KEY_BYTES, _NONCE_BYTES = 32, 12


@dataclass(frozen=True)
class Key:
    """Key of the file; only its id is printable."""

    data: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Key:
        """Generate a key."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str, where: str) -> Key:
        """Parse a key.

        :param where: its place, for the error.
        :raises SecretsError: the text is not a valid key.
        """
        try:
            data = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if len(data) != _KEY_BYTES:
            raise SecretsError(f"{where}: not a valid key, expected the 44 characters that `fab secrets.init` wrote")
        return cls(data)

    @property
    def text(self) -> str:
        """The key as text."""
        return base64.urlsafe_b64encode(self.data).decode()

    @property
    def id(self) -> str:
        """Identifier of the key, which reveals nothing about it."""
        return hashlib.sha256(b"hostsmith key id\0" + self.data).hexdigest()[:16]


@dataclass(frozen=True)
class SecretFile:
    """The encrypted file of a project.

    :param path: its path, whether or not it exists.
    """

    path: Path

    @property
    def exists(self) -> bool:
        """Whether it exists."""
        return self.path.exists()

    def names(self) -> list[str]:
        """List the variables in it, without the key."""
        return list(self._load()["values"])

    def read(self, key: Key) -> dict[str, Secret]:
        """Decrypt the values.

        :raises SecretsError: the file has another key, or has been tampered with.
        """
        data = self._load()
        if data["key"] != key.id:
            raise SecretsError(
                f"{self.path.name}: encrypted with the key {data['key']}, but yours is {key.id}; ask a colleague for "
                "the current key"
            )
        return {name: _opened(key, name, text, self.path.name) for name, text in data["values"].items()}

    def write(self, key: Key, values: Mapping[str, Secret]) -> None:
        """Write the file; an unchanged value keeps its bytes, so that a diff shows only changes."""
        old, known = (self._load()["values"], self.read(key)) if self._is_of(key) else ({}, {})
        sealed = {
            name: old[name] if known.get(name) == value else _sealed(key, name, value)
            for name, value in sorted(values.items())
        }
        lines = [f"  {name}: {text}\n" for name, text in sealed.items()]
        text = f"{_HEADER}key: {key.id}\nvalues:{'' if lines else ' {}'}\n{''.join(lines)}"
        write_private(self.path, text, mode=0o644)

    def _is_of(self, key: Key) -> bool:
        return self.exists and self._load()["key"] == key.id

    def _load(self) -> dict[str, Any]:
        try:
            data = yaml.safe_load(self.path.read_text(encoding="utf-8"))  # type: ignore[no-untyped-call]
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            data = None
        values = data.get("values") if isinstance(data, dict) else None
        if not isinstance(values, dict) or not all(VARIABLE_NAME.fullmatch(str(name)) for name in values):
            raise SecretsError(
                f"{self.path.name}: not a file that `fab secrets.edit` wrote; if it has conflict markers of a merge, "
                "keep one line of each name"
            )
        return {"key": str(data.get("key")), "values": {str(name): str(text) for name, text in values.items()}}


def _sealed(key: Key, name: str, value: Secret) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(key.data).encrypt(nonce, value.reveal().encode("utf-8", "surrogateescape"), _bound_to(name))
    return base64.b64encode(nonce + sealed).decode()


def _opened(key: Key, name: str, text: str, file: str) -> Secret:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        data = base64.b64decode(text, validate=True)
        plain = AESGCM(key.data).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(name))
    except (binascii.Error, InvalidTag, ValueError):
        raise SecretsError(
            f"{file}: {name}: the value was damaged, or moved here from another name; restore it from an earlier "
            "commit, or set it again with `fab secrets.edit`"
        ) from None
    return Secret(plain.decode("utf-8", "surrogateescape"))


def _bound_to(name: str) -> bytes:
    return b"hostsmith secret 1\0" + name.encode()


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file atomically; it has its mode before its first byte."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, mode)
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
