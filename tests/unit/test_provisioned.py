"""Which version has provisioned a host: as it was written, and never anything else that may be in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith import __version__
from hostsmith.agent import doctor
from hostsmith.connection import answers
from hostsmith.hostkit.app import provisioned
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.recipes import provision
from hostsmith.resources import File
from hostsmith.settings.project import Settings


def test_it_is_read_as_a_provision_wrote_it(tmp_path: Path) -> None:
    settings = Settings(app="blog", processes={"web": "gunicorn blog:app"})
    *_, last = provision(settings, ALL_ROLES)
    assert isinstance(last, File)
    assert (last.path, last.owner, last.mode) == (provisioned.PATH, "root", 0o644)
    (tmp_path / "provisioned.json").write_text(str(last.content))
    assert provisioned.version(str(tmp_path)) == __version__


def test_a_host_without_the_file_is_the_first_versions_or_not_provisioned(tmp_path: Path) -> None:
    assert provisioned.version(str(tmp_path)) is None
    (tmp_path / "blog").mkdir()
    assert provisioned.version(str(tmp_path)) is None
    (tmp_path / "blog" / "names.json").write_text("{}")
    assert provisioned.version(str(tmp_path)) == "0.1.0"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", '{"hostsmith": 1}', '{"hostsmith": "\\u001b[2J"}', '{"hostsmith": "v1"}']
)
def test_whatever_else_is_in_the_file_is_no_version(tmp_path: Path, text: str) -> None:
    (tmp_path / "provisioned.json").write_text(text)
    assert provisioned.version(str(tmp_path)) is None


def test_versions_are_in_the_order_of_their_releases() -> None:
    order = ["0.1.0", "0.2.0.dev0", "0.2.0.dev1", "0.2.0a1", "0.2.0rc1", "0.2.0", "0.2.1", "0.10.0", "1.0"]
    for n, one in enumerate(order):
        for m, other in enumerate(order):
            assert provisioned.compared(one, other) == ("older" if n < m else "newer" if n > m else ""), (one, other)
    assert provisioned.compared("1.0", "1.0.0") == ""


def test_a_host_can_tell_no_version_that_would_write_on_a_terminal() -> None:
    assert answers.version("0.2.0.dev0")
    assert not answers.version("0.2.0\x1b[2J")
    assert not answers.version("")


@pytest.mark.parametrize(
    ("found", "state", "told", "mend"),
    [
        (None, "none", "not provisioned", ""),
        (__version__, "ok", __version__, ""),
        ("0.1.0", "advice", "0.1.0, older than yours", f"`fab provision` updates it to {__version__}"),
        ("77.0", "advice", "77.0, newer than yours", f"upgrade hostsmith on your machine, which has {__version__}"),
    ],
)
def test_the_doctor_says_who_has_to_act(
    monkeypatch: pytest.MonkeyPatch, found: str | None, state: str, told: str, mend: str
) -> None:
    monkeypatch.setattr(provisioned, "version", lambda: found)
    assert doctor._provisioned() == [doctor.finding("hostsmith", state, told, mend)]
