"""Archives of an app's data: written part by part without a temporary copy, and found to be whole or refused.

An archive is a tar file. It has a gzipped member for each part, then `manifest.json`, which says what they are, then
`SHA256SUMS`, as `sha256sum --check` reads it. An encrypted part is one of `sealed`'s, with `.enc` after its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO

from ..resources.base import ResourceError
from . import filesystem

FORMAT = 1
PIECE = 1 << 18
_MANIFEST, _SUMS = "manifest.json", "SHA256SUMS"
# So many bytes may these two have; no more than that is ever read into memory.
_LARGEST = 1 << 20
ENCRYPTED = ".enc"
# What a manifest has, and each of its parts.
_KEYS = frozenset({"app", "created", "release", "contents", "key", "parts"})
_OF_PART = frozenset({"name", "file", "size", "sha256", "plain"})


class ArchiveError(ResourceError):
    """A file that is no archive, or one that is not whole."""


def file_name(app: str, created: float) -> str:
    """The name of an archive; those of an app sort by time."""
    return f"{app}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(created))}.tar"


def header(
    app: str, created: float, live: Mapping[str, Any] | None, contents: Sequence[str], hostsmith: str, key: str | None
) -> dict[str, Any]:
    """What a manifest says besides its parts.

    :param created: when, in seconds since 1970.
    :param live: the record of the live release; None when there is none.
    :param contents: names of the parts.
    :param hostsmith: its version.
    :param key: id of the key that the parts are encrypted with; None when they are not.
    """
    return {
        "app": app,
        "created": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(created)),
        "release": (live or {}).get("id", ""),
        "revision": (live or {}).get("revision", ""),
        "versions": {"hostsmith": hostsmith},
        "contents": list(contents),
        "key": key,
    }


class PartWriter:
    """A part that is being written: bytes go to the file, and are counted.

    :param plain: bytes of the part before anything was done to them, for the manifest; for its filler to set.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sum = file, hashlib.sha256()
        self.size = self.plain = 0

    def write(self, data: bytes) -> None:
        """Add bytes, as they shall stand in the file."""
        self._file.write(data)
        self._sum.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """The checksum of all that was written."""
        return self._sum.hexdigest()


class Writer:
    """An archive that is being written, in a `with` block: under another name, which only `finish` changes.

    :param path: where it shall be.
    :param header: what the manifest says besides its parts.
    """

    def __init__(self, path: str, header: Mapping[str, Any]) -> None:
        self._path, self._header = path, header
        folder, name = os.path.split(path)
        # For nobody but us from its first byte on: mkstemp(3) makes it 0600.
        handle, self._temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder or ".")
        self._file = os.fdopen(handle, "w+b")
        self._parts: list[dict[str, Any]] = []
        self._sums: dict[str, str] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary)

    @contextlib.contextmanager
    def part(self, name: str, suffix: str = "") -> Iterator[PartWriter]:
        """A part, for the length of a `with` block.

        :param suffix: of its member, after `.gz`.
        """
        with self._member(f"{name}.gz{suffix}") as part:
            yield part
        self._parts.append(
            {"name": name, "file": f"{name}.gz{suffix}", "size": part.size, "sha256": part.sha256, "plain": part.plain}
        )

    def finish(self) -> None:
        """Write the manifest and the checksums, read all of it again, and give the archive its name."""
        manifest = {"format": FORMAT, **self._header, "parts": self._parts}
        self._add(_MANIFEST, json.dumps(manifest, indent=1) + "\n")
        self._add(_SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in self._sums.items()))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.flush()
        os.fsync(self._file.fileno())
        Archive(self._temporary).verify()
        os.rename(self._temporary, self._path)
        filesystem.sync_folder(os.path.dirname(self._path) or ".")

    def _add(self, name: str, text: str) -> None:
        with self._member(name) as member:
            member.write(text.encode())

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[PartWriter]:
        """A member of the tar file, whose size is written before it when it is known after it."""
        start = self._file.tell()
        self._file.write(bytes(tarfile.BLOCKSIZE))
        member = PartWriter(self._file)
        yield member
        self._file.write(bytes(-member.size % tarfile.BLOCKSIZE))
        end = self._file.tell()
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = member.size, 0o600, int(time.time())
        self._file.seek(start)
        self._file.write(info.tobuf(tarfile.GNU_FORMAT))
        self._file.seek(end)
        self._sums[name] = member.sha256


