"""Recipes: pure functions from settings to resources, one module per thing that a host runs.

Each can be called, extended and replaced on its own; `provision` and `release.release` put them together.
"""

from __future__ import annotations

from . import app, deployers, haproxy, hardening, nginx, python, release, roles, services, supervisor, system, tls
from .roles import provision

__all__ = [
    "app",
    "deployers",
    "haproxy",
    "hardening",
    "nginx",
    "provision",
    "python",
    "release",
    "roles",
    "services",
    "supervisor",
    "system",
    "tls",
]
