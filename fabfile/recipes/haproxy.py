"""HAProxy on the hosts of the role `lb`, balancing those of `web`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..hostkit.programs import certbot
from ..inventory.roles import hosts_for
from ..openssh.host import bracketed
from ..rendering.template import Template
from ..resources import Directory, Package, Resource, Service, Symlink, Validated
from ..resources.front.balancer import CONFIGURATION, BalancerOf, ReloadHaproxy
from ..resources.front.certificate import CHALLENGES
from ..resources.release.drained import Drained
from . import tls

if TYPE_CHECKING:
    from ..openssh.host import Host
    from ..settings import Settings

_HTTP_PORT = 80


@dataclass(frozen=True)
class BalancedHost:
    """A web host in HAProxy's configuration.

    :param place: IP address and port.
    :param weight: its share of the requests.
    """

    name: str
    place: str
    weight: int


def haproxy(settings: Settings) -> list[Resource]:
    """Set up HAProxy for the app and nothing else."""
    return [Package("haproxy"), *certificate(settings), balancer(settings), Service("haproxy")]


def certificate(settings: Settings) -> list[Resource]:
    """Get the site's certificate. HAProxy expects the key beside it, which certbot stores under another name."""
    # certbot itself answers the challenge, and listens only during it.
    challenge = ("--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(tls.STANDALONE_PORT))
    front = tls.Front("haproxy", ReloadHaproxy(), challenge, CONFIGURATION, _balancer(settings, None))
    found = tls.certificate(settings, front)
    if settings.tls.is_issued:
        path = _issued(settings)
        found += [
            Directory(tls.FOLDER, mode=0o755),
            Symlink(path, certbot.certificate(settings.app)),
            Symlink(f"{path}.key", certbot.key(settings.app)),
        ]
    return found


def balancer(settings: Settings) -> Validated:
    """Write the balancer's configuration; HAProxy is reloaded only if it accepts the file."""
    shown = tls.shown(settings)
    if shown and settings.tls.is_issued:
        path = _issued(settings)
        shown = tls.Shown(path, f"{path}.key", shown.hsts)
    return _balancer(settings, shown)


def _issued(settings: Settings) -> str:
    return f"{tls.FOLDER}/{settings.app}.issued.pem"


def _balancer(settings: Settings, shown: tls.Shown | None) -> Validated:
    configuration = Template(
        CONFIGURATION,
        "haproxy/haproxy.cfg.j2",
        {
            "app": settings.app,
            "names": [*settings.domains, *settings.redirects],
            "servers": servers(settings),
            "algorithm": settings.balancer.algorithm,
            "rate_limit": settings.balancer.rate_limit,
            "web_timeout": settings.web_timeout,
            "health_path": settings.health.path,
            "health_host": settings.health_host,
            "health_statuses": settings.health.statuses,
            "tls": shown,
            "issued": settings.tls.is_issued,
            "challenges": CHALLENGES,
            "certbot_port": tls.STANDALONE_PORT,
        },
        mode=0o644,
    )
    return Validated(
        f"balancer {settings.app}",
        (BalancerOf(settings.app), configuration),
        validate=["haproxy", "-c", "-f", CONFIGURATION],
        notify=ReloadHaproxy(),
    )


def servers(settings: Settings) -> list[BalancedHost]:
    """List the web hosts in the order of the settings.

    :raises SettingsError: there are none.
    """
    return [
        BalancedHost(server_name(host), _place(settings, host), _weight(settings, host))
        for host in hosts_for(settings, "web")
    ]


def server_name(host: Host) -> str:
    """Name a web host in HAProxy's configuration and on its stats socket."""
    return host.host.lower() + (f":{host.port}" if host.port not in (None, 22) else "")


def drained(settings: Settings, host: Host) -> Drained:
    """Drain a web host, in any spelling, on the balancer that this is converged on."""
    (known,) = [web for web in hosts_for(settings, "web") if settings.machine(web) == settings.machine(host)]
    return Drained(settings.app, server_name(known), settings.drain_timeout)


def _place(settings: Settings, host: Host) -> str:
    return f"{bracketed(settings.addresses(host)[0])}:{_HTTP_PORT}"


def _weight(settings: Settings, host: Host) -> int:
    entry = settings.entry(host)
    return (entry.weight if entry else None) or 1
