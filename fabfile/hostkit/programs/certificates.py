"""Certificates in files: the names that one is for, whether it is over, and making one that signs itself."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from ..linux import filesystem, system

# As long as browsers take one at all; nobody renews what nobody trusts.
_SELF_SIGNED_DAYS = 825


@dataclass(frozen=True)
class Certificate:
    """A certificate as it was found.

    :param names: the domains that it is for; none when the file holds no certificate.
    :param is_over: whether it is valid no longer, or will not be by the time that was asked for.
    """

    names: frozenset[str]
    is_over: bool


def found(path: str, within: int = 0) -> Certificate | None:
    """The certificate in a file; None when there is no such file.

    :param within: seconds from now by which it may be over.
    """
    if not os.path.exists(path):
        return None
    argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-checkend", str(within), "-in", path]
    done = system.run(argv, ok=(0, 1))
    names = re.findall(r"DNS:([^,\s]+)", done.stdout.decode("utf-8", "replace"))
    return Certificate(frozenset(names), is_over=done.returncode == 1)


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
        return filesystem.read(certificate) or b"", filesystem.read(key) or b""
