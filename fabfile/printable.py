"""Untrusted text, made safe and short enough for a terminal."""

from __future__ import annotations

import re

# Control characters except newline and tab, those that change the direction of text, and surrogates: a host, a log or a
# commit's message may have them, and no terminal may get them.
_UNPRINTABLE = "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_PLAIN = re.compile(_UNPRINTABLE)
_COLOURED = re.compile(rf"(\x1b\[[0-9;:]*m)|{_UNPRINTABLE}")
# The same in UTF-8, except the carriage return: a program may overwrite its own line.
_BYTES = re.compile(
    rb"(\x1b\[[0-9;:]*m)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
# Incomplete sequences, which the next bytes may complete.
_BEGINNING = re.compile(rb"(\x1b(\[[0-9;:]{0,40})?|\xc2|\xe2[\x80\x81]?)\Z")


# Credentials in a URL: everything before the host for HTTP, else the password.
_LOGIN = re.compile(r"(\bhttps?://)[^/\s@]+@|(\w://[^/\s:@]*:)[^/\s@]+@", re.IGNORECASE)


def printable(text: str) -> str:
    """Replace terminal control characters by `?`, as `ls` does in the names of files."""
    return _PLAIN.sub("?", text.replace("\r\n", "\n"))


def without_logins(text: str) -> str:
    """Remove the credentials of URLs in a message; not for the output of programs."""
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}***@", text)


def coloured(text: str) -> str:
    """Do as `printable`, but keep colours."""
    return _COLOURED.sub(lambda found: found[1] or "?", text)


class Coloured:
    """Filter as `coloured`, for a stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Add bytes, and return those that can be shown by now."""
        data = self._rest + data
        beginning = _BEGINNING.search(data)
        end = beginning.start() if beginning else len(data)
        self._rest = data[end:]
        return _BYTES.sub(lambda found: found[1] or b"?", data[:end])

    def end(self) -> bytes:
        """Return the rest at the end of the stream."""
        rest, self._rest = self._rest, b""
        return _BYTES.sub(b"?", rest)


def cut(text: str, longest: int = 80) -> str:
    """Shorten a text for a message."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
