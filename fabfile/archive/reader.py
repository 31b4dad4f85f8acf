"""Archives to restore: verified as a whole before anything is changed."""

from __future__ import annotations

import calendar
import contextlib
import re
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..connection.answers import is_kept
from ..contract.strict_json import read_json
from ..environment.secret_key import find_key, has_key
from ..errors import BackupError
from ..hostkit.app.archive import Archive, ArchiveError, file_name
from ..inventory.parts import ENVIRONMENT, Part
from .encryption import associated_data, decrypt

if TYPE_CHECKING:
    from ..environment.secret_file import Key
    from ..settings import Settings

_GZIP, _PIECE = 31, 1 << 20
# Bytes that the environment of an app may have: it is read into memory.
_LARGEST = 1 << 26


def manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of an archive."""
    return Archive(str(path)).manifest()


@dataclass(frozen=True)
class VerifiedArchive:
    """A complete archive of this project.

    :param manifest: its description of itself.
    :param key: decrypts it; None when it is not encrypted.
    """

    archive: Archive
    manifest: Mapping[str, Any]
    key: Key | None

    @property
    def names(self) -> list[str]:
        """Names of its parts."""
        return [part["name"] for part in self.manifest["parts"]]

    def pieces(self, name: str) -> Iterator[bytes]:
        """Read a part as gzipped pieces.

        :raises BackupError: the part was changed.
        """
        part = next(part for part in self.manifest["parts"] if part["name"] == name)
        found = self.archive.read(part["file"])
        if self.key is None:
            return found
        return decrypt(self.key, associated_data(self.manifest, name), found, f"{self.archive.path}: {name}")

    def environment(self) -> dict[str, Any]:
        """Read the part `environment`, an answer to the query `kept_variables`; empty when the archive has none."""
        if ENVIRONMENT not in self.names:
            return {}
        with contextlib.suppress(ValueError):
            answer = read_json(b"".join(_unpacked(self.pieces(ENVIRONMENT))))
            # It goes to all hosts.
            if is_kept(answer):
                return dict(answer)
        raise BackupError(f"{self.archive.path}: {ENVIRONMENT} is not as `fab backup` writes it; use another archive")

    @property
    def variables(self) -> list[str]:
        """Names of the variables that it sets."""
        found = self.environment()
        return sorted({*(found.get("variables") or {}).get("chosen", {}), *(found.get("generated") or {})})

    def check(self) -> None:
        """Decrypt and unpack all parts without keeping them.

        :raises BackupError: a part cannot be unpacked, or its size is not that of the manifest.
        """
        for part in self.manifest["parts"]:
            size = 0
            try:
                for piece in _unpacked(self.pieces(part["name"])):
                    size += len(piece)
                    if size > part["plain"] or (part["name"] == ENVIRONMENT and size > _LARGEST):
                        raise EOFError("it is larger than the manifest says")
            except (zlib.error, EOFError) as error:
                raise BackupError(f"{self.archive.path}: {part['name']} cannot be unpacked: {error}") from None
            if size != part["plain"]:
                raise BackupError(f"{self.archive.path}: {part['name']}: found {size} bytes, expected {part['plain']}")
        self.environment()


def open_archive(path: str, settings: Settings, known: Sequence[Part]) -> VerifiedArchive:
    """Open an archive and verify that all of it can be restored.

    :param known: the parts that the project has.
    :raises BackupError: it is damaged, of another app, or has a part that the project lacks.
    :raises SecretsError: it is encrypted and there is no key.
    """
    archive = Archive(path)
    try:
        manifest = archive.verify()
    except ArchiveError as error:
        raise BackupError(str(error)) from None
    if manifest["app"] != settings.app:
        raise BackupError(f"{path}: found an archive of the app {manifest['app']}, expected one of {settings.app}")
    ready = {ENVIRONMENT, *(part.name for part in known if part.restore)}
    if unknown := [part["name"] for part in manifest["parts"] if part["name"] not in ready]:
        raise BackupError(
            f"{path}: found the parts {', '.join(unknown)}, expected only {', '.join(sorted(ready))}; add them to "
            "`services` in fabric.yaml and run `fab provision`"
        )
    stamp = re.fullmatch(rf"{re.escape(settings.app)}-[0-9]{{8}}-[0-9]{{6}}\.tar", Path(path).name)
    if stamp and stamp[0] != file_name(settings.app, _seconds(manifest["created"])):
        raise BackupError(
            f"{path}: found an archive of {manifest['created']} under this name; it may have replaced another one. "
            "Rename it if it is the one that you want"
        )
    found = VerifiedArchive(archive, manifest, _key(path, manifest["key"], settings))
    found.check()
    return found


def require_encrypted(found: VerifiedArchive, settings: Settings) -> None:
    """Refuse an archive without encryption when the project has a key.

    :raises BackupError: it is not encrypted and there is a key.
    """
    if found.key is None and has_key(settings):
        raise BackupError(
            f"{found.archive.path}: not encrypted, expected encryption because the project has a key: "
            "anyone with write access to its folder may have made it. If you trust it like your fabfile, pass "
            "--unencrypted"
        )


def _seconds(created: str) -> float:
    """Parse the time in a manifest; 0 when it is not valid."""
    try:
        return calendar.timegm(time.strptime(created, "%Y-%m-%d %H:%M:%SZ"))
    except ValueError:
        return 0


def _key(path: str, wanted: str | None, settings: Settings) -> Key | None:
    if wanted is None:
        return None
    key = find_key(settings)
    if key.id != wanted:
        raise BackupError(f"{path}: encrypted with the key {wanted}, expected the project's key {key.id}")
    return key


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip in pieces of limited size, whatever its compression ratio.

    :raises zlib.error, EOFError: it is not gzip, or was cut off.
    """
    unpacking = zlib.decompressobj(_GZIP)
    for piece in pieces:
        while piece:
            yield unpacking.decompress(piece, _PIECE)
            piece = unpacking.unconsumed_tail
    yield unpacking.flush()
    if not unpacking.eof:
        raise EOFError("it was cut off")
