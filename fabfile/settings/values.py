"""Types of single settings: an app's name, a domain, a folder, and so on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

from ..openssh.host import HOST_FORM, Host, expand, read_host
from .kinds import Number, Scalar, Text, UnexpectedError
from .procfile import NO_COMMAND, PROCESS_NAME
from .reserved import is_reserved

_APP_NAME = "a name of lower-case letters, digits and hyphens that begins with a letter, at most 31 characters"


def _app_name(value: str) -> str:
    if is_reserved(value):
        raise UnexpectedError(
            f"{_APP_NAME}, and is not in use",
            f"{value} is reserved for a user, group or file of the system; use {value[:27]}-app",
        )
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", value):
        near = app_name_like(value)
        raise UnexpectedError(_APP_NAME, f"did you mean {near}?" if near else "")
    return value


def app_name_like(text: str) -> str:
    """Derive a valid app name from any text; empty if that is impossible."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")[:31].strip("-")
    return f"{name[:27]}-app" if is_reserved(name) else name


AppName = Annotated[str, AfterValidator(_app_name), Text(_APP_NAME)]

_DOMAIN = "a domain name such as www.example.com"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# Letters that IDNA 2003, which Python has, maps to others, but IDNA 2008, which browsers use, does not.
_IDNA_DEVIATIONS = re.compile("[\u00df\u03c2\u200c\u200d]")


def _domain(value: str) -> str:
    if _IDNA_DEVIATIONS.search(value):
        raise UnexpectedError(_DOMAIN, "write its punycode form, which begins with xn--")
    ascii_name = _ascii_domain(value)
    if ascii_name is None:
        inner = _ascii_domain(re.sub(r"^[a-z]+://|[/:].*$", "", value.strip(), flags=re.IGNORECASE))
        raise UnexpectedError(_DOMAIN, f"did you mean {inner}?" if inner else "")
    if ascii_name.rpartition(".")[2].isdigit():
        raise UnexpectedError(
            f"{_DOMAIN}, not an address", "without domains the site answers to every name and address"
        )
    return ascii_name


def _ascii_domain(value: str) -> str | None:
    """Convert a name to lower case and punycode; None if it is not a domain name."""
    star, name = ("*.", value[2:]) if value.startswith("*.") else ("", value)
    try:
        name = name.lower().removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        return None
    labels = name.split(".")
    valid = len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return star + name if valid and (not star or len(labels) > 1) else None


Domain = Annotated[str, AfterValidator(_domain), Text(_DOMAIN)]

