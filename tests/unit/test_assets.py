"""Static files of several releases: what stays reachable, and for how long."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hostsmith.hostkit.app import assets
from hostsmith.hostkit.app.layout import Layout, Record

OLD, NEW = "20260101-120000-old", "20260102-120000-new"
FOLDERS = {"/static/": "code/public", "/a/b/": "code/more"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout("blog", base=str(tmp_path))
    for release in (OLD, NEW):
        os.makedirs(f"{found.release(release)}/code/public/css")
        found.write_record(Record(release))
    return found


def write(layout: Layout, release: str, name: str, text: str = "x") -> Path:
    path = Path(layout.release(release), "code", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def there(layout: Layout) -> set[str]:
    root = Path(layout.assets)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_hashed_files_of_all_releases_are_kept_by_url_and_go_with_the_last_that_has_them(layout: Layout) -> None:
    write(layout, OLD, "public/css/old.0123456789ab.css")
    for release in (OLD, NEW):
        write(layout, release, "public/both.0123456789ab.js")
    write(layout, NEW, "more/new-3f2a91bc.js")
    for release in (OLD, NEW):
        assets.keep(layout, release, FOLDERS)
    everything = {"static/css/old.0123456789ab.css", "static/both.0123456789ab.js", "a/b/new-3f2a91bc.js"}
    assert there(layout) == everything
    assets.prune(layout)
    assert there(layout) == everything
    shutil.rmtree(layout.release(OLD))
    assets.prune(layout)
    assert there(layout) == everything - {"static/css/old.0123456789ab.css"}
    assert not os.path.exists(f"{layout.assets}/static/css")
    assets.drop(layout, NEW)
    assert there(layout) == set()
    assert not assets.are_kept(layout, NEW)


def test_names_without_a_hash_hidden_files_and_symlinks_are_not(layout: Layout, tmp_path: Path) -> None:
    secret = tmp_path / "secret.0123456789ab.txt"
    secret.write_text("hunter2")
    for name in ("app.js", ".app.0123456789ab.js", ".git/x.0123456789ab.js"):
        write(layout, NEW, f"public/{name}")
    os.symlink(secret, f"{layout.release(NEW)}/code/public/a.0123456789ab.txt")
    os.symlink(tmp_path, f"{layout.release(NEW)}/code/public/folder")
    os.symlink(tmp_path, f"{layout.release(NEW)}/code/more")
    assert assets.keep(layout, NEW, FOLDERS) == 0
    assert there(layout) == set()
    assert assets.are_kept(layout, NEW)


def test_a_release_on_another_file_system_has_its_files_copied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(source: str, path: str, **_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", elsewhere)
    write(layout, NEW, "public/app.0123456789ab.js", "content")
    assets.keep(layout, NEW, FOLDERS)
    assert there(layout) == {"static/app.0123456789ab.js"}
    assert Path(layout.assets, "static/app.0123456789ab.js").read_text() == "content"
