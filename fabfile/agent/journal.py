"""The journal: how to take back the changes that are in doubt, on the disk for as long as they are.

A change is in doubt while its check has not passed or its fleet has not confirmed it. The journal is written before the
change is made, and crossed out when it is certain that it stays. What a killed run leaves in it is taken back by the
next run, and after a power cut by the boot, before any service starts: the journal is a file of tmpfiles.d(5), whose
comments are for us. So one file says what holds, to both. Whoever writes it holds the host's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from ..contract import events, wire
from ..contract.base import PutBack, ResourceError
from ..contract.interruption import uninterrupted
from ..hostkit.linux import filesystem

PATH = "/etc/tmpfiles.d/hostsmith.conf"
_TITLE = "# Written by hostsmith: what was there before the changes of a run that has not ended yet, or was cut off.\n"
_MARK = "#:"
# systemd-tmpfiles gives up the whole file for a line of more than 1 MB, be it a comment.
_WIDTH = 100_000


class Journal:
    """What is to be taken back on this host unless it is crossed out, in the order in which it was changed."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        lines = (filesystem.read(path) or b"").decode("ascii", "replace").splitlines()
        text = "".join(line.removeprefix(_MARK) for line in lines if line.startswith(_MARK))
        self._entries: list[dict[str, Any]] = json.loads(text) if text else []

    def __bool__(self) -> bool:
        return bool(self._entries)

    def describe(self) -> str:
        """What is to be taken back, for people."""
        return ", ".join(entry["name"] for entry in self._entries)

    def add(self, steps: Iterable[PutBack]) -> None:
        """Write down how to take changes back; to be called before they are made."""
        known = [entry["step"] for entry in self._entries]
        new = [entry for entry in map(_entry, steps) if entry["step"] not in known]
        if new:
            self._entries += new
            self._save()

    def remove(self, steps: Iterable[PutBack]) -> None:
        """Cross out changes that stay, or have been taken back."""
        # What a boot may do of a step may have changed since, such as with a folder that was made meanwhile.
        gone = [wire.dump(step) for step in steps]
        if gone:
            self._entries = [entry for entry in self._entries if entry["step"] not in gone]
            self._save()

    def recover(self) -> None:
        """Take back what a run has left that was killed, the latest first.

        What cannot be taken back is told and stays as it is; it keeps no run from going on.
        """
        while self._entries:
            entry = self._entries[-1]
            with uninterrupted():
                try:
                    step: PutBack = wire.load(entry["step"])
                    step()
                    events.note(f"put back what a run has left that was cut off: {entry['name']}")
                except (ResourceError, OSError) as error:
                    events.note(f"a run was cut off, and cannot be put back: {_named(entry['name'], error)}")
                self._entries.pop()
                self._save()

    @uninterrupted()
    def _save(self) -> None:
        folder = os.path.dirname(self._path)
        if not self._entries:
            filesystem.remove(self._path)
            return
        filesystem.make_folder(folder)
        text = json.dumps(self._entries)
        lines = [_MARK + text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
        lines += [line for entry in self._entries for line in entry["boot"]]
        # It may hold the former content of files that only root may read.
        filesystem.write_atomic(self._path, (_TITLE + "\n".join(lines) + "\n").encode("ascii"), mode=0o600)


def _named(name: str, error: Exception) -> str:
    """An error with the name of what it is about, once."""
    text = str(error)
    return text if text.startswith(name) else f"{name}: {text}"


def _entry(step: PutBack) -> dict[str, Any]:
    return {"name": step.describe(), "step": wire.dump(step), "boot": step.at_boot()}
