"""Members of a tar file, as one reads them of somebody who may mean harm."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ...contract.checks import size, text

_PIECE = 1 << 18
member_name = text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,90}")


@dataclass(frozen=True)
class Member:
    """Where the bytes of a member are."""

    name: str
    start: int
    size: int


def members_of(file: BinaryIO, most: int) -> dict[str, Member]:
    """The members of a tar file as `fab backup` writes them: files without links or long names, each once, and whole.

    :param most: as many as there may be.

    :raises tarfile.TarError, EOFError: there is something else, or it was cut off.
    """
    found: dict[str, Member] = {}
    at = 0
    while True:
        file.seek(at)
        block = file.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            if at > os.fstat(file.fileno()).st_size:
                raise EOFError("it ends too early")
            return found
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.type != tarfile.REGTYPE or not member_name(info.name) or info.name in found or not size(info.size):
            raise tarfile.HeaderError("it has a member that `fab backup` does not write")
        if len(found) == most:
            raise tarfile.HeaderError(f"it has more than {most} members")
        found[info.name] = Member(info.name, at + tarfile.BLOCKSIZE, info.size)
        at += tarfile.BLOCKSIZE + info.size + -info.size % tarfile.BLOCKSIZE


def pieces(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a member.

    :raises EOFError: there are fewer than there should be.
    """
    file.seek(member.start)
    left = member.size
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise EOFError(f"{member.name} ends too early")
        left -= len(piece)
        yield piece
