"""Environment variables of the app, and the secrets among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import modules

if TYPE_CHECKING:
    from . import assignments, editor, secret_file, secret_key, variables

__all__ = ["assignments", "editor", "secret_file", "secret_key", "variables"]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)
