"""Where the code comes from: a local folder, or a git URL whose login is kept apart from what is shown."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator

from ..contract.secret import Secret
from . import values as kind
from .kinds import UnexpectedError

_LOGIN = re.compile(r"(\w+://)([^/\s]*)@(.*)", re.DOTALL)


class WithLogin(str):
    """A git URL without its login, which `whole` has.

    :param whole: the URL as it was written.
    """

    __slots__ = ("whole",)
    whole: Secret


def _apart(source: str) -> str:
    """The source without the user and the password of an HTTP URL.

    :raises UnexpectedError: a secret stands where it would get onto command lines.
    """
    if not re.match(r"\w+://", source):
        return source
    is_http = source.lower().startswith("http")
    if is_http and re.search(r"[?#]", source):
        example = "https://oauth2:TOKEN@git.example.com/blog.git"
        raise UnexpectedError(
            "a git URL without a query", f"write a token as in {example}", found="a URL with a query, not shown"
        )
    found = _LOGIN.fullmatch(source)
    if not found or (not is_http and ":" not in found[2]):
        return source
    if not is_http:
        raise UnexpectedError(
            "no password in it, since SSH takes none from a URL", "use a deploy key, which `fab provision` shows"
        )
    if not unquote(found[2]).isprintable():
        raise UnexpectedError("a user and a password without control characters")
    bare = WithLogin(found[1] + found[3])
    bare.whole = Secret(source)
    return bare


Source = Annotated[kind.Source, AfterValidator(_apart)]


def whole(source: str) -> str | Secret:
    """The URL of a source as git needs it."""
    return source.whole if isinstance(source, WithLogin) else source
