"""Numbers of a release's processes, as set by `fab scale`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.app.layout import SINGLETONS_CONF, Layout
from ...hostkit.linux import filesystem

_WORKERS = re.compile(r"^workers = (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Scaled(Resource):
    """The numbers of processes in the configuration of a release that is not running yet.

    The host edits the files, since only it has the configuration of a deployed release.

    :param scale: numbers by name; for `web` the workers of gunicorn. A process that the host does not run, or that no
        longer exists, is skipped.
    """

    app: str
    release: str
    scale: Mapping[str, int]

    def describe(self) -> str:
        return "scale"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        folder = layout.release(self.release)
        names = ("supervisor.conf", SINGLETONS_CONF, "gunicorn.conf.py")
        before = {path: text for name in names if (text := _read(path := f"{folder}/{name}")) is not None}
        after, changes = dict(before), []
        for path, text in before.items():
            for name, number in self.scale.items():
                found, old = _web(text, number) if name == "web" else _program(text, name, number)
                if found != after[path] and old is not None and old != str(number):
                    after[path] = text = found
                    changes.append(f"{name} {old} -> {number}")
        if after == before:
            return None

        def write(texts: Mapping[str, str]) -> None:
            for path, text in texts.items():
                filesystem.write_atomic(path, text.encode(), mode=0o644)

        return Change(", ".join(changes), lambda: write(after), lambda: write(before))


def _read(path: str) -> str | None:
    data = filesystem.read(path)
    return None if data is None else data.decode("utf-8", "replace")


def _web(text: str, number: int) -> tuple[str, str | None]:
    """Set the workers in gunicorn's configuration; return it and the previous number, None for another server."""
    found = _WORKERS.search(text)
    if found is None:
        return text, None
    old = found[1] if found[1].isdigit() else "as many as the CPUs allow"
    return _WORKERS.sub(f"workers = {number}", text, count=1), old


def _program(text: str, name: str, number: int) -> tuple[str, str | None]:
    """Set the number of a process in supervisord's configuration; return it and the previous number, None if missing.

    :raises ResourceError: it does not have the form of hostsmith's template.
    """
    section = re.search(rf"^\[program:[^\]\n]*-{re.escape(name)}\]\n(?:[^\[\n].*\n|\n)*", text, re.MULTILINE)
    if section is None or f"/start {name}\n" not in section[0]:
        return text, None
    body = section[0]
    numbered = re.search(r"^numprocs=([0-9]+)$", body, re.MULTILINE)
    plain = re.sub(r"^numprocs(_start)?=.*\n", "", body, flags=re.MULTILINE)
    one, several = f"process_name={name}\n", f"process_name={name}.%(process_num)d\n"
    line = several if several in plain else one
    if line not in plain:
        raise ResourceError(f"supervisor.conf: `{one.strip()}` is missing, by which hostsmith finds {name} there")
    wanted = one if number == 1 else f"{several}numprocs={number}\nnumprocs_start=1\n"
    return text.replace(body, plain.replace(line, wanted)), numbered[1] if numbered else "1"
