"""Encryption of a part of an archive, piece by piece, so that what is changed, moved or cut off is not taken for it.

A sealed part is a salt of 32 bytes, then pieces of 64 KiB, each followed by the 16 bytes of its AES-256-GCM tag. The
last piece may be shorter. The key is derived from the project's by HKDF-SHA256 with the salt, so that it serves one
part alone; a nonce is the number of the piece in 11 bytes and a byte that is 1 for the last piece. What the archive
says of itself, and the part's name, are bound to each piece. (This is the STREAM construction of Hoang and others.)
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..environment.secret_file import Key
from ..errors import BackupError

_SALT, _PIECE, _TAG = 32, 1 << 16, 16


def bound_to(header: Mapping[str, Any], part: str) -> bytes:
    """What a part is bound to: its name, and all that its archive's manifest says besides the list of parts."""
    text = json.dumps({key: value for key, value in header.items() if key not in ("parts", "format")}, sort_keys=True)
    return hashlib.sha256(f"{part}\0{text}".encode()).digest()


class Sealer:
    """Encrypts what it is given, and hands it on.

    :param bound: see `bound_to`.
    :param write: called with each sealed piece.
    """

    def __init__(self, key: Key, bound: bytes, write: Callable[[bytes], None]) -> None:
        salt = secrets.token_bytes(_SALT)
        self._cipher, self._bound, self._write = _cipher(key, salt), bound, write
        self._rest, self._number = b"", 0
        write(salt)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._rest += data
        # One piece is kept, for it may be the last one.
        while len(self._rest) > _PIECE:
            self._seal(self._rest[:_PIECE], last=False)
            self._rest = self._rest[_PIECE:]

    def close(self) -> None:
        """Say that this was all."""
        self._seal(self._rest, last=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._number, last), piece, self._bound))
        self._number += 1


def opened(key: Key, bound: bytes, pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """What was sealed, piece by piece; nothing that was not.

    :param name: of the part, for the error.
    :raises BackupError: it is not as it was sealed.
    """
    from cryptography.exceptions import InvalidTag

    chunks = _chunks(pieces)
    salt = next(chunks)
    cipher, number = _cipher(key, salt), 0
    piece = next(chunks)
    try:
        while True:
            following = next(chunks, None)
            yield cipher.decrypt(_nonce(number, following is None), piece, bound)
            if following is None:
                return
            piece, number = following, number + 1
    except (InvalidTag, ValueError):
        raise BackupError(
            f"{name}: cannot be decrypted: it was changed, moved here from another archive or cut off; take another one"
        ) from None


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The salt, and then each piece with its tag; at least one of each, however few bytes there are."""
    rest, size = b"", _SALT
    for piece in pieces:
        rest += piece
        while len(rest) > size:
            yield rest[:size]
            rest, size = rest[size:], _PIECE + _TAG
    yield rest
    if size == _SALT:
        yield b""


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _cipher(key: Key, salt: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt, b"hostsmith backup 1").derive(key.data))
