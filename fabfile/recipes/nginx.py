"""nginx and the app's site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..hostkit.app.assets import HASHED
from ..hostkit.app.layout import Layout
from ..rendering.template import Template
from ..resources import Absent, Directory, Package, Resource, Service, Symlink, Validated
from ..resources.front.certificate import CHALLENGES, SelfSigned
from ..resources.front.nginx import ReloadNginx
from . import servers, static, tls
from .forwarding import HEADERS

if TYPE_CHECKING:
    from ..settings import Settings

_AVAILABLE, _ENABLED = "/etc/nginx/sites-available", "/etc/nginx/sites-enabled"
_UNKNOWN_HOST = "hostsmith-unknown-host"
# Headers that nginx sets itself.
_SET = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")
_UNKNOWN_HOST_TLS = f"{_UNKNOWN_HOST}-tls"


def nginx(settings: Settings) -> list[Resource]:
    """Set up nginx with the app's site and without Debian's default site."""
    return [Package("nginx"), logs(), *certificate(settings), site(settings), Service("nginx")]


def logs() -> Resource:
    """Close the folder of nginx's logs to other users of the host, and to apps."""
    return Directory("/var/log/nginx", mode=0o750, owner="root", group="adm", passable=("www-data",))


def certificate(settings: Settings) -> list[Resource]:
    """Get the site's certificate, if visitors reach nginx without a balancer."""
    if settings.is_balanced:
        return []
    front = tls.Front(
        "nginx",
        ReloadNginx(),
        ("--webroot", "--webroot-path", tls.WEBROOT),
        f"{_AVAILABLE}/{settings.app}",
        _site(settings, None),
    )
    return tls.certificate(settings, front)


def site(settings: Settings) -> Validated:
    """Set up the app's site as one group: nginx is reloaded only if it accepts all of it."""
    return _site(settings, None if settings.is_balanced else tls.shown(settings))


def _site(settings: Settings, shown: tls.Shown | None) -> Validated:
    return Validated(
        f"nginx site {settings.app}",
        (
            site_file(settings, shown),
            Symlink(f"{_ENABLED}/{settings.app}", f"{_AVAILABLE}/{settings.app}"),
            *unknown_host(settings),
            *(unknown_host_tls() if shown else []),
            Absent(f"{_ENABLED}/default"),
        ),
        validate=["nginx", "-t"],
        notify=ReloadNginx(),
    )


def site_file(settings: Settings, shown: tls.Shown | None = None) -> Template:
    """Render the site's configuration from the template nginx/site.conf.j2.

    :param shown: the certificate; None for a site with HTTP only.
    """
    layout = Layout(settings.app)
    folders = {prefix: f"{layout.current}/{folder}" for prefix, folder in static.folders(settings).items()}
    uploads = static.uploads(settings)
    return Template(
        f"{_AVAILABLE}/{settings.app}",
        "nginx/site.conf.j2",
        {
            "app": settings.app,
            # nginx's variables have no dashes, and some names are taken, such as $http_connection.
            "variable": f"site_{settings.app.replace('-', '_')}",
            "forwarding": [name for name in HEADERS if name not in _SET],
            "socket": f"{layout.current}/run/web.sock",
            "domains": settings.domains,
            "redirects": settings.redirects,
            "folders": {**folders, **uploads},
            "uploads": uploads,
            "current": layout.current,
            "shared": layout.shared,
            "assets": layout.assets,
            "hashed": HASHED,
            # Files of these folders with a hidden name in their path.
            "hidden": {prefix: rf"^{re.escape(prefix)}(.*/)?\.(?!well-known/)" for prefix in (*folders, *uploads)},
            # For a project's template that is based on an earlier one of ours.
            "code": f"{layout.current}/code",
            "static": settings.static,
            "client_max_body_size": settings.client_max_body_size,
            "web_timeout": settings.web_timeout,
            "websockets": "web" in settings.processes and servers.is_asgi(settings.processes["web"].command),
            "balancers": balancers(settings),
            "tls": shown,
            "issued": settings.tls.is_issued and not settings.is_balanced,
            "challenges": CHALLENGES,
            "webroot": tls.WEBROOT,
            "maintenance": layout.maintenance,
            # A status that the balancer takes as healthy.
            "well": settings.health.status_ranges[0][0],
        },
        mode=0o644,
    )


def balancers(settings: Settings) -> list[str]:
    """List the addresses whose headers about the client nginx trusts: those of the role `lb`."""
    return [address for entry in settings.roles.get("lb", []) for address in settings.addresses(entry.host)]


def unknown_host(settings: Settings) -> list[Resource]:
    """Answer host names that no site has, unless this site has no domains and answers them all.

    nginx takes the first site that it reads as the default, unless another one is marked as default.
    """
    # Its path in an earlier version.
    moved = Absent(f"{_ENABLED}/{_UNKNOWN_HOST}")
    if not settings.domains:
        return [moved]
    path = f"{_AVAILABLE}/{_UNKNOWN_HOST}"
    variables = {"challenges": CHALLENGES, "webroot": tls.WEBROOT}
    template = Template(path, "nginx/unknown-host.conf.j2", variables, mode=0o644)
    return [template, Symlink(f"{_ENABLED}/00-{_UNKNOWN_HOST}", path), moved]


def unknown_host_tls() -> list[Resource]:
    """Answer them by HTTPS, too. It stays when a site returns to HTTP, since others on the host may need it."""
    path, link = f"{_AVAILABLE}/{_UNKNOWN_HOST_TLS}", f"{_ENABLED}/{_UNKNOWN_HOST_TLS}"
    certificate = f"{tls.FOLDER}/{_UNKNOWN_HOST}.pem"
    variables = {"tls": tls.Shown(certificate, f"{certificate}.key", 0)}
    return [
        Directory(tls.FOLDER, mode=0o755),
        SelfSigned(certificate, ("unknown-host.invalid",)),
        Template(path, "nginx/unknown-host-tls.conf.j2", variables, mode=0o644),
        Symlink(link, path),
    ]
