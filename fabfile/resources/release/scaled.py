"""How many of each process a release has, when `fab scale` has said another number than the settings."""

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
    """The configuration of a release that does not run yet has so many of some processes.

    It is changed where it is, since nobody but the host knows the configuration of a release that has been deployed.

    :param scale: how many, by name; for `web` the workers of gunicorn. A process that the host does not run, or that
        there is no more, is passed over.
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
        after, said = dict(before), []
        for path, text in before.items():
            for name, number in self.scale.items():
                found, old = _web(text, number) if name == "web" else _program(text, name, number)
                if found != after[path] and old is not None and old != str(number):
                    after[path] = text = found
                    said.append(f"{name} {old} -> {number}")
        if after == before:
            return None

        def write(texts: Mapping[str, str]) -> None:
            for path, text in texts.items():
                filesystem.write_atomic(path, text.encode(), mode=0o644)

        return Change(", ".join(said), lambda: write(after), lambda: write(before))


def _read(path: str) -> str | None:
    data = filesystem.read(path)
    return None if data is None else data.decode("utf-8", "replace")


def _web(text: str, number: int) -> tuple[str, str | None]:
    """gunicorn's configuration with so many workers, and how many there were before; None when it is something else."""
    found = _WORKERS.search(text)
    if found is None:
        return text, None
    old = found[1] if found[1].isdigit() else "as many as the CPUs allow"
    return _WORKERS.sub(f"workers = {number}", text, count=1), old


def _program(text: str, name: str, number: int) -> tuple[str, str | None]:
    """supervisord's configuration with so many of a process, and how many there were before; None: it is not there.

    :raises ResourceError: it is not as hostsmith's template has it.
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
        raise ResourceError(f"supervisor.conf: found no `{one.strip()}`, by which hostsmith knows {name} there")
    wanted = one if number == 1 else f"{several}numprocs={number}\nnumprocs_start=1\n"
    return text.replace(body, plain.replace(line, wanted)), numbered[1] if numbered else "1"
