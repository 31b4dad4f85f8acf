"""Text from elsewhere, made fit to be shown: nothing in it that a terminal obeys, and no more than one can read."""

from __future__ import annotations

import re

# Control characters but for the end of a line and the tabulator, those that turn the order of letters round, and what
# no encoding has: a host, a log or a commit's message may hold them, and no terminal may get them.
_UNPRINTABLE = "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_PLAIN = re.compile(_UNPRINTABLE)
_COLOURED = re.compile(rf"(\x1b\[[0-9;:]*m)|{_UNPRINTABLE}")
# The same in UTF-8, where the carriage return may stay: a program may write over its own line.
_BYTES = re.compile(
    rb"(\x1b\[[0-9;:]*m)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
# What may become one of these with the bytes that are still to come.
_BEGINNING = re.compile(rb"(\x1b(\[[0-9;:]{0,40})?|\xc2|\xe2[\x80\x81]?)\Z")


# What lets somebody in, in a URL: all that is before the host where it is HTTP, else the password.
_LOGIN = re.compile(r"(\bhttps?://)[^/\s@]+@|(\w://[^/\s:@]*:)[^/\s@]+@", re.IGNORECASE)


def printable(text: str) -> str:
    """The text with a `?` for whatever a terminal would obey, as `ls` shows the names of files."""
    return _PLAIN.sub("?", text.replace("\r\n", "\n"))


def without_logins(text: str) -> str:
    """The text without what lets somebody in by the URLs in it: for messages, not for what a program prints."""
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}***@", text)


def coloured(text: str) -> str:
    """As `printable`, but its colours stay."""
    return _COLOURED.sub(lambda found: found[1] or "?", text)


class Coloured:
    """As `coloured`, for bytes as they come."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What of it can be shown by now."""
        data = self._rest + data
        beginning = _BEGINNING.search(data)
        end = beginning.start() if beginning else len(data)
        self._rest = data[end:]
        return _BYTES.sub(lambda found: found[1] or b"?", data[:end])

    def end(self) -> bytes:
        """What is left when no more comes."""
        rest, self._rest = self._rest, b""
        return _BYTES.sub(b"?", rest)


def cut(text: str, longest: int = 80) -> str:
    """The text, or as much of it as belongs into a message."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
