"""Authenticated encryption of the parts of an archive.

A part that was changed, moved to another archive or cut off does not decrypt. An encrypted part is a salt of 32 bytes,
then pieces of 64 KiB, each followed by the 16 bytes of its AES-256-GCM tag. The last piece may be shorter. The key is
derived from the project's by HKDF-SHA256 with the salt, so each part has its own. A nonce is the number of the piece
in 11 bytes and a byte that is 1 for the last piece. The manifest and the part's name are associated data of each
piece. (This is the STREAM construction of Hoang and others.)
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


def associated_data(header: Mapping[str, Any], part: str) -> bytes:
    """Digest of the part's name and of the manifest without its list of parts."""
    text = json.dumps({key: value for key, value in header.items() if key not in ("parts", "format")}, sort_keys=True)
    return hashlib.sha256(f"{part}\0{text}".encode()).digest()


class Encryptor:
    """Encrypts a stream of bytes.

    :param associated: see `associated_data`.
    :param write: called with each encrypted piece.
    """

    def __init__(self, key: Key, associated: bytes, write: Callable[[bytes], None]) -> None:
        salt = secrets.token_bytes(_SALT)
        self._cipher, self._associated, self._write = _cipher(key, salt), associated, write
        self._rest, self._number = b"", 0
        write(salt)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._rest += data
        # One piece is held: it may be the last one.
        while len(self._rest) > _PIECE:
            self._encrypt(self._rest[:_PIECE], last=False)
            self._rest = self._rest[_PIECE:]

    def close(self) -> None:
        """Write the last piece."""
        self._encrypt(self._rest, last=True)

    def _encrypt(self, piece: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._number, last), piece, self._associated))
        self._number += 1


def decrypt(key: Key, associated: bytes, pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Decrypt a part, piece by piece; only authentic pieces are given out.

    :param name: of the part, for the error.
    :raises BackupError: it is not as it was encrypted.
    """
    from cryptography.exceptions import InvalidTag

    chunks = _chunks(pieces)
    salt = next(chunks)
    cipher, number = _cipher(key, salt), 0
    piece = next(chunks)
    try:
        while True:
            following = next(chunks, None)
            yield cipher.decrypt(_nonce(number, following is None), piece, associated)
            if following is None:
                return
            piece, number = following, number + 1
    except (InvalidTag, ValueError):
        raise BackupError(
            f"{name}: cannot be decrypted: changed, cut off or moved here from another archive; use another archive"
        ) from None


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Split a part into the salt and the pieces with their tags; at least one of each, even of too few bytes."""
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
