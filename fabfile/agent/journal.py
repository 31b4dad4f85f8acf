"""Journal on disk: how to undo the changes that are not final yet.

A change is in doubt while its check has not passed or its fleet has not confirmed it. Its entry is written before the
change is made, and removed once the change is final. What a killed run leaves in the journal is undone by the next
run, and after a power cut by the boot, before any service starts: the journal is a file of tmpfiles.d(5) with the
entries in comments, so that both read the same file. Only a run that holds the host's lock writes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from ..contract import events, wire
from ..contract.base import PutBack, ResourceError
from ..contract.interruption import uninterrupted
from ..hostkit.linux import filesystem, folders

PATH = "/etc/tmpfiles.d/hostsmith.conf"
_TITLE = "# Written by hostsmith: what was there before the changes of a run that has not ended yet, or was cut off.\n"
_MARK = "#:"
# systemd-tmpfiles rejects a whole file with a line of more than 1 MB, even a comment.
_WIDTH = 100_000


class Journal:
    """The undos that are pending on this host, in the order of their changes."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        lines = (filesystem.read(path) or b"").decode("ascii", "replace").splitlines()
        text = "".join(line.removeprefix(_MARK) for line in lines if line.startswith(_MARK))
        self._entries: list[dict[str, Any]] = json.loads(text) if text else []

    def __bool__(self) -> bool:
        return bool(self._entries)

    def describe(self) -> str:
        """Name what is pending, for people."""
        return ", ".join(entry["name"] for entry in self._entries)

    def add(self, steps: Iterable[PutBack]) -> None:
        """Write down the undos of changes; must be called before they are made."""
        known = [entry["step"] for entry in self._entries]
        new = [entry for entry in map(_entry, steps) if entry["step"] not in known]
        if new:
            self._entries += new
            self._save()

    def remove(self, steps: Iterable[PutBack]) -> None:
        """Remove the entries of changes that are final, or undone."""
        # The boot's part of a step may have changed since, for instance because its folder was created.
        gone = [wire.dump(step) for step in steps]
        if gone:
            self._entries = [entry for entry in self._entries if entry["step"] not in gone]
            self._save()

    def recover(self) -> None:
        """Undo what a killed run left, the latest change first.

        A note reports what cannot be undone, which does not stop the run.
        """
        while self._entries:
            entry = self._entries[-1]
            with uninterrupted():
                try:
                    step: PutBack = wire.load_kept(entry["step"])
                    step()
                    events.note(f"rolled back a change of an interrupted run: {entry['name']}")
                except (ResourceError, OSError) as error:
                    events.note(f"cannot roll back a change of an interrupted run: {_named(entry['name'], error)}")
                self._entries.pop()
                self._save()

    @uninterrupted()
    def _save(self) -> None:
        folder = os.path.dirname(self._path)
        if not self._entries:
            filesystem.remove(self._path)
            return
        folders.make(folder)
        text = json.dumps(self._entries)
        lines = [_MARK + text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
        lines += [line for entry in self._entries for line in entry["boot"]]
        # It may contain the previous content of files that only root may read.
        filesystem.write_atomic(self._path, (_TITLE + "\n".join(lines) + "\n").encode("ascii"), mode=0o600)


def _named(name: str, error: Exception) -> str:
    """Add a name to an error, unless the error begins with it."""
    text = str(error)
    return text if text.startswith(name) else f"{name}: {text}"


def _entry(step: PutBack) -> dict[str, Any]:
    return {"name": step.describe(), "step": wire.dump(step), "boot": step.at_boot()}
