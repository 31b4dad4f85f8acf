"""Program that writes a folder to standard output as a tar stream.

The app's user runs it, with one argument. SQLite itself copies a database as of one moment into a file beside it, even
while others write to it. So its writers wait for the disk, and not for the network.
"""

import contextlib
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO

_MAGIC = b"SQLite format 3\0"
# Files that SQLite keeps beside a database; the copy does not need them.
_BESIDE = ("-wal", "-shm", "-journal")
_PREFIX = ".hostsmith-copy-"
# Seconds to wait for the writers of a database.
_PATIENCE = 60


class _Whole:
    """A file padded to its announced size, in case it is truncated while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


def main(folder: str) -> None:
    """Write the folder and its content."""
    os.chdir(folder)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(".", recursive=False)
        for root, folders, files in os.walk(".", onerror=_stop):
            folders.sort()
            for name in sorted([*folders, *files]):
                # An entry that was removed in the meantime is skipped.
                with contextlib.suppress(FileNotFoundError):
                    _add(archive, f"{root}/{name}")


def _stop(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _add(archive: tarfile.TarFile, path: str) -> None:
    if os.path.basename(path).startswith(_PREFIX) or _is_beside_database(path):
        return
    info = archive.gettarinfo(path)
    # None: a socket, which cannot be archived.
    if info is None or not info.isreg():
        if info is not None:
            archive.addfile(info)
        return
    with _opened(path) as file:
        info.size = os.fstat(file.fileno()).st_size
        archive.addfile(info, _Whole(file))


def _is_beside_database(path: str) -> bool:
    return any(path.endswith(end) and _is_database(path[: -len(end)]) for end in _BESIDE)


def _is_database(path: str) -> bool:
    if not os.path.isfile(path) or os.path.islink(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if _is_database(path):
        with tempfile.NamedTemporaryFile(prefix=_PREFIX, dir=".") as copy:
            if _copied(path, copy.name):
                yield copy
                return
    with open(path, "rb") as file:
        yield file


def _copied(path: str, to: str) -> bool:
    """Copy a database with SQLite; return False for a file that only begins like one."""
    closing, connect = contextlib.closing, sqlite3.connect
    with closing(connect(path, timeout=_PATIENCE)) as source, closing(connect(to)) as target:
        try:
            source.backup(target)
        except sqlite3.OperationalError:
            # A writer holds it for too long, or the disk is full.
            raise
        except sqlite3.DatabaseError:
            return False
    return True


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except PermissionError as error:
        sys.exit(f"{sys.argv[1]}: the app's user cannot read {error.filename}; give it to the app, or move it away")
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
