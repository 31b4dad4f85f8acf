"""nginx and the app's site on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..agent.layout import Layout
from ..resources import Absent, Directory, Package, Reload, Resource, Service, Symlink, Validated
from ..templating import Template

if TYPE_CHECKING:
    from ..settings import Settings

_AVAILABLE, _ENABLED = "/etc/nginx/sites-available", "/etc/nginx/sites-enabled"
_UNKNOWN_HOST = "hostsmith-unknown-host"


def nginx(settings: Settings) -> list[Resource]:
    """nginx, serving the app's site and nothing of Debian's own."""
    return [Package("nginx"), logs(), site(settings), Service("nginx")]


def logs() -> Resource:
    """The folder of nginx's logs: what visitors ask for is not for every user of the host, nor for every app."""
    return Directory("/var/log/nginx", mode=0o750, owner="root", group="adm", passable=("www-data",))


def site(settings: Settings) -> Resource:
    """The app's site as one group: nginx is reloaded only when it accepts the whole of it."""
    return Validated(
        f"nginx site {settings.app}",
        (
            site_file(settings),
            Symlink(f"{_ENABLED}/{settings.app}", f"{_AVAILABLE}/{settings.app}"),
            *unknown_host(settings),
            Absent(f"{_ENABLED}/default"),
        ),
        validate=["nginx", "-t"],
        notify=Reload("nginx"),
    )


def site_file(settings: Settings) -> Template:
    """The site's configuration, from the template nginx/site.conf.j2."""
    layout = Layout(settings.app)
    return Template(
        f"{_AVAILABLE}/{settings.app}",
        "nginx/site.conf.j2",
        {
            "app": settings.app,
            # nginx's variables have no dashes.
            "variable": settings.app.replace("-", "_"),
            "socket": f"{layout.current}/run/web.sock",
            "code": f"{layout.current}/code",
            "domains": settings.domains,
            "redirects": settings.redirects,
            "static": settings.static,
            "client_max_body_size": settings.client_max_body_size,
            "web_timeout": settings.web_timeout,
            "balancers": balancers(settings),
        },
        mode=0o644,
    )


def balancers(settings: Settings) -> list[str]:
    """The addresses that nginx believes what they say of the client: those of the role `lb`."""
    return [address for entry in settings.roles.get("lb", []) for address in settings.addresses(entry.host)]


def unknown_host(settings: Settings) -> list[Resource]:
    """An answer for host names that no site has; one without domains answers them all, whichever app's it is.

    nginx takes the first site that it reads for the default, unless another one says that it is.
    """
    # Its place in a version that had one site without domains on a host, and no other.
    moved = Absent(f"{_ENABLED}/{_UNKNOWN_HOST}")
    if not settings.domains:
        return [moved]
    path = f"{_AVAILABLE}/{_UNKNOWN_HOST}"
    template = Template(path, "nginx/unknown-host.conf.j2", mode=0o644)
    return [template, Symlink(f"{_ENABLED}/00-{_UNKNOWN_HOST}", path), moved]
