"""Every file that is made from a template, as it is sent: a change of one is seen where it is reviewed.

The files are in tests/unit/rendered, without comments. `RENDERED=write` before the tests writes them again.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.recipes import maintenance, provision, release
from hostsmith.rendering.rendered import rendered
from hostsmith.rendering.template import BUNDLED, Template
from hostsmith.resources import File, Resource, Secret
from hostsmith.settings import Settings
from test_recipes import ID, fleet, settings

SEEN = Path(__file__).parent / "rendered"
PROCESSES = {
    "web": "gunicorn blog:app",
    "worker": {"command": "python work.py", "scale": 2, "memory": "200M"},
    "through-shell": "exec python 'a b.py' | tee log",
    "release": "python migrate.py",
}
BACKUP = {"backup": {"schedule": "15 3 * * *", "keep": 3}}
ASGI = {"processes": {"web": "uvicorn --uds $SOCKET blog:app"}}
TRUSTED = ["192.0.2.1", "2001:db8::/32"]
FIREWALL = {"firewall": {"allow": [{"port": 8125, "from": "10.0.0.0/8"}], "trusted": TRUSTED}}
ONE_BALANCER = {"web": ["root@web1.example.com"], "lb": ["lb2"]}
TLS = {"email": "me@example.com", "hsts": 31536000}

CASES: dict[str, tuple[Settings, Any]] = {
    "alone": (
        settings(hardening=True, processes=PROCESSES, static="public", **BACKUP, **FIREWALL),
        ALL_ROLES,
    ),
    "names": (settings(domains=["example.com", "*.example.org"], static={"/a/": "a", "/b/": "b"}, **ASGI), ALL_ROLES),
    "https": (settings(domains=["example.com"], tls=TLS, framework="django", workers=3), ALL_ROLES),
    "own certificate": (settings(domains=["example.com"], tls={"self_signed": True}), ALL_ROLES),
    "web host of a fleet": (fleet(domains=["example.com"]), ("web",)),
    "balancer": (fleet(domains=["example.com", "*.example.org"], balancer={"rate_limit": 100}), ("lb",)),
    "balancer with https": (fleet(domains=["example.com"], tls=TLS, roles=ONE_BALANCER), ("lb",)),
}


def templates(value: object) -> Iterator[Template]:
    """All templates among resources and in what they hold."""
    if isinstance(value, Template):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from templates(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from templates(getattr(value, field.name))


def without_comments(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith(("#", ";", "//")))


def resources(case: str) -> list[Resource]:
    found, played = CASES[case]
    more: list[Resource] = [] if played == ("lb",) else [release.configuration(found, played, ID)]
    return [*provision(found, played), *more]


def pieces(case: str) -> list[str]:
    found = []
    for template in templates(resources(case)):
        (file,) = rendered([template], Path("/nowhere"), "web1")
        assert isinstance(file, File)
        content = file.content.reveal() if isinstance(file.content, Secret) else str(file.content)
        found.append(f"=== {file.path} {file.mode:o}\n{without_comments(content)}\n")
    return found


def as_sent(case: str) -> str:
    """The files of a case, but for those that are the same in one before it."""
    before = {piece for other in takewhile(lambda name: name != case, CASES) for piece in pieces(other)}
    return "".join(piece for piece in dict.fromkeys(pieces(case)) if piece not in before)


@pytest.mark.parametrize("case", CASES)
def test_files_are_as_they_were_reviewed(case: str) -> None:
    path = SEEN / f"{case.replace(' ', '-')}.txt"
    if os.environ.get("RENDERED") == "write":
        path.write_text(as_sent(case))
    assert as_sent(case) == path.read_text(), "if it is meant: RENDERED=write, and look at the diff"


def test_the_page_of_a_site_in_maintenance_is_as_it_was_reviewed() -> None:
    page = maintenance.maintenance(settings(domains=["example.com"]), "Back at 5 <sharp>.", (), 60, "ann").page
    path = SEEN / "maintenance.html"
    if os.environ.get("RENDERED") == "write":
        path.write_text(page)
    assert page == path.read_text(), "if it is meant: RENDERED=write, and look at the page"


def test_each_template_is_among_them() -> None:
    used = {template.template for case in CASES for template in templates(resources(case))}
    texts = "".join((BUNDLED / name).read_text() for name in used)
    shipped = {str(path.relative_to(BUNDLED)) for path in BUNDLED.rglob("*.j2")}
    assert {name for name in shipped - used if name not in texts} == {"nginx/maintenance.html.j2"}
