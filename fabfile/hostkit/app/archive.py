"""Backup archives of an app's data: streamed writer and strict reader.

An archive is a tar file. It has a gzipped member for each part, then `manifest.json`, which describes them, then
`SHA256SUMS`, as `sha256sum --check` reads it. An encrypted part has `.enc` after its name.

An archive is untrusted: anything that `Writer` would not have written is refused before it is used.
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

from ...contract.base import ResourceError
from ...contract.checks import all_of, anything, exactly, optional, record, size, text
from ...contract.strict_json import read_json
from .members import TarMember, member_name, members_of, pieces

FORMAT = 1
_MANIFEST, _SUMS = "manifest.json", "SHA256SUMS"
# Limit in bytes of these two; no more than that is ever read into memory.
_LARGEST = 1 << 20
ENCRYPTED = ".enc"
# Limit of members in an archive: one for each service, and few more.
_MOST = 100
_line = text(r"[^\x00-\x1f\x7f]{0,1000}")
_sum = text(r"[0-9a-f]{64}")
_is_whole = record(
    format=exactly(FORMAT),
    app=text(r"[a-z][a-z0-9-]{0,30}"),
    created=text(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    release=_line,
    revision=optional(_line),
    versions=optional(anything),
    contents=all_of(list, member_name),
    key=optional(text(r"[0-9a-f]{16}")),
    parts=all_of(list, record(name=member_name, file=member_name, size=size, sha256=_sum, plain=size)),
)


class ArchiveError(ResourceError):
    """A file that is not a valid or complete archive."""


def file_name(app: str, created: float) -> str:
    """Return the name of an archive; those of an app sort by time."""
    return f"{app}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(created))}.tar"


def header(
    app: str, created: float, live: Mapping[str, Any] | None, contents: Sequence[str], hostsmith: str, key: str | None
) -> dict[str, Any]:
    """Return a manifest without its parts.

    :param created: seconds since 1970.
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
    """A part that is being written: counts bytes on their way to the file.

    :param plain: size of the part before compression and encryption, for the manifest; the caller sets it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sum = file, hashlib.sha256()
        self.size = self.plain = 0

    def write(self, data: bytes) -> None:
        """Add bytes to the file."""
        self._file.write(data)
        self._sum.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """The checksum of all bytes so far."""
        return self._sum.hexdigest()


class Writer:
    """Writes an archive in a `with` block, under a temporary name until `finish`.

    :param path: final path of the archive.
    :param header: the manifest without its parts.
    """

    def __init__(self, path: str, header: Mapping[str, Any]) -> None:
        self._path, self._header = path, header
        folder, name = os.path.split(path)
        # Private from the first byte on: mkstemp(3) creates it with mode 0600.
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
        """For a `with` block, write a part.

        :param suffix: of its member, after `.gz`.
        """
        with self._member(f"{name}.gz{suffix}") as part:
            yield part
        self._parts.append(
            {"name": name, "file": f"{name}.gz{suffix}", "size": part.size, "sha256": part.sha256, "plain": part.plain}
        )

    def finish(self) -> None:
        """Write the manifest and the checksums, verify all of it, and rename the archive."""
        manifest = {"format": FORMAT, **self._header, "parts": self._parts}
        self._add(_MANIFEST, json.dumps(manifest, indent=1) + "\n")
        self._add(_SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in self._sums.items()))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.flush()
        os.fsync(self._file.fileno())
        Archive(self._temporary).verify()
        os.rename(self._temporary, self._path)
        # Not by `filesystem`: on the user's own machine, the path may contain links of the user's.
        folder = os.open(os.path.dirname(self._path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _add(self, name: str, text: str) -> None:
        with self._member(name) as member:
            member.write(text.encode())

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[PartWriter]:
        """Write a member of the tar file; its header, with the size, is filled in afterwards."""
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
    """An untrusted archive.

    :param path: of the file.
    """

    path: str

    def verify(self) -> dict[str, Any]:
        """Read all of it and compare it with its checksums.

        :returns: the manifest.
        :raises ArchiveError: it is not valid or complete.
        """
        with self._opened() as file:
            return self._verified(file, members_of(file, _MOST))

    def manifest(self) -> dict[str, Any]:
        """Read the manifest, without checking the parts.

        :raises ArchiveError: there is no valid manifest.
        """
        with self._opened() as file:
            return self._manifest(_text(file, members_of(file, _MOST), _MANIFEST))

    def read(self, file: str) -> Iterator[bytes]:
        """Yield the bytes of a member, piece by piece."""
        with self._opened() as raw:
            yield from pieces(raw, members_of(raw, _MOST)[file])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with open(self.path, "rb") as file:
                yield file
        except (tarfile.TarError, EOFError, KeyError) as error:
            raise self._damaged(str(error)) from None
        except OSError as error:
            raise ArchiveError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    def _verified(self, file: BinaryIO, members: Mapping[str, TarMember]) -> dict[str, Any]:
        if not members or [*members][-1] != _SUMS:
            raise self._damaged(f"its end, {_SUMS}, is missing")
        lines = (line.partition("  ") for line in _text(file, members, _SUMS).splitlines())
        sums = {name: sha256 for sha256, _, name in lines}
        if [*members][:-1] != list(sums):
            raise self._damaged(f"its members are not those of {_SUMS}")
        for name, expected in sums.items():
            found = hashlib.sha256()
            for piece in pieces(file, members[name]):
                found.update(piece)
            if found.hexdigest() != expected:
                raise self._damaged(f"the checksum of {name} does not match")
        manifest = self._manifest(_text(file, members, _MANIFEST))
        files = [part["file"] for part in manifest["parts"]]
        names = [part["name"] for part in manifest["parts"]]
        ending = ENCRYPTED if manifest["key"] else ""
        if [*files, _MANIFEST] != list(sums) or names != manifest["contents"]:
            raise self._damaged(f"its members are not those of {_MANIFEST}")
        if files != [f"{name}.gz{ending}" for name in names]:
            raise self._damaged(f"the names of its members do not match the key in {_MANIFEST}")
        return manifest

    def _manifest(self, text: str) -> dict[str, Any]:
        try:
            manifest = read_json(text)
            found = manifest["format"]
        except (ValueError, TypeError, KeyError):
            raise self._damaged(f"{_MANIFEST} cannot be read") from None
        if found != FORMAT:
            raise ArchiveError(
                f"{self.path}: found format {found!r}, expected {FORMAT}; use the version of hostsmith that wrote it"
            )
        if not _is_whole(manifest):
            raise self._damaged(f"{_MANIFEST} has missing or invalid fields")
        return dict(manifest)

    def _damaged(self, why: str) -> ArchiveError:
        return ArchiveError(
            f"{self.path}: not a complete archive of `fab backup`: {why}; it was cut off or damaged, use another one"
        )


def _text(file: BinaryIO, members: Mapping[str, TarMember], name: str) -> str:
    member = members[name]
    if member.size > _LARGEST:
        raise EOFError(f"{name} has {member.size} bytes")
    return b"".join(pieces(file, member)).decode("utf-8", "replace")
