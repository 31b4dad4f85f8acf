"""The site's certificate: issued by an authority, the user's own, or self-signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..contract.base import Handler
from ..hostkit.programs import certbot
from ..rendering.certificate import OwnCertificate
from ..rendering.template import LocalFile, Template
from ..resources import Command, Directory, Package, Resource, Service, Validated
from ..resources.front.certificate import Certificate, SelfSigned

if TYPE_CHECKING:
    from ..settings import Settings

FOLDER = "/etc/ssl/hostsmith"
WEBROOT = "/var/lib/hostsmith-acme"
# Port of certbot's own server on the balancer, for this host alone.
STANDALONE_PORT = 8402
_TRUSTED = "/usr/local/share/ca-certificates"


@dataclass(frozen=True)
class Front:
    """The server that visitors reach, as far as certificates are concerned.

    :param service: its systemd service.
    :param reload: handler that makes it use a new certificate.
    :param challenge: certbot's options to answer the authority's challenge through it.
    :param configuration: path of its configuration of the site.
    :param first: this configuration before there is a certificate.
    """

    service: str
    reload: Handler
    challenge: tuple[str, ...]
    configuration: str
    first: Validated


@dataclass(frozen=True)
class Shown:
    """The certificate in a server's template.

    :param certificate, key: files on the host.
    :param hsts: seconds; 0 for none.
    """

    certificate: str
    key: str
    hsts: int


def shown(settings: Settings) -> Shown | None:
    """Return the certificate of the site; None without HTTPS."""
    tls = settings.tls
    if not tls.enabled:
        return None
    if tls.is_issued:
        return Shown(certbot.certificate(settings.app), certbot.key(settings.app), tls.hsts_seconds)
    path = _path(settings)
    return Shown(path, f"{path}.key", tls.hsts_seconds)


def certificate(settings: Settings, front: Front) -> list[Resource]:
    """Get the site's certificate, and renew it in time."""
    tls = settings.tls
    if not tls.enabled:
        return []
    if tls.is_issued:
        return _issued(settings, front)
    folder = Directory(FOLDER, mode=0o755)
    if tls.certificate is not None and tls.key is not None:
        names = tuple(settings.domains)
        return [folder, OwnCertificate(_path(settings), tls.certificate, tls.key, names, notify=front.reload)]
    names = _names(settings)
    remark = f"the certificate of {', '.join(names)} is self-signed: browsers warn of it, and curl needs --insecure"
    return [folder, SelfSigned(_path(settings), names, remark, notify=front.reload)]


def _issued(settings: Settings, front: Front) -> list[Resource]:
    tls = settings.tls
    lineage = certbot.certificate(settings.app).rpartition("/")[0]
    hooks = f"{certbot.FOLDER}/renewal-hooks/deploy"
    hook = Template(
        f"{hooks}/hostsmith-{settings.app}",
        "certbot/deploy-hook.sh.j2",
        {"app": settings.app, "lineage": lineage, "service": front.service},
        mode=0o755,
    )
    issued = Certificate(
        settings.app,
        tuple(settings.domains),
        tuple(settings.redirects),
        tls.directory,
        tls.email,
        front.challenge,
        front.configuration,
        front.first,
        notify=front.reload,
    )
    return [
        Package("certbot"),
        *_trusted(settings),
        Directory(WEBROOT, mode=0o755),
        Directory(hooks, mode=0o755),
        hook,
        issued,
        Service("certbot.timer"),
    ]


def _trusted(settings: Settings) -> list[Resource]:
    """Make the host trust a private authority's certificate."""
    if settings.tls.ca is None:
        return []
    path = f"{_TRUSTED}/hostsmith-{settings.app}.crt"
    # The file alone is not enough: programs read a bundle that is built from it, and a link of its name.
    made = Command(
        ["update-ca-certificates"],
        unless=["sh", "-c", '[ "$1" -ot "$2" ] && [ -e "$3" ]', "sh", path, "/etc/ssl/certs/ca-certificates.crt",
                f"/etc/ssl/certs/hostsmith-{settings.app}.pem"],
    )  # fmt: skip
    return [LocalFile(path, settings.tls.ca, "tls.ca", mode=0o644), made]


def _names(settings: Settings) -> tuple[str, ...]:
    return (*settings.domains, *settings.redirects)


def _path(settings: Settings) -> str:
    """Return the path of a certificate that is not issued by an authority; its key has `.key` after it."""
    return f"{FOLDER}/{settings.app}.{'own' if settings.tls.is_own else 'self-signed'}.pem"
