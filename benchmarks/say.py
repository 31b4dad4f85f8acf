"""Progress of the benchmark on standard error."""

from __future__ import annotations

import sys
import time

_START = time.monotonic()


def say(text: str) -> None:
    """Print a line, with the seconds since the start."""
    print(f"{time.monotonic() - _START:6.0f} s  {text}", file=sys.stderr, flush=True)
