"""The Procfile is read as people write it, and its errors name file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.errors import SettingsError
from hostsmith.settings import load_procfile


def test_commands_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text(
        "# the site\nweb: gunicorn app:app --log-level=info\n\n  worker-1:python worker.py\n   # end\n"
    )
    assert list(load_procfile(tmp_path).items()) == [
        ("web", "gunicorn app:app --log-level=info"),
        ("worker-1", "python worker.py"),
    ]


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"\xef\xbb\xbfweb: gunicorn app:app\r\nworker: run\r\n")
    assert load_procfile(tmp_path) == {"web": "gunicorn app:app", "worker": "run"}


def test_without_a_procfile_there_are_no_processes(tmp_path: Path) -> None:
    assert load_procfile(tmp_path) == {}
    assert load_procfile(tmp_path / "missing") == {}


def test_every_wrong_line_is_told_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web gunicorn\nmy web: x\nworker:\nweb: a\nweb: b\n")
    with pytest.raises(SettingsError) as caught:
        load_procfile(tmp_path)
    assert str(caught.value).splitlines() == [
        "Procfile: line 1: found 'web gunicorn', expected `name: command`, such as `web: gunicorn app:app`",
        "Procfile: line 2: found 'my web: x', expected `name: command`, such as `web: gunicorn app:app`",
        "Procfile: line 3: found 'worker:', expected `name: command`, such as `web: gunicorn app:app`",
        "Procfile: line 5: found 'web' again, already on line 4, expected each process once",
    ]


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"web: \xff\xfe\n")
    with pytest.raises(SettingsError, match="Procfile: not UTF-8 text"):
        load_procfile(tmp_path)
