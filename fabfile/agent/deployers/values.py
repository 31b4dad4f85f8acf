"""Predicates for the values in frames and resources of deployers."""

from __future__ import annotations

from typing import Any

from ...contract.checks import exactly, release_id, text
from ...contract.secret import Secret

release = release_id
process = text(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
# Shown to people, so without control characters for their terminals.
line = text(r"[^\x00-\x1f\x7f-\x9f]{0,1000}")
# As long as what the controller accepts of a host.
word = text(r"[^\x00]{0,1000000}")
name = text(r"[A-Za-z_][A-Za-z0-9_]{0,250}")
flag = exactly(True, False)
commit = text(r"[0-9a-f]{7,64}")
# No paths on the host, where git runs as root.
remote = text(r"(https?|ssh|git)://[A-Za-z0-9_\[][!-~]*|([A-Za-z0-9_][\w.+-]*@)?[A-Za-z0-9][\w.-]*:(?!//|:)[!-~]+")
revision = text(r"[A-Za-z0-9_][^\s\x00-\x1f\x7f:]{0,250}")
# An IP address; and above all, no path out of a folder.
address = text(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{2,39}")
page = text(r"[^\x00]{0,1000000}")
paragraphs = text(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]{0,5000}")
inside = text(r"(?!/)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f\x7f]{1,500}")
url_path = text(r"/((?!\.{1,2}/)[\w.~%+@-]+/)+")
static_folder = text(r"static|code/(?!/)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f\x7f]{1,500}")


def is_secret(value: Any) -> bool:
    """Accept a secret that can be an environment variable."""
    return type(value) is Secret and word(value.reveal())


def is_remote(value: Any) -> bool:
    """Accept the URL of a remote repository, also as a secret."""
    return remote(value.reveal() if type(value) is Secret else value)


def is_value(value: Any) -> bool:
    """Accept the value of an environment variable."""
    return word(value) or is_secret(value)
