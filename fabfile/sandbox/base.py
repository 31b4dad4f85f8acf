"""Bases: one fresh Debian or Ubuntu per suite, shared by all projects.

    /var/cache/hostsmith/<suite>-<fingerprint>/           a finished base, never changed again
    /var/cache/hostsmith/<suite>-<fingerprint>.partial/   one being made, or left by a killed run

debootstrap makes them. The fingerprint covers all inputs, so a change of the recipe, the mirror or the trusted
certificates makes a new base.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SandboxError
from . import inherit, sources, tools
from .store import CACHE_ROOT, STATE_ROOT, all_states, locked, write_file
from .tools import Progress

_RECIPE = 1  # raise it when `_set_up` changes what is in a base
_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)
# debootstrap and its children die with this process; its mounts are private.
_CONTAINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
_IN_BASE = 'mount -t proc proc "$1/proc" && cd / && exec chroot "$@"'
_PHASES = {
    "Retrieving": "fetching packages",
    "Validating": "fetching packages",
    "Extracting": "unpacking the core",
    "Unpacking": "unpacking packages",
    "Configuring": "configuring packages",
}


@contextmanager
def ready(suite: str | None, progress: Progress, cache: Path = CACHE_ROOT) -> Iterator[tuple[str, sources.BasePlan]]:
    """Yield the name of a finished base of a suite, made if missing; it is kept while the `with` block runs.

    :param suite: None for this machine's own.
    :raises SandboxError: no such suite, or the base could not be made.
    """
    architecture = tools.call(["dpkg", "--print-architecture"], what="asking for the architecture").strip()
    plan = sources.plan(suite, architecture=architecture)
    trusted = inherit.certificates()
    name = f"{plan.suite}-{_fingerprint(plan, architecture, trusted)}"
    _private_folder(cache)

    def waiting() -> None:
        progress(f"{plan.suite}: waiting for another run that is making this base")

    with locked(cache / f"{name}.lock", waiting):
        if not (cache / name).exists():
            _make(cache / name, plan, architecture, trusted, progress)
            remove_unused(f"{plan.suite}-", keep=name, cache=cache)
        yield name, plan


def rootfs(name: str, cache: Path = CACHE_ROOT) -> Path:
    return cache / name


def remove_unused(prefix: str = "", keep: str = "", cache: Path = CACHE_ROOT, states: Path = STATE_ROOT) -> None:
    """Remove the bases that no project uses, and unfinished ones that killed runs left.

    :param prefix: only bases whose names begin so ("bookworm-").
    :param keep: the one whose lock the caller holds.
    """
    for lock in sorted(cache.glob(f"{prefix}*.lock")):
        name = lock.name.removesuffix(".lock")
        if name == keep:
            continue
        with locked_if_free(lock) as free:
            if not free:
                continue
            used = {base for state in all_states(states) for base in state.bases()}
            _clear(cache / f"{name}.partial")
            if name not in used:
                # Renamed first: a base is either complete or known to be partial.
                if (cache / name).exists():
                    (cache / name).rename(cache / f"{name}.partial")
                    _clear(cache / f"{name}.partial")
                lock.unlink()
    with contextlib.suppress(OSError):  # not empty, or a mount point
        cache.rmdir()


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does; yields whether it is held."""

    class _BusyError(Exception):
        pass

    def busy() -> None:
        raise _BusyError

    try:
        with locked(path, busy):
            yield True
    except _BusyError:
        yield False


def _fingerprint(plan: sources.BasePlan, architecture: str, trusted: set[str]) -> str:
    recipe = [_RECIPE, _PACKAGES, architecture, plan.mirror, plan.deb822(), sorted(trusted)]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def _private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)  # holds set-user-id programs of an unpatched system, and this machine's apt credentials


def _make(target: Path, plan: sources.BasePlan, architecture: str, trusted: set[str], progress: Progress) -> None:
    partial = target.with_name(f"{target.name}.partial")
    if partial.exists():
        progress(f"{plan.suite}: clearing an unfinished base that a killed run left")
        _clear(partial)
    progress(f"{plan.suite}: making the base (once for each suite, about a minute)")
    partial.mkdir()
    partial.chmod(0o755)  # becomes the hosts' "/"
    try:
        _debootstrap(partial, plan, architecture, progress)
        _set_up(partial, plan, trusted, progress)
    except BaseException:
        _clear(partial)
        raise
    os.sync()  # a power failure must not leave a base with truncated files
    partial.rename(target)
    progress(f"{plan.suite}: the base is ready")


