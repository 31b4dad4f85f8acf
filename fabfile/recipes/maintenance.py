"""Maintenance mode: the page for visitors, and the addresses that still see the app."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..rendering.template import render
from ..resources.release.maintenance import Maintenance, NoMaintenance

if TYPE_CHECKING:
    from ..settings import Settings

MESSAGE = "The site is being worked on and will be back soon."
# nginx looks up each address as a file, which needs no reload, and so drops no request.
_LARGEST_NETWORK = 256
_LONGEST_MESSAGE = 2000


def maintenance(settings: Settings, message: str, allow: tuple[str, ...], retry_after: int, who: str) -> Maintenance:
    """Put the site into maintenance.

    :param allow: addresses, as `addresses` returns them.
    :param retry_after: seconds.
    :raises UsageError: the message is too long or not printable.
    :raises SettingsError: the project's template for the page is invalid.
    """
    if len(message) > _LONGEST_MESSAGE or not message.replace("\n", " ").isprintable():
        raise UsageError(f"--message: expected at most {_LONGEST_MESSAGE} printable characters")
    name = next(iter(settings.domains), settings.app)
    variables = {"app": settings.app, "name": name, "message": message, "retry_after": retry_after}
    page = render(settings.project, "nginx/maintenance.html.j2", variables)
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return Maintenance(settings.app, page, allow, retry_after, who, since, message)


def no_maintenance(settings: Settings) -> NoMaintenance:
    """End the maintenance of the site."""
    return NoMaintenance(settings.app)


def addresses(text: str | None) -> tuple[str, ...]:
    """Expand a comma-separated list of addresses and small networks to addresses as nginx writes them.

    :raises UsageError: a member is neither.
    """
    words = [word.strip() for word in text.split(",")] if text is not None else []
    return tuple(dict.fromkeys(address for word in words for address in _addresses(word)))


def _addresses(word: str) -> list[str]:
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise UsageError(
            f"--allow: found {word!r}, expected IP addresses and small networks, such as 203.0.113.7,198.51.100.0/28"
        ) from None
    if network.num_addresses > _LARGEST_NETWORK:
        raise UsageError(
            f"--allow: found {word!r}, a network of {network.num_addresses} addresses, "
            f"expected one of at most {_LARGEST_NETWORK}"
        )
    return [str(address) for address in network]
