"""What people see of a run, line by line; what machines get is JSON."""

from .console import Console, diff_style, print_json

__all__ = ["Console", "diff_style", "print_json"]
