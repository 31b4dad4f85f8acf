"""Verification of host keys by ssh's own options and files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko

from ..errors import HostKeyError
from . import client, known_hosts
from .known_hosts import Known

_OWN = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_MACHINES = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_NO = ("no", "off", "false", "none", "")
_KRL = b"SSHKRL\n\0"


@dataclass(frozen=True)
class Rules:
    """Rules for the key of one host.

    :param name: the host's name in `known_hosts`.
    :param files: `known_hosts` files with its key.
    :param new_in: file for the key of a new host; None to refuse new hosts.
    :param why_none: reason to refuse new hosts.
    :param hashed: whether a new host's name is hashed.
    :param revoked: list of revoked keys.
    :param algorithms: accepted key algorithms; None for all.
    :param smallest_rsa: smallest size of an RSA key in bits.
    :param check_address: whether the key must also be that of the IP address, if the files have one.
    :param without_port: the host's name without port, which ssh accepts if no file has the name with the port; empty
        if both are the same.
    """

    name: str
    files: tuple[Path, ...]
    new_in: Path | None = None
    why_none: str = ""
    hashed: bool = False
    revoked: Path | None = None
    algorithms: tuple[str, ...] | None = None
    smallest_rsa: int = 0
    check_address: bool = False
    without_port: str = ""

    @classmethod
    def of(cls, host: str, port: int, options: Mapping[str, str]) -> Rules:
        """Derive the rules from ssh's options.

        :param options: options by keyword in lower case, as `ssh -G` prints them.
        :raises HostKeyError: an option cannot be followed here.
        """
        shown = options.get("hostkeyalias") or name(host, port)
        if options.get("knownhostscommand", "none") != "none":
            raise HostKeyError(
                f"{shown}: the SSH configuration has a KnownHostsCommand, which only ssh can run; add the host's key "
                "to a known_hosts file, and set `KnownHostsCommand none` for this host"
            )
        own = _paths(shown, options.get("userknownhostsfile", _OWN))
        machines = _paths(shown, options.get("globalknownhostsfile", _MACHINES))
        strict = options.get("stricthostkeychecking", "ask") in ("yes", "true")
        revoked = options.get("revokedhostkeys", "none")
        return cls(
            shown,
            (*machines, *own),
            None if strict else next(iter(own), Path(os.devnull)),
            "StrictHostKeyChecking of the SSH configuration refuses new hosts; add its key to known_hosts",
            options.get("hashknownhosts", "no") not in _NO,
            None if revoked == "none" else Path(revoked).expanduser(),
            _algorithms(shown, options.get("hostkeyalgorithms", "")),
            int(options.get("requiredrsasize", "0")),
            options.get("checkhostip", "no") not in _NO,
            host if shown != host and "hostkeyalias" not in options else "",
        )


def name(host: str, port: int) -> str:
    """Name a host as in `known_hosts`."""
    return host if port == 22 else f"[{host}]:{port}"


def _paths(name: str, value: str) -> tuple[Path, ...]:
    """Split an option's value into paths; a word that does not begin like a path continues the previous one.

    :raises HostKeyError: a path has a token or variable that only ssh can expand.
    """
    if value == "none":
        return ()
    found = re.findall(r"\"[^\"]+\"|\S+", value)
    paths: list[str] = []
    for word in found:
        if paths and not word.startswith(("/", "~", '"')):
            paths[-1] += f" {word}"
        else:
            paths.append(word.strip('"'))
    if "%" in value or "${" in value:
        raise HostKeyError(f"{name}: the SSH configuration has known_hosts files that only ssh can find: {value}")
    return tuple(Path(path).expanduser() for path in paths)


def _algorithms(name: str, value: str) -> tuple[str, ...] | None:
    """Read the host key algorithms of an option.

    :raises HostKeyError: it removes some from a list that only ssh has.
    """
    if value.startswith("-"):
        raise HostKeyError(f"{name}: HostKeyAlgorithms {value}: only ssh has the rest of the list; list those to use")
    return tuple(value.split(",")) if value and value[0] not in "+^" else None


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Verification of one host's key, as a policy of paramiko.

    paramiko itself gets no known keys, so that every key comes here: its own check has one key of a type per host,
    while a host that changes its key has both in `known_hosts` for a time.

    :raises HostKeyError: a file cannot be read, or the host has no acceptable key.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._found = self._known(rules.name)
        self.types = {known.kind for known in self._found if not known.marker}

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Check that this is a key of the host.

        :raises HostKeyError: it is not, or that cannot be checked.
        """
        rules, known, blob = self.rules, self._found, key.asbytes()
        plain = [each for each in known if not each.marker]
        if not plain and rules.without_port:
            # Another key of this name is that of another server on the machine.
            known = [*known, *(each for each in self._known(rules.without_port) if each.blob == blob)]
            plain = [each for each in known if not each.marker]
        self._refuse_unfit(key, known)
        if not plain and any(each.marker == "@cert-authority" for each in known):
            raise HostKeyError(
                f"{rules.name}: known_hosts has a @cert-authority for this host, and only ssh can check a host's "
                f"certificate; add the host's own key, {fingerprint(key)}, to known_hosts"
            )
        if not plain and rules.new_in is not None:
            plain = self._add(rules.new_in, key)
        if not plain:
            files = ", ".join(map(str, rules.files)) or "any file"
            raise HostKeyError(f"{rules.name}: its key is not in {files}. {rules.why_none}".rstrip(". "))
        if all(each.blob != blob for each in plain):
            raise self._changed(rules.name, key, plain[0])
        if rules.check_address and (address := _address(client)) not in ("", hostname):
            there = [each for each in self._known(address) if not each.marker]
            if there and all(each.blob != blob for each in there):
                raise self._changed(address, key, there[0])

    def _refuse_unfit(self, key: paramiko.PKey, known: Iterable[Known]) -> None:
        """Refuse a key that is revoked or too short.

        :raises HostKeyError: it is.
        """
        rules = self.rules
        if any(each.marker == "@revoked" and each.blob == key.asbytes() for each in known):
            raise HostKeyError(f"{rules.name}: its key {fingerprint(key)} is revoked in known_hosts")
        if rules.revoked is not None and _is_revoked(rules.name, key, rules.revoked):
            raise HostKeyError(f"{rules.name}: its key {fingerprint(key)} is revoked by {rules.revoked}")
        if key.get_name() == "ssh-rsa" and key.get_bits() < rules.smallest_rsa:
            raise HostKeyError(f"{rules.name}: its RSA key has {key.get_bits()} bits, ssh expects {rules.smallest_rsa}")

    def _changed(self, name: str, key: paramiko.PKey, known: Known) -> HostKeyError:
        expected = known_hosts.fingerprint(known.kind, known.blob)
        return HostKeyError(
            f"{name}: the host's key has CHANGED: found {fingerprint(key)}, expected {expected} as in {known.place}.\n"
            "Someone may be intercepting the connection, or the server was reinstalled. If you know that it was, "
            f"remove the old key with: ssh-keygen -R {name} -f {known.place}"
        )

    def _known(self, name: str) -> list[Known]:
        return [known for path in self.rules.files for known in known_hosts.entries(name, path)]

    def _add(self, path: Path, key: paramiko.PKey) -> list[Known]:
        """Add the key to a file, unless another process has added the host in the meantime.

        The line is appended: paramiko would rewrite the whole file and lose lines that it does not understand.

        :returns: the keys of the host in the files.
        """
        name = self.rules.name
        outcome = f"was added to {_shown(path)}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(fd, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    outcome = f"was not saved: {path} is not a file"
                if known := [each for each in self._known(name) if not each.marker]:
                    return known
                end = os.lseek(fd, 0, os.SEEK_END)
                newline = b"" if not end or os.pread(fd, 1, end - 1) == b"\n" else b"\n"
                written = known_hosts.hashed(name) if self.rules.hashed else name
                file.write(newline + f"{written} {key.get_name()} {key.get_base64()}\n".encode())
        except OSError as error:
            raise HostKeyError(f"{name}: cannot add its key to {path}: {error.strerror}") from None
        # One write, to the current stream: other threads print too, and a live display may be active.
        sys.stderr.write(f"{name}: new host; its key {fingerprint(key)} {outcome}\n")
        return [Known("", key.get_name(), key.asbytes(), path)]


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's type and SHA-256 fingerprint, as OpenSSH prints it."""
    return known_hosts.fingerprint(key.get_name(), key.asbytes())


