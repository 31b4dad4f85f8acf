"""Redaction of secrets in a host's output, in every spelling that programs use.

Each known secret becomes `***`: those that came with a run, and those in the environment of the apps that are live on
the host. Not redacted are texts of fewer than six characters, which occur too often elsewhere, and secrets that a
program has cut into pieces, or encoded in ways that `_written` does not list.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator

from .secret import Secret

SHORTEST = 6
HIDDEN = b"***"
# Each line of a longer text is a separate secret, since logs are read line by line; short ones are mostly syntax.
_SHORTEST_LINE = 12


class _Known:
    """All spellings of known secrets, the longest first: of two that begin alike, the complete one is replaced."""

    spellings: tuple[bytes, ...] = ()
    lock = threading.Lock()


def remember(secret: Secret) -> None:
    """Redact a secret from now on."""
    with _Known.lock:
        known = {*_Known.spellings, *_spellings(secret.reveal())}
        if len(known) > len(_Known.spellings):
            _Known.spellings = tuple(sorted(known, key=lambda spelling: (-len(spelling), spelling)))


def text(words: str) -> str:
    """Redact a text; bytes that are not UTF-8 stay unchanged."""
    return data(words.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def data(words: bytes) -> bytes:
    """Redact bytes."""
    spellings = _Known.spellings
    # Compiling a regular expression of them all would take longer than most runs save by it.
    if any(map(words.__contains__, spellings)):
        for spelling in spellings:
            words = words.replace(spelling, HIDDEN)
    return words


class Stream:
    """Redacts bytes that arrive in pieces, also secrets that span two pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, more: bytes) -> bytes:
        """Return what is safe to show: all but an end that may be the beginning of a secret."""
        words = data(self._rest + more)
        kept = _unfinished(words)
        self._rest = words[len(words) - kept :]
        return words[: len(words) - kept]

    def end(self) -> bytes:
        """Return the rest at the end of input."""
        rest, self._rest = self._rest, b""
        return rest


def _unfinished(words: bytes) -> int:
    """Count the last bytes that may be the beginning of a secret."""
    return max((_overlap(words, spelling) for spelling in _Known.spellings), default=0)


def _overlap(words: bytes, spelling: bytes) -> int:
    """Count the last bytes that are the beginning of one spelling, but not all of it."""
    at = words.find(spelling[:1], max(0, len(words) - len(spelling) + 1))
    while at >= 0:
        # A few bytes first, so that a long end is rarely copied.
        if spelling.startswith(words[at : at + SHORTEST]) and spelling.startswith(words[at:]):
            return len(words) - at
        at = words.find(spelling[:1], at + 1)
    return 0


def _spellings(secret: str) -> Iterator[bytes]:
    """Yield the spellings of a secret."""
    for words in {secret, secret.strip(), *_parts(secret)}:
        if len(words) >= SHORTEST:
            yield from (spelling.encode("utf-8", "surrogateescape") for spelling in _written(words))


def _parts(secret: str) -> Iterator[str]:
    """Yield the parts that are secrets themselves: the lines of a long text, the password in a URL."""
    from urllib.parse import unquote

    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)
    for password in re.findall(r"://[^/?#\s:@]*:([^/?#\s@]+)@", secret):
        yield password
        yield unquote(password)


def _written(words: str) -> set[str]:
    """Return a text as it is, and as JSON, Python, URLs, shells and base64 write it."""
    from urllib.parse import quote, quote_plus

    try:
        encoded = base64.b64encode(words.encode()).decode()
    except UnicodeEncodeError:
        return {words}
    return {
        words,
        json.dumps(words)[1:-1],
        json.dumps(words, ensure_ascii=False)[1:-1],
        repr(words)[1:-1],
        quote(words, safe=""),
        quote(words),
        quote_plus(words),
        words.replace("'", "'\"'\"'"),
        encoded,
        encoded.rstrip("="),
    }
