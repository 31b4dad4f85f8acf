"""The setting `deployers`: public keys, each whole and without options, or files of them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hostsmith.errors import SettingsError
from hostsmith.recipes import deployers
from hostsmith.resources import Absent, File, Resource, Validated
from hostsmith.settings.project import Settings
from pydantic import ValidationError


def key(kind: str = "ssh-ed25519", comment: str = "alice") -> str:
    data = len(kind).to_bytes(4, "big") + kind.encode() + (32).to_bytes(4, "big") + bytes(range(32))
    return f"{kind} {base64.b64encode(data).decode()} {comment}".strip()


def make(project: Path = Path("/nowhere"), **values: Any) -> Settings:
    return Settings(app="shop", deployers=values).placed(project, {})


def files(resources: list[Resource]) -> dict[str, File]:
    inner = [each for r in resources for each in (r.resources if isinstance(r, Validated) else [r])]
    return {file.path: file for file in inner if isinstance(file, File)}


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"])
@pytest.mark.parametrize("comment", ["", "alice", "Alice B. <alice@example.org>"])
def test_keys_as_ssh_keygen_writes_them(kind: str, comment: str) -> None:
    assert make(keys=[f"  {key(kind, comment)}\n"]).deployers.keys == [key(kind, comment)]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'command="sh" {key()}', "remove the options before the key"),
        (f"no-pty {key()}", "remove the options before the key"),
        (key()[:40], "cut off or mistyped"),
        (key().replace("ssh-ed25519 ", "ssh-rsa "), "cut off or mistyped"),
        (f"{key()}\n{key(comment='eve')}", "one line"),
        (f"{key()}\x00", "one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private"),
        ("ssh-dss AAAA eve", ""),
        ("cert-authority", ""),
        ("alice", ""),
        ("", ""),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(keys=[text])
    cause = caught.value.errors()[0]["ctx"]["error"]
    assert "expected a public key such as" in str(cause)
    assert hint in cause.hint


@pytest.mark.parametrize("user", ["root", "www-data", "Deploy", "a b", "-x", "", "deploy\nroot", "ALL"])
def test_users_who_are_somebody_already_or_nobody(user: str) -> None:
    with pytest.raises(ValidationError):
        make(user=user)


def test_a_file_of_keys_is_read_from_the_project(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/team.pub").write_text(f"# the team\n{key()}\n\n{key(comment='bob')}\n")
    assert make(tmp_path, keys=["keys/team.pub", key()]).deployers.keys == [key(), key(comment="bob")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "keys/team.pub: No such file or directory; expected a public key"),
        ("# nobody\n", "the file has no key"),
        (f"from=1.2.3.4 {key()}\n", "the file has an invalid line"),
        (b"\xff\xfe", "not a text file"),
    ],
)
def test_a_file_without_keys_is_named(tmp_path: Path, content: str | bytes | None, problem: str) -> None:
    (tmp_path / "keys").mkdir()
    if content is not None:
        (tmp_path / "keys/team.pub").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=r"deployers\.keys: keys/team\.pub: ") as caught:
        make(tmp_path, keys=["keys/team.pub"])
    assert problem in str(caught.value)


def test_every_key_gets_the_gate_and_nothing_else_of_ssh() -> None:
    found = files(deployers.deployers(make(user="deploy-shop", keys=[key(), key(comment="bob")])))
    keys = found["/var/lib/hostsmith-deployers/shop/.ssh/authorized_keys"]
    assert (keys.mode, keys.owner) == (0o644, "root")
    _, *lines = str(keys.content).splitlines()
    assert lines == [
        f'restrict,command="sudo -n -- /usr/local/sbin/hostsmith-gate shop" {each}'
        for each in (key(), key(comment="bob"))
    ]
    rights = found["/etc/sudoers.d/hostsmith-shop"]
    assert (rights.mode, rights.owner, rights.group) == (0o440, "root", "root")
    assert "deploy-shop ALL=(root) NOPASSWD: /usr/local/sbin/hostsmith-gate shop\n" in str(rights.content)


def test_without_keys_the_way_in_is_closed() -> None:
    assert deployers.deployers(make()) == [
        Absent("/etc/sudoers.d/hostsmith-shop"),
        Absent("/var/lib/hostsmith-deployers/shop/.ssh/authorized_keys"),
    ]
