"""Certificates in files: the names that one is for, whether it is over, and making one that signs itself."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable

from . import system

# As long as browsers take one at all; nobody renews what nobody trusts.
_SELF_SIGNED_DAYS = 825


def names(path: str) -> frozenset[str] | None:
    """The domains that a certificate is for; None when there is no such file."""
    if not os.path.exists(path):
        return None
    out = system.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", path], ok=(0, 1)).stdout
    return frozenset(re.findall(r"DNS:([^,\s]+)", out.decode("utf-8", "replace")))


def is_over(path: str, within: int = 0) -> bool:
    """Whether a certificate is valid no longer, or will not be in so many seconds."""
    argv = ["openssl", "x509", "-noout", "-checkend", str(within), "-in", path]
    return system.run(argv, ok=(0, 1)).returncode == 1


def self_signed(domains: Iterable[str]) -> tuple[bytes, bytes]:
    """A new certificate for these domains that signs itself, and its key, both PEM."""
    with tempfile.TemporaryDirectory(prefix="hostsmith-") as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        system.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-days", str(_SELF_SIGNED_DAYS), "-subj", "/CN=self-signed by hostsmith",
             "-addext", f"subjectAltName={','.join(f'DNS:{domain}' for domain in domains)}",
             "-keyout", key, "-out", certificate]
        )  # fmt: skip
        return system.read(certificate) or b"", system.read(key) or b""
