"""Display of a run: lines for people, JSON for machines."""

from .console import Console, diff_style, print_json

__all__ = ["Console", "diff_style", "print_json"]
