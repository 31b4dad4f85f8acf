"""Maintenance as the settings and the command line have it: who is let through, and what the page says."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hostsmith.errors import UsageError
from hostsmith.hostkit.app.layout import Layout
from hostsmith.hostkit.app.maintenance import notice
from hostsmith.recipes.maintenance import addresses, maintenance
from hostsmith.resources import ResourceError
from hostsmith.resources.release.maintenance import Maintenance, NoMaintenance
from hostsmith.settings.project import Settings
from local_fab import Fab


def settings(project: Path = Path("/nowhere"), **values: Any) -> Settings:
    return Settings(**{"app": "blog", "processes": {"web": "gunicorn blog:app"}, **values}).placed(project, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("203.0.113.7", ("203.0.113.7",)),
        (" 203.0.113.7 , 203.0.113.7", ("203.0.113.7",)),
        # As nginx writes it.
        ("2001:DB8:0:0::1", ("2001:db8::1",)),
        ("198.51.100.6/31", ("198.51.100.6", "198.51.100.7")),
        ("198.51.100.7/31", ("198.51.100.6", "198.51.100.7")),
    ],
)
def test_addresses_are_those_that_nginx_will_know(text: str | None, expected: tuple[str, ...]) -> None:
    assert addresses(text) == expected


@pytest.mark.parametrize("text", ["", "office.example.org", "203.0.113.7,", "10.0.0.0/8", "2001:db8::/64", "../x"])
def test_what_is_no_address_or_too_many_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--allow: found .*expected"):
        addresses(text)


@pytest.mark.parametrize("message", ["a\0b", "\x1b[2J", "x" * 2001])
def test_a_message_that_is_no_text_is_refused(message: str) -> None:
    with pytest.raises(UsageError, match="--message: expected"):
        maintenance(settings(), message, (), 600, "ann@laptop")


def test_the_page_needs_nothing_from_elsewhere_and_shows_the_message_as_text() -> None:
    page = maintenance(settings(domains=["example.com"]), '<b>"It\'s" & $uri</b>', (), 600, "ann@laptop").page
    assert "<p>&lt;b&gt;&#34;It&#39;s&#34; &amp; $uri&lt;/b&gt;</p>" in page
    assert "prefers-color-scheme: dark" in page
    assert "example.com" in page
    assert not any(text in page for text in ("http:", "https:", "src=", "<script", "@import", "url("))


class TestResource:
    """The state of a host, in real folders."""

    @pytest.fixture
    def wanted(self, tmp_path: Path) -> Maintenance:
        """Maintenance of an app whose site looks for it."""
        (tmp_path / "sites").mkdir()
        layout = Layout("blog", str(tmp_path))
        os.mkdir(layout.root)
        (tmp_path / "sites" / "blog").write_text(f"if (-f {layout.maintenance}/page.html) {{")
        about = ("ann@laptop", "2026-11-21 10:15:00Z", "Back soon.")
        return Maintenance("blog", "<p>", ("::2",), 60, *about, str(tmp_path / "sites"), str(tmp_path))

    def apply(self, resource: Maintenance | NoMaintenance) -> None:
        change = resource.check()
        assert change is not None
        change.apply()
        change.confirm()

    def test_it_begins_changes_and_ends_each_by_one_rename(self, wanted: Maintenance) -> None:
        layout, over = Layout("blog", wanted.base), NoMaintenance("blog", wanted.base)
        assert (notice(layout), over.check()) == (None, None)
        self.apply(wanted)
        assert (notice(layout) or {})["who"] == "ann@laptop"
        assert wanted.check() is None
        first = os.path.realpath(layout.maintenance)
        assert sorted(os.listdir(f"{first}/allow")) == ["127.0.0.1", "::1", "::2"]
        for other in ({"page": "<b>"}, {"allow": ()}, {"retry_after": 61}):
            self.apply(dataclasses.replace(wanted, **other))
        assert not os.path.exists(first)
        assert os.path.realpath(layout.maintenance).endswith(".retry-61")
        self.apply(over)
        assert (notice(layout), over.check()) == (None, None)

    def test_what_is_taken_back_was_never_there(self, wanted: Maintenance) -> None:
        layout = Layout("blog", wanted.base)
        for before in (None, wanted):
            if before:
                self.apply(before)
            found = notice(layout)
            changes = [dataclasses.replace(wanted, page="<i>").check(), NoMaintenance("blog", wanted.base).check()]
            for change in filter(None, changes):
                change.apply()
                assert change.undo is not None
                change.undo()
                assert notice(layout) == found

    def test_a_site_that_would_not_look_for_it_is_told(self, wanted: Maintenance) -> None:
        Path(wanted.sites, "blog").write_text("server { listen 80; }")
        with pytest.raises(ResourceError, match="run `fab provision`"):
            wanted.check()


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "soon", "99999999", "²"])
def test_seconds_that_are_none_are_told_before_a_host_is_asked(tmp_path: Path, text: str) -> None:
    fab = Fab(tmp_path)
    fab.write("app: blog\nroles: {web: ['127.0.0.1:1']}\nprocesses: {web: gunicorn blog}\n")
    fab.write("from hostsmith import ns\n", "fabfile.py")
    (line,) = fab.error("maintenance.on", f"--retry-after={text}")
    assert line.startswith(f"--retry-after: found {text!r}, expected seconds")
