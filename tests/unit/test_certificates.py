"""Certificates in files, with OpenSSL itself: own ones before they are sent, and self-signed ones."""

from __future__ import annotations

import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from hostsmith.errors import SettingsError
from hostsmith.hostkit.programs import certificates
from hostsmith.hostkit.programs.certificates import CertificateInfo
from hostsmith.rendering.certificate import OwnCertificate
from hostsmith.resources import File, Secret, Validated
from hostsmith.resources.front.certificate import SelfSigned

DOMAINS = ("example.com", "*.example.org")


def make(folder: Path, name: str = "own", domains: tuple[str, ...] = DOMAINS, days: int = 30) -> None:
    """A certificate and key in a folder."""
    names = ",".join(f"DNS:{domain}" for domain in domains)
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-days", str(days), "-subj", "/CN=own", "-addext", f"subjectAltName={names}",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def own(domains: tuple[str, ...] = DOMAINS, key: str = "own.key") -> OwnCertificate:
    return OwnCertificate("/etc/ssl/blog.pem", "own.pem", key, domains)


def problem(project: Path, domains: tuple[str, ...] = DOMAINS, key: str = "own.key") -> str:
    with pytest.raises(SettingsError) as caught:
        own(domains, key).render(project, "web1")
    return str(caught.value)


def test_an_own_certificate_and_its_key_are_sent_together_and_the_key_is_a_secret(tmp_path: Path) -> None:
    make(tmp_path)
    key, certificate = (tmp_path / "own.key").read_text(), (tmp_path / "own.pem").read_text()
    found = own().render(tmp_path, "web1")
    assert isinstance(found, Validated)
    assert found.resources == (
        File("/etc/ssl/blog.pem.key", Secret(key), mode=0o600, owner="root", group="root"),
        File("/etc/ssl/blog.pem", certificate, mode=0o644, owner="root", group="root"),
    )
    assert key not in repr(found)


def test_what_a_browser_would_refuse_is_not_sent(tmp_path: Path) -> None:
    make(tmp_path, domains=("example.com",))
    assert problem(tmp_path, domains=("example.com", "example.org")) == (
        f"tls.certificate: {tmp_path}/own.pem: refused for example.org: "
        "Hostname mismatch, certificate is not valid for 'example.org'."
    )


def test_a_certificate_that_is_over_is_not_sent(tmp_path: Path) -> None:
    make(tmp_path)
    # Signed again, with an end that has passed.
    (tmp_path / "ext").write_text("subjectAltName=DNS:example.com\n")
    request = subprocess.run(
        ["openssl", "req", "-new", "-key", tmp_path / "own.key", "-subj", "/CN=own"], check=True, capture_output=True
    ).stdout
    subprocess.run(
        ["openssl", "x509", "-req", "-signkey", tmp_path / "own.key", "-days", "-1", "-out", tmp_path / "own.pem",
         "-extfile", tmp_path / "ext"],
        input=request, check=True, capture_output=True,
    )  # fmt: skip
    assert "refused for example.com: certificate has expired" in problem(tmp_path)


def test_files_that_are_no_certificate_and_key_are_told(tmp_path: Path) -> None:
    assert problem(tmp_path) == (
        f"tls.certificate: {tmp_path}/own.pem: No such file or directory, expected a file on this machine"
    )
    make(tmp_path)
    make(tmp_path, "other")
    assert problem(tmp_path, key="other.key") == f"tls.key: {tmp_path}/other.key: expected the key of tls.certificate"
    locked = ["openssl", "pkey", "-in", tmp_path / "own.key", "-aes256", "-passout", "pass:x"]
    subprocess.run([*locked, "-out", tmp_path / "locked.key"], check=True)
    assert problem(tmp_path, key="locked.key") == f"tls.key: {tmp_path}/locked.key: expected an unencrypted key in PEM"
    (tmp_path / "own.pem").write_text("no certificate\n")
    assert problem(tmp_path) == f"tls.certificate: {tmp_path}/own.pem: expected a certificate in PEM"
    (tmp_path / "own.pem").write_bytes(b"\x30\x82\xff")
    assert problem(tmp_path) == f"tls.certificate: {tmp_path}/own.pem: not a text file, expected PEM"


def test_a_self_signed_certificate_is_made_once_for_its_domains(tmp_path: Path) -> None:
    path = f"{tmp_path}/self.pem"
    change = SelfSigned(path, DOMAINS).check()
    assert change and change.summary == "created"
    change.apply()
    assert certificates.found(path) == CertificateInfo(frozenset(DOMAINS), expired=False)
    assert stat.S_IMODE((tmp_path / "self.pem.key").stat().st_mode) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, f"{path}.key")
    assert SelfSigned(path, DOMAINS).check() is None
    before = Path(path).read_bytes(), Path(f"{path}.key").read_bytes()
    other = SelfSigned(path, ("example.net",)).check()
    assert other and other.summary == "created again" and other.undo
    other.apply()
    assert certificates.found(path) == CertificateInfo(frozenset({"example.net"}), expired=False)
    other.undo()
    assert (Path(path).read_bytes(), Path(f"{path}.key").read_bytes()) == before
    assert change.undo
    change.undo()
    assert list(tmp_path.iterdir()) == []


def test_what_is_over_is_told(tmp_path: Path) -> None:
    make(tmp_path, days=2)
    path = f"{tmp_path}/own.pem"
    assert certificates.found(path) == CertificateInfo(frozenset(DOMAINS), expired=False)
    assert certificates.found(path, within=3 * 86400) == CertificateInfo(frozenset(DOMAINS), expired=True)
    assert SelfSigned(path, DOMAINS).check(), "it is made anew before it ends"


def test_what_is_no_certificate_is_for_nothing_and_over_so_that_a_new_one_is_made(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("cut off\n")
    assert certificates.found(f"{tmp_path}/own.pem") == CertificateInfo(frozenset(), expired=True)
    assert certificates.found(f"{tmp_path}/none.pem") is None
