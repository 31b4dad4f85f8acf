"""A backup written to a file here: the parts come from their hosts, one after another, straight into the archive."""

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
from .sealed import Sealer, bound_to

if TYPE_CHECKING:
    from ..environment.secret_file import Key
    from ..fleet import Member


def made(app: str, folder: Path, places: Sequence[tuple[Part, Member]], main: Member, key: Key | None) -> Path:
    """Write an archive.

    :param places: the parts, and the host that each is on.
    :param main: the host whose release and environment are kept.
    :param key: to encrypt it with; None: not encrypted.
    :raises BackupError: the file cannot be written.
    :raises HostsmithError: a part could not be had. There is no archive then.
    """
    created = time.time()
    main.phase(ENVIRONMENT)
    kept = main.ask("kept_variables", app=app)
    names = [ENVIRONMENT, *(part.name for part, _ in places)]
    said = header(app, created, kept["live"], names, __version__, key.id if key else None)
    path = folder / file_name(app, created)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise BackupError(f"{path} is there already, expected a new name; try again in a second")
        with Writer(str(path), said) as writer:
            _Parts(writer, said, key).write_all(kept, places)
            writer.finish()
    except ArchiveError as error:
        raise BackupError(str(error)) from None
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror}; there is no archive") from None
    return path


class _Parts:
    """The parts of an archive, encrypted when there is a key."""

    def __init__(self, writer: Writer, said: Mapping[str, Any], key: Key | None) -> None:
        self._writer, self._header, self._key = writer, said, key

    def write_all(self, kept: Mapping[str, Any], places: Sequence[tuple[Part, Member]]) -> None:
        """The environment, and what the hosts dump."""
        data = json.dumps(kept).encode()

        def environment(write: Any) -> int:
            write(packed(data))
            return len(data)

        self._write(ENVIRONMENT, environment)
        for part, member in places:
            member.phase(f"dump {part.name}")
            self._write(part.name, lambda write, part=part, member=member: member.session.dump(part.dump, write))

    def _write(self, name: str, fill: Any) -> None:
        with self._writer.part(name, ENCRYPTED if self._key else "") as part:
            if self._key is None:
                part.plain = fill(part.write)
                return
            sealer = Sealer(self._key, bound_to(self._header, name), part.write)
            part.plain = fill(sealer.write)
            sealer.close()


def size_in_words(size: int) -> str:
    """A number of bytes for people."""
    amount, units = float(size), ["bytes", "KB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{size} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
