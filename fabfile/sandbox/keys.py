"""SSH keys: one pair that opens every host of a sandbox, and one for each host to prove itself with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key; both halves in the format of OpenSSH's own files."""

    private: bytes
    public: str


def new_key(comment: str) -> KeyPair:
    """Make an ed25519 key with the library that paramiko itself needs: no ssh-keygen has to be installed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return KeyPair(
        private=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        public=f"{public} {comment}",
    )
