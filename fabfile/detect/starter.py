"""Initial files of a project from the findings, each guess with its reason."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator

from ..hostkit.build.requirements import ORDER as LOOKED_FOR
from ..printable import printable
from . import Finding, Project

FABFILE = '''\
"""hostsmith's tasks: `fab --list` shows them. Your own tasks go below."""

from hostsmith import ns

__all__ = ["ns"]
'''

_WIDTH = 100
# Texts that YAML takes as they are, and for neither a number, a date, true nor false.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 ._/@-]*[A-Za-z0-9_/]")
_WORDS = re.compile(r"(?i)true|false|yes|no|on|off|null")


def fabric_yaml(project: Project, app: Finding, host: str | None) -> str:
    """Write the settings, only the necessary ones.

    :param app: name of the app.
    :param host: the server as `user@host`; None if it is not known yet.
    """
    return "\n".join(_paragraphs(project, app, host))


def _paragraphs(project: Project, app: Finding, host: str | None) -> Iterator[str]:
    framework = f"a {project.app.framework} app" if project.app else "an app of unknown kind"
    yield _comment(f"Settings of {framework}. Written by `fab init`; guesses have their reasons.")
    yield _setting(
        f"Name of the app; its user, its folder /srv/{app.value} and its services have this name. {_because(app)}",
        f"app: {_text(app.value)}",
    )
    roles = f"roles:\n  web: [{_text(host)}]" if host else "# roles:\n#   web: [root@203.0.113.7]"
    yield _setting("The server: `user@host`, an address, or a name of your SSH configuration.", roles)
    yield _setting(
        "Domains of the site, and HTTPS for them. Without domains the site answers to every name, by HTTP.",
        "# domains: [blog.example.com]\n# tls: true",
    )
    if line := _requirements(project):
        yield line
    if project.framework:
        yield _setting(
            "Each deploy checks the project, collects its static files and migrates its database. "
            f"{_because(project.framework)}",
            f"framework: {project.framework.value}",
        )
    yield _health(project)
    if project.static:
        yield _setting(
            f"Files that nginx serves itself. {_because(project.static)}", f"static: {_text(project.static.value)}"
        )
    if project.services:
        # Only a hint: the database may be elsewhere.
        asks = "; ".join(one.reason for one in project.services)
        names = ", ".join(one.value for one in project.services)
        yield _setting(
            f"Services for `fab provision` to set up; the app finds them by environment variables: {asks}.",
            f"# services: [{names}]",
        )
    if project.lacks_web:
        web = project.processes["web"]
        yield _setting(f"The Procfile has no process `web`. {_because(web)}", f"processes:\n  web: {_text(web.value)}")


def _requirements(project: Project) -> str:
    found = project.requirements
    if found is None:
        return _setting("Requirements files; there is none.", "requirements: []")
    if found.value in LOOKED_FOR:
        return ""
    return _setting(f"Requirements files. {_because(found)}", f"requirements: [{_text(found.value)}]")


def _health(project: Project) -> str:
    about = "A new release goes live when this page answers with a status from 200 to 299."
    if project.health is None:
        return _setting(f"{about} By default it is the start page.", "# health:\n#   path: /healthz")
    return _setting(f"{about} {_because(project.health)}", f"health:\n  path: {_text(project.health.value)}")


def procfile(project: Project) -> str:
    """Write the Procfile; empty if no process is known."""
    return "".join(f"{name}: {process.value}\n" for name, process in project.processes.items())


def _because(finding: Finding) -> str:
    return f"Guessed, because {finding.reason}." if finding.reason else ""


def _setting(comment: str, lines: str) -> str:
    return f"{_comment(comment)}{lines}\n"


def _comment(text: str) -> str:
    # A reason may quote a file's name, which can have any characters.
    line = printable(" ".join(text.split()))
    return "".join(f"# {row}\n" for row in textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _text(value: str) -> str:
    """Write a text as YAML, in quotes where necessary."""
    return value if _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value) else json.dumps(value)
