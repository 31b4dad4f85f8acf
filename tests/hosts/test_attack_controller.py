"""In an attacker's shoes: somebody between a controller and its hosts, and another user of either machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def host(boot: Callable[..., Vps]) -> Iterator[Vps]:
    vps = boot()
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(host: Vps, tmp_path: Path) -> Project:
    """A project whose user has never met the host."""
    found = make_project(tmp_path, host)
    (found.home / ".ssh" / "known_hosts").unlink()
    return found


def key_of(host: Vps) -> str:
    """The key that the host shows: in these tests, that of somebody who stands in its place."""
    return Path(host.target.known_hosts).read_text().split(maxsplit=1)[1].strip()


def new_key(folder: Path) -> str:
    """A key that is not the one that is shown: in these tests, that of the real host, or of an authority."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "other"], check=True)
    return " ".join((folder / "other.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    ("options", "files", "why"),
    [
        ("", {"known_hosts": "@revoked * KEY"}, "revoked"),
        ("", {"known_hosts": "@revoked * KEY\nHOST KEY"}, "revoked"),
        ("", {"known_hosts2": "HOST OTHER"}, "CHANGED"),
        ("", {"known_hosts": "@cert-authority * OTHER"}, "@cert-authority"),
        ("UserKnownHostsFile ~/.ssh/work", {"work": "HOST OTHER"}, "CHANGED"),
        ("UserKnownHostsFile ~/.ssh/a ~/.ssh/b", {"b": "HOST OTHER"}, "CHANGED"),
        ('UserKnownHostsFile "~/.ssh/w o r k"', {"w o r k": "HOST OTHER"}, "CHANGED"),
        ("GlobalKnownHostsFile ~/.ssh/all", {"all": "HOST OTHER"}, "CHANGED"),
        ("StrictHostKeyChecking yes", {}, "StrictHostKeyChecking"),
        ("HostKeyAlias web1\nStrictHostKeyChecking yes", {"known_hosts": "HOST KEY"}, "web1"),
        ("HostKeyAlias web1", {"known_hosts": "web1 OTHER"}, "CHANGED"),
        ("RevokedHostKeys ~/.ssh/revoked", {"revoked": "KEY"}, "revoked"),
        ("RevokedHostKeys ~/.ssh/not-there", {}, "RevokedHostKeys"),
        ("KnownHostsCommand /bin/echo", {}, "KnownHostsCommand"),
        ("HostKeyAlgorithms ecdsa-sha2-nistp521", {}, "host key"),
        ("HostKeyAlgorithms sk-ssh-ed25519@openssh.com", {}, "HostKeyAlgorithms"),
        ("Include ~/.ssh/more", {"more": "Host *\n StrictHostKeyChecking yes"}, "StrictHostKeyChecking"),
        ("Match final\nStrictHostKeyChecking yes", {}, "StrictHostKeyChecking"),
        ("NoSuchOption yes", {}, "nosuchoption"),
    ],
)
def test_a_host_that_ssh_would_refuse_is_refused(
    project: Project, tmp_path: Path, options: str, files: dict[str, str], why: str
) -> None:
    ssh = project.home / ".ssh"
    values = {"KEY": key_of(project.vps), "OTHER": new_key(tmp_path), "HOST": project.vps.address, "~": project.home}
    for name, text in {"config": options, **files}.items():
        for word, value in values.items():
            text = text.replace(word, str(value))
        (ssh / name).write_text(f"{text}\n")
    refused = project.fab("provision", "--dry-run", status=1)
    assert why in refused.stderr
    assert "a new host" not in refused.stderr
    assert {path.name for path in ssh.iterdir()} == {"config", *files}
