"""The user's own certificate, checked as a browser would and sent."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingsError
from ..resources import File, Secret, Validated
from .rendered import Rendered
from .template import local_text


@dataclass(frozen=True)
class OwnCertificate(Rendered):
    """A certificate with its intermediates, and its key at the same path with `.key` after it.

    :param path: path on the host.
    :param certificate, key: local PEM files, relative to the project folder.
    :param domains: domains that it must be valid for.
    """

    path: str
    certificate: str
    key: str
    domains: tuple[str, ...]

    def describe(self) -> str:
        return f"certificate {self.path}"

    def render(self, project: Path, host: str) -> Validated:
        certificate = local_text(project, self.certificate, "tls.certificate")
        key = local_text(project, self.key, "tls.key")
        check(project / Path(self.certificate).expanduser(), project / Path(self.key).expanduser(), self.domains)
        files = (
            File(f"{self.path}.key", Secret(key), mode=0o600, owner="root", group="root"),
            File(self.path, certificate, mode=0o644, owner="root", group="root"),
        )
        return Validated(self.describe(), files, notify=self.notify)


def check(certificate: Path, key: Path, domains: Iterable[str]) -> None:
    """Check that a certificate and its key match, and that a browser would accept it for each domain.

    :raises SettingsError: one of them cannot be read, or a browser would refuse it.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        client.load_verify_locations(certificate)
    except ssl.SSLError:
        raise SettingsError(f"tls.certificate: {certificate}: expected a certificate in PEM") from None
    try:
        # An empty pass phrase, so that OpenSSL does not ask for one on the terminal.
        server.load_cert_chain(certificate, key, password="")  # noqa: S106
    except ssl.SSLError as error:
        matching = "the key of tls.certificate" if "MISMATCH" in str(error.reason) else "an unencrypted key in PEM"
        raise SettingsError(f"tls.key: {key}: expected {matching}") from None
    for domain in domains:
        try:
            _shake_hands(server, client, domain.replace("*", "any"))
        except ssl.SSLCertVerificationError as error:
            raise SettingsError(
                f"tls.certificate: {certificate}: refused for {domain}: {error.verify_message}"
            ) from None


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, domain: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    browser = client.wrap_bio(to_client, to_server, server_hostname=domain)
    site = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (browser, site, browser):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
