"""Text from elsewhere, made fit to be shown: nothing in it that a terminal obeys, and no more than one can read."""

from __future__ import annotations

import re

# Control characters but for the end of a line and the tabulator, those that turn the order of letters round, and what
# no encoding has: a host, a log or a commit's message may hold them, and no terminal may get them.
_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with a `?` for whatever a terminal would obey, as `ls` shows the names of files."""
    return _UNPRINTABLE.sub("?", text.replace("\r\n", "\n"))


def cut(text: str, longest: int = 80) -> str:
    """The text, or as much of it as belongs into a message."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
