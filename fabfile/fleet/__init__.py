"""Many hosts at once: sessions, steps in common, the summary of a run."""

from __future__ import annotations

from .fleet import Fleet
from .member import Member

__all__ = ["Fleet", "Member"]
