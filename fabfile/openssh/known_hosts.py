"""Lines of `known_hosts` files, read as OpenSSH does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostKeyError
from . import client

_MARKERS = ("@revoked", "@cert-authority")


@dataclass(frozen=True)
class Known:
    """One line of a `known_hosts` file, see sshd(8).

    :param marker: marker of the line; empty for the key of a host.
    :param place: its file.
    """

    marker: str
    kind: str
    blob: bytes
    place: Path


def entries(name: str, path: Path) -> list[Known]:
    """Find the keys of a host in a `known_hosts` file; invalid lines are skipped, as ssh does.

    :raises HostKeyError: the file cannot be read.
    """
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyError(f"{path}: cannot be read: {error.strerror}; without it no host key can be checked") from None
    lines = client.known_lines(name.lower(), path)
    return list(_parsed(_of_host(name.lower(), path) if lines is None else lines, path))


def _parsed(lines: Iterable[str], path: Path) -> Iterable[Known]:
    for line in lines:
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        _, kind, text, *_ = [*words, "", "", ""]
        with contextlib.suppress(ValueError):
            # A marked line counts even if the rest of it is invalid: it withdraws trust.
            if blob := base64.b64decode(text) if marker else key_of(kind, text):
                yield Known(marker, kind, blob, path)


def key_of(kind: str, text: str) -> bytes:
    """Decode the key of a line from its type and text, as ssh does.

    :raises ValueError: the key is invalid.
    """
    rest = blob = base64.b64decode(text, validate=True)
    parts = []
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        parts.append(rest[4:end])
        if len(rest) < max(end, 5):
            raise ValueError("truncated")
        rest = rest[end:]
    # The key repeats its type.
    if len(parts) < 2 or parts[0] != ("ssh-rsa" if kind.startswith("rsa-sha2-") else kind).encode():
        raise ValueError(f"not a key of type {kind}")
    return blob


def fingerprint(kind: str, blob: bytes) -> str:
    """Return a key's type and SHA-256 fingerprint, as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{kind} SHA256:{digest}"


def hashed(name: str) -> str:
    """Hash a name for `known_hosts`, as ssh does with HashKnownHosts."""
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.lower().encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _of_host(name: str, path: Path) -> Iterable[str]:
    """Find the lines of a file for a host without ssh-keygen.

    :raises HostKeyError: a line has an unknown marker.
    """
    for line in path.read_text(errors="replace").split("\n"):
        words = line.split()
        is_marked = bool(words) and words[0].startswith("@")
        if is_marked and len(words) > 3 and words[0] not in _MARKERS:
            raise HostKeyError(f"{path}: found the marker {words[0]}, expected one of {', '.join(_MARKERS)}")
        names = words[is_marked:]
        if names and not names[0].startswith("#") and _is_of(name, names[0]):
            yield line


def _is_of(name: str, patterns: str) -> bool:
    """Whether a line is for a host, by its names with wildcards or the hash of one name."""
    if patterns.startswith("|1|"):
        return _is_hash_of(name, patterns)
    found = False
    for pattern in patterns.lower().split(","):
        if _matches(name, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(name: str, pattern: str) -> bool:
    # Not fnmatch: "[" is an ordinary character here, as in `[web1.example.com]:2222`.
    if "*" not in pattern and "?" not in pattern:
        return name == pattern
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), name))


def _is_hash_of(name: str, text: str) -> bool:
    try:
        _, _, salt, digest = text.split("|")
        return hmac.digest(base64.b64decode(salt), name.encode(), "sha1") == base64.b64decode(digest)
    except ValueError:
        return False