@dataclass(frozen=True)
class Archive:
    """An archive that somebody gave us.

    :param path: where it is.
    """

    path: str

    def verify(self) -> dict[str, Any]:
        """Read all of it, and compare it with its checksums.

        :returns: the manifest.
        :raises ArchiveError: it is not as it was written.
        """
        try:
            with open(self.path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
                return self._verified(archive)
        except (tarfile.TarError, EOFError) as error:
            raise self._damaged(str(error)) from None
        except OSError as error:
            raise ArchiveError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    def manifest(self) -> dict[str, Any]:
        """What it says of itself, without a look at its parts.

        :raises ArchiveError: it says nothing.
        """
        try:
            with open(self.path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
                return self._manifest(_text(archive, _MANIFEST))
        except (tarfile.TarError, EOFError, KeyError) as error:
            raise self._damaged(str(error)) from None
        except OSError as error:
            raise ArchiveError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    def read(self, file: str) -> Iterator[bytes]:
        """The bytes of a member, piece by piece."""
        with open(self.path, "rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            yield from _pieces(archive, archive.getmember(file))

    def _verified(self, archive: tarfile.TarFile) -> dict[str, Any]:
        members = archive.getmembers()
        if not members or members[-1].name != _SUMS:
            raise self._damaged(f"its end, {_SUMS}, is missing")
        lines = (line.partition("  ") for line in _text(archive, _SUMS).splitlines())
        sums = {name: sha256 for sha256, _, name in lines}
        if [member.name for member in members[:-1]] != list(sums):
            raise self._damaged(f"its members are not those of {_SUMS}")
        for member in members[:-1]:
            found = hashlib.sha256()
            for piece in _pieces(archive, member):
                found.update(piece)
            if found.hexdigest() != sums[member.name]:
                raise self._damaged(f"{member.name} has another checksum than when it was written")
        manifest = self._manifest(_text(archive, _MANIFEST))
        files = [part["file"] for part in manifest["parts"]]
        names = [part["name"] for part in manifest["parts"]]
        if [*files, _MANIFEST] != list(sums) or names != manifest["contents"]:
            raise self._damaged(f"its members are not those of {_MANIFEST}")
        return manifest

    def _manifest(self, text: str) -> dict[str, Any]:
        try:
            manifest = json.loads(text)
            found = manifest["format"]
            whole = set(manifest) >= _KEYS and all(set(part) == _OF_PART for part in manifest["parts"])
        except (ValueError, TypeError, KeyError):
            raise self._damaged(f"{_MANIFEST} cannot be read") from None
        if found == FORMAT and whole:
            return dict(manifest)
        if found == FORMAT:
            raise self._damaged(f"{_MANIFEST} does not say all that it should")
        raise ArchiveError(f"{self.path}: found format {found!r}, expected {FORMAT}; use the hostsmith that wrote it")

    def _damaged(self, why: str) -> ArchiveError:
        return ArchiveError(
            f"{self.path}: found no whole archive of `fab backup`: {why}; it was cut off or damaged, take another one"
        )


def _pieces(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """The bytes of a member.

    :raises EOFError: there are fewer than there should be.
    """
    file, left = archive.extractfile(member), member.size
    while left:
        piece = file.read(min(PIECE, left)) if file else b""
        if not piece:
            raise EOFError(f"{member.name} ends too early")
        left -= len(piece)
        yield piece


def _text(archive: tarfile.TarFile, name: str) -> str:
    member = archive.getmember(name)
    if member.size > _LARGEST:
        raise EOFError(f"{name} has {member.size} bytes")
    return b"".join(_pieces(archive, member)).decode("utf-8", "replace")
