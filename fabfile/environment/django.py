"""Environment variables for a Django project's settings.py."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..hostkit.app.layout import Layout

if TYPE_CHECKING:
    from ..settings import Settings

SECRET_KEY, SECRET_KEY_LENGTH = "SECRET_KEY", 50  # noqa: S105 - the name of a variable
_SETDEFAULT = re.compile(r"""setdefault\(\s*["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")


def variables(settings: Settings) -> dict[str, str]:
    """Return variables named like Django's settings; lists have commas, as django-environ reads them.

    None is a secret. STATIC_ROOT is not among them: it differs for each release.
    """
    found = {
        "ALLOWED_HOSTS": ",".join(_hosts(settings)),
        "MEDIA_ROOT": Layout(settings.app).media,
    }
    if settings.domains:
        scheme = "https" if settings.tls.enabled else "http"
        found["CSRF_TRUSTED_ORIGINS"] = ",".join(f"{scheme}://{domain}" for domain in settings.domains)
    if settings.tls.enabled:
        found["SECURE_PROXY_SSL_HEADER"] = "HTTP_X_FORWARDED_PROTO,https"
    if settings.source_is_local and (module := settings_module(settings.source_folder)):
        found["DJANGO_SETTINGS_MODULE"] = module
    return found


def _hosts(settings: Settings) -> list[str]:
    """List the host names that reach the app; any name, if the site has no domains."""
    if not settings.domains:
        return ["*"]
    # Django writes a wildcard as a dot.
    names = [domain.removeprefix("*") for domain in settings.domains]
    return list(dict.fromkeys([*names, settings.health_host]))


def settings_module(folder: Path) -> str | None:
    """Find the settings module that a project's files name: wsgi.py and asgi.py first, then manage.py."""
    for pattern in ("*/wsgi.py", "*/asgi.py", "manage.py"):
        found = {name for path in folder.glob(pattern) if (name := _named_in(path))}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _named_in(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        match = _SETDEFAULT.search(path.read_text(encoding="utf-8", errors="replace"))
        return match.group(1) if match else None
    return None
