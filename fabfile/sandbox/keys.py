"""SSH keys: a login key for each sandbox, a host key for each host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key pair in the format of OpenSSH's files."""

    private: bytes
    public: str


def new_key(comment: str) -> KeyPair:
    """Generate an ed25519 key with the library that paramiko needs; ssh-keygen need not be installed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return KeyPair(
        private=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        public=f"{public} {comment}",
    )
