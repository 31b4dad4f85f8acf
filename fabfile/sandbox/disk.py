"""Identity of a host: files written to the topmost layer of its disk.

They go straight into the upper folder of the overlay, so nothing has to be mounted.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import SandboxError
from . import inherit
from .inherit import HostFile
from .keys import KeyPair
from .store import write_file


def identity(name: str, address: str, subnet: IPv4Network, host_key: KeyPair, authorized_key: str) -> list[HostFile]:
    """Build the files that differ from host to host."""
    network = (
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={address}/{subnet.prefixlen}\nGateway={subnet.network_address + 1}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
    # Until that service has run, pam_nologin(8) admits only root: an SSH server that answers earlier misleads.
    late_ssh = b"[Unit]\nAfter=systemd-user-sessions.service\n"
    return [
        HostFile("/etc/hostname", f"{name}\n".encode()),
        HostFile("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n".encode()),
        HostFile("/etc/machine-id", f"{uuid.uuid4().hex}\n".encode(), 0o444),
        HostFile("/etc/systemd/network/10-host0.network", network.encode()),
        HostFile("/etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600),
        HostFile("/etc/ssh/ssh_host_ed25519_key.pub", f"{host_key.public}\n".encode()),
        HostFile("/etc/systemd/system/ssh.service.d/sandbox.conf", late_ssh),
        HostFile("/root/.ssh/authorized_keys", f"{authorized_key}\n".encode(), 0o600),
        HostFile("/etc/resolv.conf", inherit.resolv_conf().encode()),
    ]


def environment(lower: Sequence[Path], gateway: str) -> list[HostFile]:
    """Add the proxies of this machine to the base's /etc/environment."""
    lines = inherit.environment_lines(gateway)
    own = next((path for layer in lower if (path := layer / "etc/environment").is_file()), None)
    return [HostFile("/etc/environment", ((own.read_text() if own else "") + lines).encode())] if lines else []


def put(upper: Path, lower: Sequence[Path], files: Sequence[HostFile]) -> None:
    """Write files to a disk that is not in use; folders keep owner and mode of the layers below."""
    for file in files:
        target = upper / file.path.lstrip("/")
        _make_folder(upper, lower, target.parent)
        write_file(target, file.data, file.mode)


def require_file_system(folder: Path, mounts: str = "/proc/self/mountinfo") -> None:
    """Check that the folder of the disks can carry overlays: an overlay, as in a container, cannot.

    :param mounts: the table of mounts (proc(5)).
    :raises SandboxError: it cannot; the message names a way out.
    """
    kinds = {}
    for line in Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        kinds[Path(before.split()[4])] = after.split()[0]
    mount = next((place for place in (folder, *folder.parents) if place in kinds), None)
    if mount is not None and kinds[mount] == "overlay":
        raise SandboxError(
            f"{folder} is on an overlay file system, as in a container, which cannot carry the disks of sandbox hosts. "
            f"Mount another there, such as: mkdir -p {folder} && mount -t tmpfs tmpfs {folder}"
        )


def new(upper: Path) -> None:
    """Make an empty disk."""
    upper.mkdir(parents=True, exist_ok=True)
    upper.chmod(0o755)  # the host's "/", whatever the umask


def refresh_resolv_conf(upper: Path) -> None:
    """Update the name servers: this machine may have changed networks since the host last ran."""
    path = upper / "etc/resolv.conf"
    if path.is_file() and not path.is_symlink():
        text = inherit.resolv_conf().encode()
        if path.read_bytes() != text:
            write_file(path, text, 0o644)


def _make_folder(upper: Path, lower: Sequence[Path], folder: Path) -> None:
    if folder == upper or folder.is_dir():
        return
    _make_folder(upper, lower, folder.parent)
    folder.mkdir()
    folder.chmod(0o700 if folder.name == ".ssh" else 0o755)  # whatever the umask
    below = next((path for layer in lower if (path := layer / folder.relative_to(upper)).is_dir()), None)
    if below is not None:
        shutil.copystat(below, folder)
        owner = below.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
