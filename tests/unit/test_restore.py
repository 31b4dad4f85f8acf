"""Which archives are put back, and what a release gets of the values in them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostsmith.archive.encryption import Encryptor, associated_data
from hostsmith.archive.reader import VerifiedArchive, open_archive, require_encrypted
from hostsmith.archive.restore import with_values_of
from hostsmith.contract.secret import Secret
from hostsmith.environment.secret_file import Key
from hostsmith.environment.variables import Kept
from hostsmith.errors import BackupError, SecretsError
from hostsmith.hostkit.app.archive import ENCRYPTED, Writer, header
from hostsmith.hostkit.app.layout import Record
from hostsmith.hostkit.app.variables import Variable, Variables
from hostsmith.hostkit.linux import pipes
from hostsmith.inventory.parts import parts
from hostsmith.inventory.project import settings_of
from hostsmith.tasks.backup import _is_seen_by_git

KEY = Key.new()


def _archive(path: Path, app: str = "hello", key: Key | None = None, **contents: bytes) -> str:
    said = header(app, 0, None, list(contents), "1", key.id if key else None)
    with Writer(str(path / "x.tar"), said) as writer:
        for name, data in contents.items():
            with writer.part(name, ENCRYPTED if key else "") as part:
                part.plain = len(data)
                if key is None:
                    part.write(pipes.packed(data))
                    continue
                encryptor = Encryptor(key, associated_data(said, name), part.write)
                encryptor.write(pipes.packed(data))
                encryptor.close()
        writer.finish()
    return str(path / "x.tar")


_ENVIRONMENT = b'{"live": null, "bad": [], "variables": null, "generated": {"SECRET": "x"}}'


def _read(path: str) -> VerifiedArchive:
    settings = settings_of(app="hello", services=["postgres"])
    return open_archive(path, settings, parts(settings))


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOSTSMITH_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_an_archive_of_the_app_is_read(tmp_path: Path) -> None:
    found = _read(_archive(tmp_path, environment=_ENVIRONMENT, files=b"x" * 100_000))
    assert found.names == ["environment", "files"]
    assert found.environment() == json.loads(_ENVIRONMENT)
    assert _read(_archive(tmp_path, postgres=b"")).environment() == {}


def test_an_encrypted_archive_is_read_with_the_projects_key_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _archive(tmp_path, key=KEY, environment=_ENVIRONMENT, files=b"secret" * 50_000)
    assert b"secret" not in Path(path).read_bytes()
    with pytest.raises(SecretsError, match="its key is missing"):
        _read(path)
    monkeypatch.setenv("HOSTSMITH_KEY", Key.new().text)
    with pytest.raises(BackupError, match=f"encrypted with the key {KEY.id}, expected"):
        _read(path)
    monkeypatch.setenv("HOSTSMITH_KEY", KEY.text)
    assert _read(path).environment() == json.loads(_ENVIRONMENT)


_WRONG: dict[str, tuple[Callable[[Path], str], str]] = {
    "another app's": (lambda path: _archive(path, "blog", files=b""), "of the app blog, expected one of hello"),
    "another service's": (lambda path: _archive(path, search=b"", files=b""), "found the parts search, expected only"),
    "not there": (lambda path: str(path / "none.tar"), "none.tar: cannot be read: No such file"),
    "a folder": (str, "cannot be read: Is a directory"),
}


@pytest.mark.parametrize("what", _WRONG)
def test_what_cannot_be_put_back_is_refused_and_said_why(tmp_path: Path, what: str) -> None:
    make, told = _WRONG[what]
    path = make(tmp_path)
    with pytest.raises(BackupError, match=told):
        _read(path)


_NAMES = b'{"generated": {}, "variables": {"since": "", "given": {}, "chosen": {%s}}}'


@pytest.mark.parametrize(
    "environment",
    [
        _NAMES % b'"A=1\\nid > /tmp/x\\nB": "x"',
        _NAMES % b'"A": 1',
        _NAMES % b'"A": "\\u0000"',
        _NAMES % b'"A": "1", "A": "2"',
        _NAMES % b'"A": "\\ud800"',
        b'{"generated": {"A B": "x"}}',
        b"[" * 100_000,
        b"[]",
        b"NaN",
    ],
)
def test_variables_that_no_host_would_have_are_not_passed_on_to_hosts(tmp_path: Path, environment: bytes) -> None:
    with pytest.raises(BackupError, match="environment is not as `fab backup` writes it"):
        _read(_archive(tmp_path, environment=environment))


def test_an_archive_that_anybody_can_have_written_is_refused_where_the_project_has_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(app="hello")
    plain = _read(_archive(tmp_path, files=b""))
    require_encrypted(plain, settings)
    monkeypatch.setenv("HOSTSMITH_KEY", KEY.text)
    require_encrypted(_read(_archive(tmp_path, key=KEY, files=b"")), settings)
    with pytest.raises(BackupError, match="pass --unencrypted"):
        require_encrypted(plain, settings)
    monkeypatch.delenv("HOSTSMITH_KEY")
    (tmp_path / "hostsmith").mkdir()
    (tmp_path / "hostsmith" / "hello.key").touch()
    with pytest.raises(BackupError, match="pass --unencrypted"):
        require_encrypted(plain, settings)


def test_an_archive_in_the_place_of_another_is_told_by_its_name(tmp_path: Path) -> None:
    path = Path(_archive(tmp_path, files=b""))
    created = _read(str(path)).manifest["created"]
    own = path.with_name(f"hello-{re.sub('[-: Z]', '', created)[:8]}-{re.sub('[-: Z]', '', created)[8:]}.tar")
    path.rename(own)
    _read(str(own))
    with pytest.raises(BackupError, match="it may have replaced another one"):
        _read(str(own.rename(path.with_name("hello-20991231-000000.tar"))))


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({"format": 2}, "found format 2, expected 1"),
        ({"format": 1}, "missing or invalid"),
        ({}, "cannot be read"),
        ([], "cannot be read"),
        (
            {"format": 1, **header("hello", 0, None, ["files"], "1", None), "parts": [{}]},
            "has missing or invalid fields",
        ),
        ({"format": 1, **header("hello", 0, None, ["files"], "1", None), "parts": []}, "members are not those"),
    ],
)
def test_a_manifest_that_we_never_wrote_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: Any, told: str
) -> None:
    monkeypatch.setattr("hostsmith.hostkit.app.archive.Archive.verify", lambda self: None)
    dumps = json.dumps
    monkeypatch.setattr("hostsmith.hostkit.app.archive.json.dumps", lambda *args, **more: dumps(manifest))
    path = _archive(tmp_path)
    monkeypatch.undo()
    with pytest.raises(BackupError, match=told):
        _read(path)


def test_a_restored_release_gets_what_the_hosts_keep_and_not_what_the_settings_or_a_service_give() -> None:
    def given(**values: str) -> dict[str, Variable]:
        origins = {"SECRET": "generated", "DATABASE_URL": "postgres", "DEBUG": "settings"}
        return {name: Variable(Secret(value), origins[name]) for name, value in values.items()}

    now = Variables(given(SECRET="new", DATABASE_URL="new", DEBUG="new"), {"COLOUR": Secret("red")}, "r2")  # noqa: S106
    old = Variables(given(SECRET="old", DATABASE_URL="old", DEBUG="old"), {"SIZE": Secret("xl")}, "r1")  # noqa: S106
    kept = Kept("web1", Record("r2"), frozenset(), now, {"SECRET": Secret("new"), "OTHER": Secret("o")})
    archived = {"variables": old.to_json(), "generated": {"SECRET": "old"}}
    wanted = with_values_of(archived, kept, "r3")
    values = {name: each.text for name, each in wanted.variables.all().items()}
    assert values == {"SECRET": "old", "DATABASE_URL": "new", "DEBUG": "new", "SIZE": "xl"}
    assert {name: value.reveal() for name, value in wanted.generated.items()} == {"SECRET": "old", "OTHER": "o"}
    assert wanted.variables.since == "r3"
    unchanged = with_values_of({}, kept, "r3")
    assert unchanged.variables.all() == now.all()


def test_an_archive_that_git_would_take_along_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "hello.tar"
    assert not _is_seen_by_git(archive)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert _is_seen_by_git(archive)
    (tmp_path / ".gitignore").write_text("*.tar\n")
    assert not _is_seen_by_git(archive)
