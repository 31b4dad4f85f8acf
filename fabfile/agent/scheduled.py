"""Scheduled backup of a host's part of an app, started by systemd."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ..contract.base import ResourceError
from ..hostkit.app import backup_files
from ..hostkit.app.archive import Writer, file_name, header
from ..hostkit.linux import filesystem, folders, pipes
from . import queries


def main(path: str) -> None:
    """Make a backup, and remove the oldest archives beyond the limit.

    :param path: of the plan, which `fab provision` writes.
    """
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    try:
        made = make(plan, time.time())
        rotate(plan["app"], plan["to"], plan["keep"])
    except (ResourceError, OSError) as error:
        sys.exit(f"no backup of {plan['app']}: {error}")
    sys.stdout.write(f"{made}: {os.path.getsize(made)} bytes\n")


def make(plan: Mapping[str, Any], now: float) -> str:
    """Write an archive and return its path.

    :raises ResourceError: a part failed; there is no archive then.
    """
    app, folder = plan["app"], plan["to"]
    folders.require_trusted(folder)
    # systemd runs one at a time, so incomplete archives are leftovers.
    for name in backup_files.unfinished(app, folder):
        filesystem.remove(f"{folder}/{name}")
    kept = queries.kept_variables(app)
    contents = [*(["environment"] if plan["environment"] else []), *(name for name, _ in plan["parts"])]
    path = f"{folder}/{file_name(app, now)}"
    with Writer(path, header(app, now, kept["live"], contents, plan["hostsmith"], None)) as writer:
        if plan["environment"]:
            data = json.dumps(kept).encode()
            with writer.part("environment") as part:
                part.write(pipes.packed(data))
                part.plain = len(data)
        for name, argv in plan["parts"]:
            with writer.part(name) as part:
                part.plain = pipes.dump(argv, part.write)
        writer.finish()
    return path


def rotate(app: str, folder: str, keep: int) -> None:
    """Remove the oldest archives beyond `keep`."""
    for name in backup_files.names(app, folder)[:-keep]:
        filesystem.remove(f"{folder}/{name}")
