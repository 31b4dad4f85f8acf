"""The hashed static files of all releases on a host, in one folder: a page of one release finds its files while another
is live."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping

from ..linux import filesystem
from .layout import Layout

# A name with a hash in it, such as app.3f2a91bc.js, never changes its content. nginx reads this pattern, too.
HASHED = r"[.-][0-9a-f]{8,}\.[A-Za-z0-9.]+$"
_HASHED = re.compile(HASHED)
_LIST = "assets.json"


def are_kept(layout: Layout, release: str) -> bool:
    """Whether the files of a release were taken into the folder."""
    return os.path.exists(f"{layout.release(release)}/{_LIST}")


def keep(layout: Layout, release: str, folders: Mapping[str, str]) -> int:
    """Take the hashed files of a release into the folder, and write down which these are.

    :param folders: URL paths, each with a folder that is relative to the release.
    :returns: how many there are.
    """
    found: dict[str, str] = {}
    for prefix, folder in folders.items():
        source = f"{layout.release(release)}/{folder}"
        # Whoever writes the code decides on its symlinks, and not on what of the host is served.
        if os.path.realpath(source) == os.path.normpath(source):
            found |= {f"{prefix.strip('/')}/{name}": f"{source}/{name}" for name in _hashed_in(source)}
    # First the list: what is in the folder and in no list is taken for nobody's.
    filesystem.write_atomic(f"{layout.release(release)}/{_LIST}", json.dumps(sorted(found)).encode(), mode=0o644)
    filesystem.make_folder(layout.assets)
    for name, path in found.items():
        filesystem.make_folder(os.path.dirname(f"{layout.assets}/{name}"))
        filesystem.link(path, f"{layout.assets}/{name}")
    return len(found)


def drop(layout: Layout, release: str) -> None:
    """Forget the files of a release."""
    filesystem.remove(f"{layout.release(release)}/{_LIST}")
    prune(layout)


def prune(layout: Layout) -> None:
    """Remove from the folder what no release has any more."""
    kept: set[str] = set()
    for record in layout.records():
        kept.update(json.loads(filesystem.read(f"{layout.release(record.id)}/{_LIST}") or b"[]"))
    for root, _, files in os.walk(layout.assets, topdown=False):
        for name in files:
            path = f"{root}/{name}"
            if os.path.relpath(path, layout.assets) not in kept:
                filesystem.remove(path)
        if not os.listdir(root):
            filesystem.remove_tree(root)


def _hashed_in(folder: str) -> Iterator[str]:
    """The hashed files that nginx would serve from a folder: neither hidden nor behind a symlink."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = f"{root}/{name}"
            if _HASHED.search(name) and not name.startswith(".") and stat.S_ISREG(os.lstat(path).st_mode):
                yield os.path.relpath(path, folder)
