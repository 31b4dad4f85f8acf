"""A guest book of one page, configured by a PasteDeploy file."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def home(request: Request) -> Response:
    """Greet as the configuration says."""
    return Response(f"{request.registry.settings['guestbook.greeting']}\n", content_type="text/plain")


def health(request: Request) -> Response:
    """Answer the health check."""
    return Response("ok\n", content_type="text/plain")


def main(global_config: dict[str, str], **settings: str) -> Any:
    """Make the WSGI app of a PasteDeploy file."""
    config = Configurator(settings=settings)
    config.add_route("home", "/")
    config.add_view(home, route_name="home")
    config.add_route("health", "/healthz")
    config.add_view(health, route_name="health")
    return config.make_wsgi_app()
