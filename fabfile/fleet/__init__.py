"""Many hosts at once: a session with each, steps in common, and the summary of a run."""

from __future__ import annotations

from .fleet import Fleet
from .member import Member

__all__ = ["Fleet", "Member"]
