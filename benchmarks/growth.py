"""Cost of each additional resource: lists of several lengths, nothing to change."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .cost import Command, CommandError
from .delay import HERE
from .results import Listed
from .say import say
from .tools.base import Way

_PROJECT = HERE / "work" / "growth"
_FAB = Path(sys.executable).with_name("fab")


def measure(folder: Path, way: Way, lengths: Sequence[int], runs: int) -> list[Listed]:
    """Time lists of these lengths on a host, interleaved.

    :raises CommandError: a run has changed something.
    """
    shutil.copytree(_PROJECT, folder)
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    shutil.copy(way.known_hosts, ssh / "known_hosts")
    web = {"roles": {"web": [f"{way.user}@{way.host}:{way.port}"]}}
    (folder / "fabric.yaml").write_text(json.dumps({"app": "growth", "processes": {"web": "true"}, **web}))
    for length in lengths:
        _command(folder, way, length).timed()
    return [_listed(folder, way, length) for _ in range(runs) for length in lengths]


def _listed(folder: Path, way: Way, length: int) -> Listed:
    cost, output = _command(folder, way, length).timed()
    if not re.search(rf"\b0 changed, {length} unchanged", output):
        raise CommandError(f"expected that nothing changed in {length} resources, found:\n{output}")
    say(f"{length} resources: {cost}")
    return Listed(length, cost.seconds)


def _command(folder: Path, way: Way, length: int) -> Command:
    base = {"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), "LANG": "C.UTF-8"}
    return Command([str(_FAB), "-i", str(way.key), "grow"], folder, {**base, "RESOURCES": str(length)})
