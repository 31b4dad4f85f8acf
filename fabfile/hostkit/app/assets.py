"""Hashed static files of all releases on a host, in one folder.

So a page of one release finds its files while another release is live.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping

from ..linux import filesystem, folders
from .layout import Layout

# A name with a hash in it, such as app.3f2a91bc.js, never changes its content. nginx reads this pattern, too.
HASHED = r"[.-][0-9a-f]{8,}\.[A-Za-z0-9.]+$"
_HASHED = re.compile(HASHED)
_LIST = "assets.json"


def are_kept(layout: Layout, release: str) -> bool:
    """Whether the files of a release are in the folder."""
    return os.path.exists(f"{layout.release(release)}/{_LIST}")


def keep(layout: Layout, release: str, sources: Mapping[str, str]) -> int:
    """Add the hashed files of a release to the folder, and record their names.

    :param sources: URL paths, each with a folder relative to the release.
    :returns: the number of files.
    """
    found: dict[str, str] = {}
    for prefix, folder in sources.items():
        source = f"{layout.release(release)}/{folder}"
        # The code may contain any symlink, but must not choose what of the host is served.
        if os.path.realpath(source) == os.path.normpath(source):
            found |= {f"{prefix.strip('/')}/{name}": f"{source}/{name}" for name in _hashed_in(source)}
    # The list comes first: a file that is in no list is pruned.
    filesystem.write_atomic(f"{layout.release(release)}/{_LIST}", json.dumps(sorted(found)).encode(), mode=0o644)
    folders.make(layout.assets)
    for name, path in found.items():
        folders.make(os.path.dirname(f"{layout.assets}/{name}"))
        filesystem.link(path, f"{layout.assets}/{name}")
    return len(found)


def drop(layout: Layout, release: str) -> None:
    """Remove the files of a release."""
    filesystem.remove(f"{layout.release(release)}/{_LIST}")
    prune(layout)


def prune(layout: Layout) -> None:
    """Remove files that no release has any more."""
    kept: set[str] = set()
    for record in layout.records():
        kept.update(json.loads(filesystem.read(f"{layout.release(record.id)}/{_LIST}") or b"[]"))
    for root, _, files in os.walk(layout.assets, topdown=False):
        for name in files:
            path = f"{root}/{name}"
            if os.path.relpath(path, layout.assets) not in kept:
                filesystem.remove(path)
        if not os.listdir(root):
            folders.remove(root)


def _hashed_in(folder: str) -> Iterator[str]:
    """Yield the hashed files that nginx would serve from a folder: neither hidden nor symlinks."""
    for root, below, files in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            path = f"{root}/{name}"
            if _HASHED.search(name) and not name.startswith(".") and stat.S_ISREG(os.lstat(path).st_mode):
                yield os.path.relpath(path, folder)
