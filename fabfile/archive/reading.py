"""An archive that is to be put back: read as a whole, and found to be this project's, before anything is touched."""

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
from .sealed import bound_to, opened

if TYPE_CHECKING:
    from ..environment.secret_file import Key
    from ..settings import Settings

_GZIP, _PIECE = 31, 1 << 20
# Bytes that the environment of an app may have, which is read into memory.
_LARGEST = 1 << 26


def manifest(path: Path) -> dict[str, Any]:
    """What an archive says of itself."""
    return Archive(str(path)).manifest()


@dataclass(frozen=True)
class Readable:
    """An archive that is whole and this project's.

    :param manifest: what it says of itself.
    :param key: with which it is encrypted; None when it is not.
    """

    archive: Archive
    manifest: Mapping[str, Any]
    key: Key | None

    @property
    def names(self) -> list[str]:
        """The names of its parts."""
        return [part["name"] for part in self.manifest["parts"]]

    def pieces(self, name: str) -> Iterator[bytes]:
        """A part, gzipped and piece by piece.

        :raises BackupError: it was changed.
        """
        part = next(part for part in self.manifest["parts"] if part["name"] == name)
        found = self.archive.read(part["file"])
        if self.key is None:
            return found
        return opened(self.key, bound_to(self.manifest, name), found, f"{self.archive.path}: {name}")

    def environment(self) -> dict[str, Any]:
        """The part `environment`: what the query `kept_variables` answered; empty when the archive has none."""
        if ENVIRONMENT not in self.names:
            return {}
        with contextlib.suppress(ValueError):
            answer = read_json(b"".join(_unpacked(self.pieces(ENVIRONMENT))))
            # It goes to all hosts.
            if is_kept(answer):
                return dict(answer)
        raise BackupError(f"{self.archive.path}: {ENVIRONMENT} is not as `fab backup` writes it; take another archive")

    @property
    def variables(self) -> list[str]:
        """The names of the variables that it sets."""
        found = self.environment()
        return sorted({*(found.get("variables") or {}).get("chosen", {}), *(found.get("generated") or {})})

    def check(self) -> None:
        """Decrypt and unpack all parts, without keeping them.

        :raises BackupError: one cannot be, or has another size than it says.
        """
        for part in self.manifest["parts"]:
            size = 0
            try:
                for piece in _unpacked(self.pieces(part["name"])):
                    size += len(piece)
                    if size > part["plain"] or (part["name"] == ENVIRONMENT and size > _LARGEST):
                        raise EOFError("it is larger than it says")
            except (zlib.error, EOFError) as error:
                raise BackupError(f"{self.archive.path}: {part['name']} cannot be unpacked: {error}") from None
            if size != part["plain"]:
                raise BackupError(
                    f"{self.archive.path}: {part['name']}: found {size} bytes in it, expected {part['plain']}"
                )
        self.environment()


def readable(path: str, settings: Settings, known: Sequence[Part]) -> Readable:
    """An archive, if it can be put back wholly.

    :param known: the parts that the project has.
    :raises BackupError: it is not whole, another app's, or has a part that the project does not know.
    :raises SecretsError: it is encrypted, and there is no key.
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
            f"{path}: found {', '.join(unknown)} in it, expected no more than {', '.join(sorted(ready))}; add it to "
            "`services` in fabric.yaml, and `fab provision`"
        )
    stamp = re.fullmatch(rf"{re.escape(settings.app)}-[0-9]{{8}}-[0-9]{{6}}\.tar", Path(path).name)
    if stamp and stamp[0] != file_name(settings.app, _seconds(manifest["created"])):
        raise BackupError(
            f"{path}: found an archive of {manifest['created']} under this name; somebody may have put it in the place "
            "of another. Rename it if it is the one that you want"
        )
    found = Readable(archive, manifest, _key(path, manifest["key"], settings))
    found.check()
    return found


def require_encrypted(found: Readable, settings: Settings) -> None:
    """Refuse an archive that anybody can have written, where the project has a key.

    :raises BackupError: it is not encrypted, and there is a key.
    """
    if found.key is None and has_key(settings):
        raise BackupError(
            f"{found.archive.path}: found that it is not encrypted, expected it to be, since the project has a key: "
            "whoever can write to where it lay may have made it. If you trust it as you trust your fabfile, pass "
            "--unencrypted"
        )


def _seconds(created: str) -> float:
    """The time that a manifest says; 0 for one that there is not."""
    try:
        return calendar.timegm(time.strptime(created, "%Y-%m-%d %H:%M:%SZ"))
    except ValueError:
        return 0


def _key(path: str, wanted: str | None, settings: Settings) -> Key | None:
    if wanted is None:
        return None
    key = find_key(settings)
    if key.id != wanted:
        raise BackupError(
            f"{path}: found that it was encrypted with the key {wanted}, expected {key.id}, the project's"
        )
    return key


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What was gzipped, in pieces that fit into memory however well it was packed.

    :raises zlib.error, EOFError: it was not, or it was cut off.
    """
    unpacking = zlib.decompressobj(_GZIP)
    for piece in pieces:
        while piece:
            yield unpacking.decompress(piece, _PIECE)
            piece = unpacking.unconsumed_tail
    yield unpacking.flush()
    if not unpacking.eof:
        raise EOFError("it was cut off")
