"""Secrets are taken out of whatever a host says: each known one is `***`, in all the ways in which programs write it.

Known are the secrets that came with a run, and those in the environment of the apps that are live on the host. Not
found are texts of fewer than six characters, which stand in too much that is no secret, and secrets that a program has
encoded in ways that are not listed in `_written`, or has cut into pieces.
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
# Lines of a text with several are secrets of their own, for logs are read line by line; short ones are mostly syntax.
_SHORTEST_LINE = 12


class _Known:
    """What is to be hidden, in all its spellings, the longest first: of two that begin alike it is the whole one."""

    spellings: tuple[bytes, ...] = ()
    lock = threading.Lock()


def remember(secret: Secret) -> None:
    """Hide a secret from now on."""
    with _Known.lock:
        known = {*_Known.spellings, *_spellings(secret.reveal())}
        if len(known) > len(_Known.spellings):
            _Known.spellings = tuple(sorted(known, key=lambda spelling: (-len(spelling), spelling)))


def text(words: str) -> str:
    """A text without secrets; bytes that are not UTF-8 stay as they are."""
    return data(words.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def data(words: bytes) -> bytes:
    """Bytes without secrets."""
    spellings = _Known.spellings
    # A regular expression of them all would take longer to make than most runs have use for it.
    if any(map(words.__contains__, spellings)):
        for spelling in spellings:
            words = words.replace(spelling, HIDDEN)
    return words


class Stream:
    """Bytes that come in pieces, passed on without the secrets, also those of which a piece holds a part only."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, more: bytes) -> bytes:
        """What can be told by now: all but an end that may be the beginning of a secret."""
        words = data(self._rest + more)
        kept = _unfinished(words)
        self._rest = words[len(words) - kept :]
        return words[: len(words) - kept]

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        rest, self._rest = self._rest, b""
        return rest


def _unfinished(words: bytes) -> int:
    """How many of the last bytes are the beginning of a secret that goes on, if it is one."""
    return max((_overlap(words, spelling) for spelling in _Known.spellings), default=0)


def _overlap(words: bytes, spelling: bytes) -> int:
    """How many of the last bytes are the beginning of one spelling, and not all of it."""
    at = words.find(spelling[:1], max(0, len(words) - len(spelling) + 1))
    while at >= 0:
        # First a few bytes, so that a long end is rarely copied.
        if spelling.startswith(words[at : at + SHORTEST]) and spelling.startswith(words[at:]):
            return len(words) - at
        at = words.find(spelling[:1], at + 1)
    return 0


def _spellings(secret: str) -> Iterator[bytes]:
    """The ways in which a secret may be written."""
    for words in {secret, secret.strip(), *_parts(secret)}:
        if len(words) >= SHORTEST:
            yield from (spelling.encode("utf-8", "surrogateescape") for spelling in _written(words))


def _parts(secret: str) -> Iterator[str]:
    """What is secret by itself: the lines of a long text, the password in a URL."""
    from urllib.parse import unquote

    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)
    for password in re.findall(r"://[^/?#\s:@]*:([^/?#\s@]+)@", secret):
        yield password
        yield unquote(password)


def _written(words: str) -> set[str]:
    """A text as it is, and as JSON, Python, URLs, shells and base64 have it."""
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
