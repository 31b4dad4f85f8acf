"""Strict reader of the members of an untrusted tar file."""

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
class TarMember:
    """Position of a member's bytes."""

    name: str
    start: int
    size: int


def members_of(file: BinaryIO, most: int) -> dict[str, TarMember]:
    """Read the members of a tar file written by `fab backup`: complete files, without links or duplicate names.

    :param most: limit of members.
    :raises tarfile.TarError, EOFError: there is another kind of member, or the file was cut off.
    """
    found: dict[str, TarMember] = {}
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
        found[info.name] = TarMember(info.name, at + tarfile.BLOCKSIZE, info.size)
        at += tarfile.BLOCKSIZE + info.size + -info.size % tarfile.BLOCKSIZE


def pieces(file: BinaryIO, member: TarMember) -> Iterator[bytes]:
    """Yield the bytes of a member.

    :raises EOFError: the file was cut off.
    """
    file.seek(member.start)
    left = member.size
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise EOFError(f"{member.name} ends too early")
        left -= len(piece)
        yield piece
