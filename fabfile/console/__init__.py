"""What people see of a run, line by line; what machines get is JSON."""

from .console import Console, print_json

__all__ = ["Console", "print_json"]