HostName = Annotated[
    str | None, Text("a host name such as www.example.com", r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
]

_GIT_URL = re.compile(r"(https?|ssh|git|file)://[^\s]+|([\w.+-]+@)?[\w.-]+:[^:\s][^\s]*", re.IGNORECASE)
SOURCE = "a git URL (https://, ssh://, git://, file://, git@host:path) or a local folder"


def is_git_url(source: str) -> bool:
    """Whether a source is a git URL rather than a local folder."""
    return bool(_GIT_URL.fullmatch(source))


Source = Annotated[str, Text(SOURCE, r"(?!-)(?!\s)[^\x00-\x1f]+(?<!\s)")]
Revision = Annotated[str, Text("a branch, tag or commit", r"(?!-)(?!.*\.\.)[^\s\x00-\x1f\x7f~^:?*\[\\]+([~^][0-9]*)*")]
_INTERPRETER = "a program on the host, such as python3.12 or /opt/python/bin/python3"


def _interpreter(value: Any) -> Any:
    if isinstance(value, int | float):
        raise UnexpectedError(_INTERPRETER, "write the full name of the program")
    return value


Interpreter = Annotated[str, Text(_INTERPRETER, r"(?a:[A-Za-z][\w.+-]*|/[\w./+-]+)"), BeforeValidator(_interpreter)]

SourcePath = Annotated[
    str,
    Text(
        "a path inside the source, such as assets/static",
        r"(?![/~-])(?!(.*/)?\.\.(/|$))[^\s\"';{}$\x00-\x1f]+",
    ),
]
UrlPrefix = Annotated[
    str,
    Text(
        "a URL path that begins and ends with a slash and is not the whole site, such as /static/",
        r"/([\w.~%+@-]+/)+",
    ),
]
# All characters of a request line but quotation marks and the fragment's #.
UrlPath = Annotated[str, Text("an ASCII path that begins with a slash, such as /healthz", r"/[!$-&(-~]*")]

RoleName = Annotated[str, Text("a role name of letters, digits, - and _, such as web", r"[A-Za-z][A-Za-z0-9_-]*")]


def host(value: Any) -> Host:
    """Read a single host.

    :raises UnexpectedError: the text is not a host, or is a pattern for several.
    """
    if isinstance(value, Host):
        return value
    texts = host_texts(value)
    if len(texts) > 1:
        raise UnexpectedError(f"one host, {HOST_FORM}")
    return read_host(texts[0])


def host_texts(value: Any) -> list[str]:
    """Expand a host or a pattern to the text of each host.

    :raises UnexpectedError: it is neither.
    """
    if not isinstance(value, str):
        raise UnexpectedError(HOST_FORM)
    try:
        texts = expand(value)
        for text in texts:
            read_host(text)
    except ValueError as error:
        raise UnexpectedError(HOST_FORM, str(error)) from None
    return texts


HostSpec = Annotated[Host, PlainValidator(host), PlainSerializer(str, when_used="json"), Scalar(HOST_FORM)]
UserName = Annotated[str, Text("a user name such as deploy", r"[A-Za-z0-9_][A-Za-z0-9_.\\+-]*")]
Port = Annotated[int, Field(ge=1, le=65535), Number("a port, from 1 to 65535")]
Weight = Annotated[int, Field(ge=1, le=256), Number("a whole number from 1 to 256")]

_ADDRESS = "an IP address or a DNS name, such as 10.0.0.7"


def _address(value: str) -> str:
    try:
        found = read_host(f"[{value}]" if value.count(":") > 1 and "[" not in value else value)
    except ValueError:
        raise UnexpectedError(_ADDRESS) from None
    if found != Host(found.host):
        raise UnexpectedError(f"{_ADDRESS}, without user and port")
    return found.host


Address = Annotated[str, AfterValidator(_address), Text(_ADDRESS)]

_SHARE = "a number of hosts such as 2, or a percentage such as 25%"


def share(value: Any) -> int | str:
    """Read a number of hosts, or a percentage of them.

    :raises UnexpectedError: it is neither.
    """
    found = re.fullmatch(r"0*([1-9][0-9]{0,8})(%?)", str(value))
    if not isinstance(value, int | str) or not found or (found[2] and int(found[1]) > 100):
        raise UnexpectedError(_SHARE)
    return found[0] if found[2] else int(found[1])


Share = Annotated[int | str, PlainValidator(share), Scalar(_SHARE)]

ProcessName = Annotated[str, Text("a process name of letters, digits, - and _, such as web", PROCESS_NAME.pattern)]
COMMAND = "a command on one line, such as gunicorn app:app"


def command(value: str) -> str:
    """Check a command for use in a script.

    :raises UnexpectedError: it has more than one line, or none.
    """
    found = value.strip()
    if not found or NO_COMMAND.search(found):
        raise UnexpectedError(COMMAND)
    return found


_VARIABLE_NAME = "a variable name of letters, digits and _, such as DATABASE_URL"
# Variables that the start script of a release sets, and those that the shell reserves.
_GIVEN = "SOCKET VIRTUAL_ENV GUNICORN_CMD_ARGS HOSTSMITH_APP HOSTSMITH_RELEASE"
_OF_THE_SHELL = "OPTIND LINENO PPID UID EUID"


def _variable_name(value: str) -> str:
    if value in _GIVEN.split():
        raise UnexpectedError(_VARIABLE_NAME, f"{value} is set by hostsmith for each release")
    if value in _OF_THE_SHELL.split():
        raise UnexpectedError(_VARIABLE_NAME, f"{value} is reserved by the shell that starts the processes")
    return value


VariableName = Annotated[str, AfterValidator(_variable_name), Text(_VARIABLE_NAME, r"[A-Za-z_][A-Za-z0-9_]{0,199}")]

Algorithm = Annotated[str, Text("roundrobin or leastconn", r"roundrobin|leastconn")]

_STATUS = "an HTTP status such as 200, or a range of them such as 200-299"


def _status_range(value: Any) -> str:
    text = str(value)
    if not re.fullmatch(r"[1-5][0-9]{2}(-[1-5][0-9]{2})?", text) or text[-3:] < text[:3]:
        raise UnexpectedError(_STATUS)
    return text


StatusRange = Annotated[str, BeforeValidator(_status_range), Scalar(_STATUS)]

_SIZE = "a size as nginx writes it: a number, with k, m or g after it, such as 10m"


def _size(value: Any) -> Any:
    return str(value) if type(value) is int else value


Size = Annotated[str, Text(_SIZE, r"[0-9]{1,9}[kKmMgG]?"), BeforeValidator(_size)]

Email = Annotated[
    str | None, Text("an e-mail address such as me@example.com", r"[^\s@,;<>\"']+@[^\s@,;<>\"']+\.[^\s@,;<>\"']+")
]
HttpsUrl = Annotated[
    str | None, Text("a URL such as https://acme.example.com/directory", r"https://[^\s\"'/?#@]+(/[^\s\"'#]*)?")
]
LocalFile = Annotated[str | None, Text("a local file, such as tls/example.pem", r"(?!\s)[^\x00-\x1f]+(?<!\s)")]
PackageName = Annotated[str, Text("the name of an apt package, such as libpq5", r"[a-z0-9][a-z0-9+.-]{0,98}[a-z0-9+.]")]
Memory = Annotated[str | None, Text("an amount of memory such as 64m or 2g", r"[1-9][0-9]{0,5}[mMgG]")]
Flag = Annotated[bool, Scalar("true or false")]
Positive = Annotated[int, Field(ge=1), Number("a whole number, 1 or more")]
NotNegative = Annotated[int, Field(ge=0), Number("a whole number, 0 or more")]


def once_each(phrase: str) -> Callable[[list[str]], list[str]]:
    """Make a check that each member of a list is there once."""

    def check(values: list[str]) -> list[str]:
        for index, value in enumerate(values):
            if value in values[:index]:
                raise UnexpectedError(phrase, found=f"{value!r} twice")
        return values

    return check
