"""Host keys: those that are known in `known_hosts` files, and remembering new ones, as OpenSSH's `accept-new` does."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from ..errors import HostKeyError

OWN = "~/.ssh/known_hosts"
_MACHINES = Path("/etc/ssh/ssh_known_hosts")


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Whether the key of one host is the right one.

    A policy of paramiko's, which is told of no known key, so that every key comes here: its own check knows one key
    of a type for a host, while a host that changes its key has both in `known_hosts` for a time.

    :param name: the host as `known_hosts` names it.
    :param files: where its key may stand.
    :param remember_in: one of the files, to which the key of a new host is added; None to refuse new hosts.
    :raises HostKeyError: a file cannot be read.
    """

    def __init__(self, name: str, files: Sequence[Path], remember_in: Path | None) -> None:
        self._name, self._files, self._remember_in = name, files, remember_in
        self.types = {key.get_name() for key in self._known()}

    @classmethod
    def of_user(cls, name: str) -> HostKeys:
        """The keys that the user and the machine know; a new one is remembered where ssh does."""
        own = Path(OWN).expanduser()
        return cls(name, [_MACHINES, own], own)

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """See that this is a key of the host.

        :raises BadHostKeyException: it has another.
        :raises HostKeyError: it has none that is known, and cannot be given one.
        """
        known = self._known()
        if not known and self._remember_in:
            known = self._remember(self._remember_in, key)
        if not known:
            raise HostKeyError(f"{self._name}: found no key of it in {', '.join(map(str, self._files))}, expected one")
        if key not in known:
            raise paramiko.BadHostKeyException(hostname, key, known[0])

    def _known(self) -> list[paramiko.PKey]:
        return [key for path in self._files for key in keys(self._name, _lines(path))]

    def _remember(self, path: Path, key: paramiko.PKey) -> list[paramiko.PKey]:
        """Add the key to a file, unless somebody else has met the host in the meantime.

        The line is appended: paramiko's own saving would write the whole file anew and lose what it does not
        understand.

        :returns: the keys of the host in the file.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(fd, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                content = file.read()
                if known := keys(self._name, content.decode(errors="replace").splitlines()):
                    return known
                newline = b"" if not content or content.endswith(b"\n") else b"\n"
                file.write(newline + f"{self._name} {key.get_name()} {key.get_base64()}\n".encode())
        except OSError as error:
            raise HostKeyError(f"{self._name}: cannot remember its key in {path}: {error.strerror}") from None
        # One write, and to the stream of this moment: others print too, and a live display may stand on the screen.
        sys.stderr.write(f"{self._name}: a new host; its key {fingerprint(key)} is now remembered in {OWN}\n")
        return [key]


def keys(name: str, lines: Iterable[str]) -> list[paramiko.PKey]:
    """The keys of a host in lines of a `known_hosts` file, see sshd(8); what cannot be read is passed over.

    Only the lines of this host are parsed whole: paramiko would parse the file whole for each connection.
    """
    found = []
    for line in lines:
        # What begins with "@" is about a certificate authority, or a key that nobody may use.
        names, kind, blob, *_ = [*line.split(), "", "", ""]
        if blob and names[0] not in "#@" and _is_of(name.lower(), names):
            with contextlib.suppress(ValueError, UnknownKeyType, paramiko.SSHException):
                found.append(paramiko.PKey.from_type_string(kind, base64.b64decode(blob)))
    return found


def fingerprint(key: paramiko.PKey) -> str:
    """A key's type and SHA-256 fingerprint, as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _is_of(name: str, patterns: str) -> bool:
    """Whether a host is one of those that a line is for: names with wildcards, or the hash of one name."""
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
    # Not fnmatch: "[" is not special here, it begins `[web1.example.com]:2222`.
    if "*" not in pattern and "?" not in pattern:
        return name == pattern
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), name))


def _is_hash_of(name: str, text: str) -> bool:
    try:
        _, _, salt, digest = text.split("|")
        return hmac.digest(base64.b64decode(salt), name.encode(), "sha1") == base64.b64decode(digest)
    except ValueError:
        return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyError(f"{path}: cannot be read: {error.strerror}; without it no host key can be checked") from None
