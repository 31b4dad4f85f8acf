"""Settings of the source: its location, framework and requirements."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator

from ..contract.secret import Secret
from . import values as kind
from .kinds import OneOrList, Text, UnexpectedError

_LOGIN = re.compile(r"(\w+://)([^/\s]*)@(.*)", re.DOTALL)


class WithLogin(str):
    """A git URL without its login.

    :cvar whole: the URL with the login.
    """

    __slots__ = ("whole",)
    whole: Secret


def _apart(source: str) -> str:
    """Remove the user and the password of an HTTP URL.

    :raises UnexpectedError: a secret would appear on command lines.
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
            "a URL without a password, which SSH ignores", "use a deploy key, which `fab provision` shows"
        )
    if not unquote(found[2]).isprintable():
        raise UnexpectedError("a user and a password without control characters")
    bare = WithLogin(found[1] + found[3])
    bare.whole = Secret(source)
    return bare


Source = Annotated[kind.Source, AfterValidator(_apart)]


def whole(source: str) -> str | Secret:
    """Return the URL of a source with its login, as git needs it."""
    return source.whole if isinstance(source, WithLogin) else source


DJANGO = "django"

Framework = Annotated[str | None, Text("django, or null for none", DJANGO)]

# Processes of a framework's app, unless its Procfile or its settings define them.
_PROCESSES = {DJANGO: {"release": "python manage.py migrate --noinput"}}


def processes(framework: str | None) -> dict[str, str]:
    """Look up the processes that every app of a framework has."""
    return _PROCESSES.get(framework or "", {})


# None: the first known file that exists.
Requirements = (
    Annotated[
        list[kind.SourcePath],
        AfterValidator(kind.once_each("each file once")),
        OneOrList("a requirements file or lock in the source, or a list of them"),
    ]
    | None
)
