"""Certificate files: names, expiry, and self-signed ones."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from ..linux import filesystem, system

# The longest validity that browsers accept; nobody renews a self-signed certificate.
_SELF_SIGNED_DAYS = 825


@dataclass(frozen=True)
class CertificateInfo:
    """Names and expiry of a certificate.

    :param names: its domains; none when the file is not a certificate.
    :param expired: whether it has expired, or will have by the given time.
    """

    names: frozenset[str]
    expired: bool


def found(path: str, within: int = 0) -> CertificateInfo | None:
    """Read the certificate in a file; None when the file is missing.

    :param within: seconds from now by which it counts as expired.
    """
    if not os.path.exists(path):
        return None
    argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-checkend", str(within), "-in", path]
    done = system.run(argv, ok=(0, 1))
    names = re.findall(r"DNS:([^,\s]+)", done.stdout.decode("utf-8", "replace"))
    return CertificateInfo(frozenset(names), expired=done.returncode == 1)


def self_signed(domains: Iterable[str]) -> tuple[bytes, bytes]:
    """Create a self-signed certificate for these domains, and its key, both PEM."""
    with tempfile.TemporaryDirectory(prefix="hostsmith-") as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        system.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-days", str(_SELF_SIGNED_DAYS), "-subj", "/CN=self-signed by hostsmith",
             "-addext", f"subjectAltName={','.join(f'DNS:{domain}' for domain in domains)}",
             "-keyout", key, "-out", certificate]
        )  # fmt: skip
        return filesystem.read(certificate) or b"", filesystem.read(key) or b""