def _debootstrap(root: Path, plan: sources.BasePlan, architecture: str, progress: Progress) -> None:
    argv = [
        *_CONTAINED,
        "--mount-proc",
        "debootstrap",
        "--variant=minbase",
        f"--arch={architecture}",
        f"--include={','.join(_PACKAGES)}",
        f"--components={','.join(plan.components)}",
        *_signature_options(plan, root),
        plan.suite,
        str(root),
        plan.mirror,
        plan.script,
    ]
    phase = ""
    last: list[str] = []
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=tools.environment(),
        umask=0o022,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last, line.strip()][-5:]
                words = line.split()
                now = _PHASES.get(words[1], "") if len(words) > 1 and words[0] == "I:" else ""
                if now and now != phase:
                    phase = now
                    progress(f"{plan.suite}: {phase}")
        except BaseException:
            process.kill()  # Ctrl-C does not reach it: it is the first process of its namespace
            raise
    if process.returncode != 0:
        output = "\n  ".join([*last, *_log_tail(root)])
        raise SandboxError(f"debootstrap could not make a {plan.suite} base from {plan.mirror}:\n  {output}")


def _log_tail(root: Path) -> list[str]:
    try:
        return (root / "debootstrap/debootstrap.log").read_text(errors="replace").splitlines()[-5:]
    except OSError:
        return []


def _signature_options(plan: sources.BasePlan, root: Path) -> list[str]:
    if plan.trusted:
        return ["--no-check-gpg"]
    signed_by = plan.signed_by
    if signed_by is None:
        return ["--force-check-gpg"]
    if "BEGIN PGP" not in signed_by:
        return ["--force-check-gpg", f"--keyring={signed_by.split()[0]}"]
    # A key inside the source, as deb822 writes it: each line indented, an empty one as a dot.
    lines = [line.strip() for line in signed_by.strip().splitlines()]
    keyring = root.with_name(f"{root.name}.asc")
    keyring.write_text("\n".join("" if line == "." else line for line in lines) + "\n")
    return ["--force-check-gpg", f"--keyring={keyring}"]


def _set_up(root: Path, plan: sources.BasePlan, trusted: set[str], progress: Progress) -> None:
    for file in [*inherit.apt_files(plan, None), inherit.HostFile("/etc/resolv.conf", inherit.resolv_conf().encode())]:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, file.data, file.mode)
    _trust(root, plan, trusted)
    progress(f"{plan.suite}: installing updates")
    _inside(root, ["apt-get", "-q", "update"], "reading the package lists")
    _inside(root, ["apt-get", "-q", "-y", "dist-upgrade"], "installing updates")
    _inside(root, ["apt-get", "clean"], "clearing the package cache")
    _inside(root, ["systemctl", "enable", "systemd-networkd.service"], "enabling systemd-networkd")
    # Each host gets its identity when it is made.
    for path in [*root.glob("etc/ssh/ssh_host_*"), root / "etc/hostname", root / "etc/resolv.conf"]:
        path.unlink(missing_ok=True)
    (root / "etc/machine-id").unlink(missing_ok=True)
    (root / "etc/machine-id").touch(mode=0o444)
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    root.with_name(f"{root.name}.asc").unlink(missing_ok=True)


def _trust(root: Path, plan: sources.BasePlan, trusted: set[str]) -> None:
    """Copy this machine's trusted certificates into the base so that upgrades of ca-certificates keep them."""
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    held = bundle.read_text(errors="replace") if bundle.exists() else ""
    folder = root / "usr/local/share/ca-certificates"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for block in inherit.missing_certificates(held, trusted):
        name = hashlib.sha256(block.encode()).hexdigest()[:16]
        write_file(folder / f"machine-{name}.crt", f"{block}\n".encode(), 0o644)
    _inside(root, ["update-ca-certificates"], f"setting up the certificates of {plan.suite}")


def _inside(root: Path, argv: list[str], what: str) -> None:
    tools.call([*_CONTAINED, "--", "sh", "-c", _IN_BASE, "sh", str(root), *argv], what=what)


def _clear(path: Path) -> None:
    path.with_name(f"{path.name}.asc").unlink(missing_ok=True)
    if path.exists():
        _detach(path)
        shutil.rmtree(path)


def _detach(path: Path) -> None:
    """Unmount everything inside a folder before its removal: never delete through a mount."""
    mounted = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        point = line.split()[1].encode().decode("unicode_escape")
        if Path(point) == path or path in Path(point).parents:
            mounted.append(point)
    for point in sorted(mounted, reverse=True):
        tools.call(["umount", "--lazy", point], what=f"unmounting {point}")
