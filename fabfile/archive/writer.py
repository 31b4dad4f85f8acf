"""Archive files: each part is streamed from its host into the file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import BackupError
from ..hostkit.app.archive import ENCRYPTED, ArchiveError, Writer, file_name, header
from ..hostkit.linux.pipes import packed
from ..inventory.parts import ENVIRONMENT, Part
from .encryption import Encryptor, associated_data

if TYPE_CHECKING:
    from ..environment.secret_file import Key
    from ..fleet import Member


def write_archive(
    app: str, folder: Path, located: Sequence[tuple[Part, Member]], main: Member, key: Key | None
) -> Path:
    """Write an archive.

    :param located: each part and the host that holds it.
    :param main: the host whose release and environment go into the archive.
    :param key: encrypts the archive; None leaves it unencrypted.
    :raises BackupError: the file cannot be written.
    :raises HostsmithError: a part could not be read. No archive is left then.
    """
    created = time.time()
    main.phase(ENVIRONMENT)
    kept = main.ask("kept_variables", app=app)
    names = [ENVIRONMENT, *(part.name for part, _ in located)]
    head = header(app, created, kept["live"], names, __version__, key.id if key else None)
    path = folder / file_name(app, created)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise BackupError(f"{path} already exists; try again in a second")
        with Writer(str(path), head) as writer:
            _Parts(writer, head, key).write_all(kept, located)
            writer.finish()
    except ArchiveError as error:
        raise BackupError(str(error)) from None
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror}; no archive was written") from None
    return path


class _Parts:
    """The parts of an archive, encrypted when there is a key."""

    def __init__(self, writer: Writer, head: Mapping[str, Any], key: Key | None) -> None:
        self._writer, self._header, self._key = writer, head, key

    def write_all(self, kept: Mapping[str, Any], located: Sequence[tuple[Part, Member]]) -> None:
        """Write the environment and the dumps of all hosts."""
        data = json.dumps(kept).encode()

        def environment(write: Any) -> int:
            write(packed(data))
            return len(data)

        self._write(ENVIRONMENT, environment)
        for part, member in located:
            member.phase(f"dump {part.name}")
            self._write(part.name, lambda write, part=part, member=member: member.session.dump(part.dump, write))

    def _write(self, name: str, fill: Any) -> None:
        with self._writer.part(name, ENCRYPTED if self._key else "") as part:
            if self._key is None:
                part.plain = fill(part.write)
                return
            encryptor = Encryptor(self._key, associated_data(self._header, name), part.write)
            part.plain = fill(encryptor.write)
            encryptor.close()


def size_in_words(size: int) -> str:
    """Format a number of bytes for people."""
    amount, units = float(size), ["bytes", "KB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{size} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
