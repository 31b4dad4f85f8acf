"""Telling people how far it is; results are on standard output, this is not."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