def _is_revoked(name: str, key: paramiko.PKey, revoked: Path) -> bool:
    """Whether a list of RevokedHostKeys, binary or lines of public keys, has a key.

    :raises HostKeyError: it cannot be read, or has an invalid line: ssh then takes every key as revoked.
    """
    try:
        content = revoked.read_bytes()
        if content.startswith(_KRL):
            return client.is_in_list(f"{key.get_name()} {key.get_base64()}", revoked)
    except OSError as error:
        raise HostKeyError(f"{name}: RevokedHostKeys {revoked} cannot be read: {error.strerror}") from None
    found = False
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        try:
            kind, text, *_ = [*line.split(), "", ""]
            found |= known_hosts.key_of(kind, text) == key.asbytes()
        except ValueError:
            raise HostKeyError(
                f"{name}: RevokedHostKeys {revoked}, line {number}: not a valid public key; ssh then accepts no host"
            ) from None
    return found


def _address(client: paramiko.SSHClient) -> str:
    """Name the IP address of a connection as in `known_hosts`; empty behind a gateway or proxy."""
    transport = client.get_transport()
    sock = transport.sock if transport else None
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        address, port, *_ = sock.getpeername()
        return name(address, port)
    return ""


def _shown(path: Path) -> str:
    with contextlib.suppress(ValueError, RuntimeError):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)
