"""Host keys, judged by the options and files that ssh judges them by."""

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
    """The rules for the key of one host.

    :param name: the host as `known_hosts` names it.
    :param files: where its key may stand.
    :param new_in: the file to which the key of a new host is added; None to refuse new hosts.
    :param why_none: why new hosts are refused.
    :param hashed: whether a new host's name is hashed.
    :param revoked: a list of keys that no host may have.
    :param algorithms: those that a host may prove its key by; None for all.
    :param smallest_rsa: bits of an RSA key.
    :param check_address: whether the key must also be that of the IP address, where one is known.
    :param without_port: the host as a file names it that leaves out the port, which ssh takes where no file has the
        port; empty where there is no other name.
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
        """The rules that ssh follows.

        :param options: by keyword in lower case, as `ssh -G` prints them.
        :raises HostKeyError: they have one that cannot be followed here.
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
    """A host as `known_hosts` names it."""
    return host if port == 22 else f"[{host}]:{port}"


def _paths(name: str, value: str) -> tuple[Path, ...]:
    """The files of an option's value; a path with spaces begins like a path and goes on like none.

    :raises HostKeyError: they depend on something that only ssh knows.
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
        raise HostKeyError(f"{name}: the SSH configuration has known_hosts files that only ssh can name: {value}")
    return tuple(Path(path).expanduser() for path in paths)


def _algorithms(name: str, value: str) -> tuple[str, ...] | None:
    """The host key algorithms of an option; ssh itself writes them out.

    :raises HostKeyError: it takes some away from a list that only ssh knows.
    """
    if value.startswith("-"):
        raise HostKeyError(f"{name}: HostKeyAlgorithms {value}: only ssh can tell which are left; list those to use")
    return tuple(value.split(",")) if value and value[0] not in "+^" else None


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Whether the key of one host is the right one.

    A policy of paramiko's, which is told of no known key, so that every key comes here: its own check knows one key
    of a type for a host, while a host that changes its key has both in `known_hosts` for a time.

    :raises HostKeyError: a file cannot be read, or the host has no key that it may show.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._found = self._known(rules.name)
        self.types = {known.kind for known in self._found if not known.marker}

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Check that this is a key of the host.

        :raises HostKeyError: it is not, or nobody can say.
        """
        rules, known, blob = self.rules, self._found, key.asbytes()
        plain = [each for each in known if not each.marker]
        if not plain and rules.without_port:
            # Another key under this name is that of another server on the machine.
            known = [*known, *(each for each in self._known(rules.without_port) if each.blob == blob)]
            plain = [each for each in known if not each.marker]
        self._refuse_unfit(key, known)
        if not plain and any(each.marker == "@cert-authority" for each in known):
            raise HostKeyError(
                f"{rules.name}: known_hosts has a @cert-authority for it, and only ssh can check a host's certificate; "
                f"add the host's own key, {fingerprint(key)}, to known_hosts"
            )
        if not plain and rules.new_in is not None:
            plain = self._add(rules.new_in, key)
        if not plain:
            files = ", ".join(map(str, rules.files)) or "any file"
            raise HostKeyError(f"{rules.name}: there is no key of it in {files}. {rules.why_none}".rstrip(". "))
        if all(each.blob != blob for each in plain):
            raise self._changed(rules.name, key, plain[0])
        if rules.check_address and (address := _address(client)) not in ("", hostname):
            there = [each for each in self._known(address) if not each.marker]
            if there and all(each.blob != blob for each in there):
                raise self._changed(address, key, there[0])

    def _refuse_unfit(self, key: paramiko.PKey, known: Iterable[Known]) -> None:
        """:raises HostKeyError: no host may have the key."""
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
            "Someone may be listening in, or the server was installed again. If you know that it was, remove the old "
            f"key with: ssh-keygen -R {name} -f {known.place}"
        )

    def _known(self, name: str) -> list[Known]:
        return [known for path in self.rules.files for known in known_hosts.entries(name, path)]

    def _add(self, path: Path, key: paramiko.PKey) -> list[Known]:
        """Add the key to a file, unless somebody else has met the host in the meantime.

        The line is appended: paramiko's own saving would write the whole file anew and lose what it does not
        understand.

        :returns: the keys of the host in the files.
        """
        name = self.rules.name
        became = f"now remembered in {_shown(path)}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(fd, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    became = f"not remembered: {path} keeps nothing"
                if known := [each for each in self._known(name) if not each.marker]:
                    return known
                end = os.lseek(fd, 0, os.SEEK_END)
                newline = b"" if not end or os.pread(fd, 1, end - 1) == b"\n" else b"\n"
                written = known_hosts.hashed(name) if self.rules.hashed else name
                file.write(newline + f"{written} {key.get_name()} {key.get_base64()}\n".encode())
        except OSError as error:
            raise HostKeyError(f"{name}: cannot add its key to {path}: {error.strerror}") from None
        # One write, and to the stream of this moment: others print too, and a live display may stand on the screen.
        sys.stderr.write(f"{name}: a new host; its key {fingerprint(key)} is {became}\n")
        return [Known("", key.get_name(), key.asbytes(), path)]


def fingerprint(key: paramiko.PKey) -> str:
    """A key's type and SHA-256 fingerprint, as OpenSSH prints it."""
    return known_hosts.fingerprint(key.get_name(), key.asbytes())


def _is_revoked(name: str, key: paramiko.PKey, revoked: Path) -> bool:
    """Whether a list of RevokedHostKeys has a key: a binary one, or lines of public keys.

    :raises HostKeyError: it cannot be read, or has a line that is no key: ssh then takes every key for revoked.
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
                f"{name}: RevokedHostKeys {revoked}, line {number}: found no public key, expected one in each line; "
                "ssh then accepts no host"
            ) from None
    return found


def _address(client: paramiko.SSHClient) -> str:
    """The IP address that a client is connected to, as `known_hosts` names it; empty on a way through others."""
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
