"""RESOURCES resources: folders, files and links, half of them below others."""

import os

from hostsmith import Directory, File, Symlink, converge, role, task

COUNT = int(os.environ["RESOURCES"])
FOLDER = f"/srv/growth-{COUNT}"


def resources():
    """The list, of which the first is the folder of all others."""
    yield Directory(FOLDER, mode=0o755)
    kinds = (
        lambda path: Directory(path, mode=0o750),
        lambda path: File(path, f"{path}\n" * 20, mode=0o640),
        lambda path: Symlink(path, "/etc/hostname"),
    )
    for number in range(1, COUNT):
        yield kinds[number % 3](f"{FOLDER}/{number}")


@task(hosts=role("web"))
def grow(c):
    """Bring the host to all of them."""
    converge(c, list(resources()))
