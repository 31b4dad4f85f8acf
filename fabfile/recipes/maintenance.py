"""Maintenance: what visitors get while the app is worked on, and who sees the app all the same."""

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
# nginx looks each address up as a file, which needs no reload, and so costs nobody a request.
_LARGEST_NETWORK = 256
_LONGEST_MESSAGE = 2000


def maintenance(settings: Settings, message: str, allow: tuple[str, ...], retry_after: int, who: str) -> Maintenance:
    """That the site is in maintenance from now on.

    :param allow: addresses, as `addresses` gives them.
    :param retry_after: seconds.
    :raises UsageError: the message is no text for a page.
    :raises SettingsError: a template of the project's own for the page is wrong.
    """
    if len(message) > _LONGEST_MESSAGE or not message.replace("\n", " ").isprintable():
        raise UsageError(f"--message: expected at most {_LONGEST_MESSAGE} letters that can be printed")
    name = next(iter(settings.domains), settings.app)
    variables = {"app": settings.app, "name": name, "message": message, "retry_after": retry_after}
    page = render(settings.project, "nginx/maintenance.html.j2", variables)
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return Maintenance(settings.app, page, allow, retry_after, who, since, message)


def no_maintenance(settings: Settings) -> NoMaintenance:
    """That the site is not in maintenance."""
    return NoMaintenance(settings.app)


def addresses(text: str | None) -> tuple[str, ...]:
    """The addresses in a list with commas of addresses and small networks, as nginx writes them.

    :raises UsageError: a word is neither.
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
