"""Resources that deployers may send, with a check for each field."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from ...contract import checks, wire
from ...contract.checks import Check, all_of, exactly, few, mapping, number, optional, pair, text, whole
from ...hostkit.app.health import HTTPS_PORT, HealthCheck
from ...hostkit.app.layout import Layout, Record
from ...hostkit.app.variables import Variable, Variables
from ...hostkit.programs import haproxy
from ...hostkit.supervisor.supervisor_config import is_of_release
from ...resources.directory import Directory
from ...resources.file import File
from ...resources.release.assets import Assets
from ...resources.release.backed_up import BackedUp
from ...resources.release.django import Collected, DeployCheck
from ...resources.release.drained import Drained
from ...resources.release.environment import Environment, GeneratedValues
from ...resources.release.live import Live
from ...resources.release.maintenance import Maintenance, NoMaintenance
from ...resources.release.release import Pruned, ReleaseCode, ReleaseCopy, ReleaseRecord, ReleaseVenv
from ...resources.release.release_command import ReleaseCommand
from ...resources.release.restarted import Restarted
from ...resources.release.scaled import Scaled
from ...resources.release.settled import Settled
from ...resources.release.singletons import Singletons, SingletonsEnded
from ...resources.validated import Validated
from .values import (
    address,
    commit,
    inside,
    is_remote,
    is_secret,
    is_value,
    line,
    name,
    page,
    paragraphs,
    process,
    release,
    static_folder,
    url_path,
    word,
)

_RESOURCES = (
    *(ReleaseRecord, ReleaseCode, ReleaseCopy, ReleaseVenv, Validated, Environment, GeneratedValues, Assets),
    *(Collected, DeployCheck, BackedUp, ReleaseCommand, Live, Settled, SingletonsEnded, Singletons, Scaled),
    *(Restarted, Pruned, Drained, Maintenance, NoMaintenance),
)
_KNOWN = frozenset(
    wire.type_name(cls) for cls in (*_RESOURCES, File, Directory, Record, HealthCheck, Variable, Variables)
)


class AllowedResources:
    """The resources that the deployers of one app may send.

    :param app: its name.
    """

    def __init__(self, app: str) -> None:
        self._layout = Layout(app)
        own = exactly(app)
        self.health = health = optional(self.is_a(HealthCheck))
        self.classes: dict[type, dict[str, Check]] = {
            Record: {
                "id": release,
                "revision": checks.revision,
                "subject": line,
                "who": line,
                "created": line,
                "state": exactly("building"),
                "reason": exactly(""),
            },
            HealthCheck: {
                "path": text("/[!-~]{0,2000}"),
                "host": text("[A-Za-z0-9.:-]{1,255}"),
                "statuses": few(all_of(tuple, pair(whole(0, 999)))),
                "timeout": number(),
                "request_timeout": number(),
            },
            ReleaseRecord: {"app": own, "record": self.is_a(Record)},
            ReleaseCode: {
                "app": own,
                "release": release,
                "name": commit,
                "url": optional(is_remote),
                "pack": lambda value: type(value) is bytes,
                "timeout": number(),
            },
            ReleaseCopy: {"app": own, "release": release, "source": release},
            Variable: {"value": is_value, "origin": line},
            Variables: {
                "given": few(mapping(name, self.is_a(Variable))),
                "chosen": few(mapping(name, is_secret)),
                "since": lambda value: value == "" or release(value),
                "scale": mapping(process, whole(0, 100)),
            },
            # Only the app's user, or only hostsmith, reads these.
            Environment: {"app": own, "release": release, "variables": self.is_a(Variables)},
            GeneratedValues: {"app": own, "values": few(mapping(name, is_secret))},
            ReleaseVenv: {
                "app": own,
                "release": release,
                "python": optional(text(r"[A-Za-z][\w.+-]*|/[\w./+-]+")),
                "requirements": optional(all_of(tuple, inside)),
                "tools": all_of(tuple, exactly("gunicorn", "uvicorn", "uvicorn-worker")),
                "timeout": number(),
            },
            Validated: {
                "name": line,
                "resources": all_of(tuple, self.is_a(File, Directory)),
                "validate": exactly(None),
            },
            Assets: {"app": own, "release": release, "folders": mapping(url_path, static_folder)},
            Collected: {"app": own, "release": release, "timeout": number()},
            DeployCheck: {"app": own, "release": release, "timeout": number()},
            ReleaseCommand: {"app": own, "release": release, "timeout": number(), "label": line},
            Live: {
                "app": own,
                "release": release,
                "health": health,
                "port": exactly(None, 80, HTTPS_PORT),
                "drain_timeout": number(),
            },
            Settled: {
                "app": own,
                "release": release,
                "old": optional(release),
                "drain_timeout": number(),
                "retire": optional(line),
            },
            Scaled: {"app": own, "release": release, "scale": mapping(process, whole(0, 100))},
            Restarted: {"app": own, "release": release, "process": process},
            SingletonsEnded: {"app": own, "release": release},
            Singletons: {"app": own, "release": release},
            Pruned: {"app": own, "keep": whole(1, 1_000_000)},
            # A page that nginx serves, and names of empty files; neither is read as configuration.
            Maintenance: {
                "app": own,
                "page": page,
                "allow": few(all_of(tuple, address)),
                "retry_after": whole(1, 1_000_000),
                "who": line,
                "since": line,
                "message": paragraphs,
                "sites": exactly(Maintenance.sites),
                "base": exactly(Maintenance.base),
            },
            NoMaintenance: {"app": own, "base": exactly(NoMaintenance.base)},
            # The same as the timer's job.
            BackedUp: {"app": own},
            Drained: {
                "app": own,
                "server": text("[A-Za-z0-9._:-]{1,300}"),
                "timeout": number(),
                "socket": exactly(haproxy.SOCKET),
            },
        }

    def problem(self, data: Any) -> str | None:
        """Name what is not allowed in a resource as `wire.dump` returns it; None when it is allowed."""
        if unknown := _types(data) - _KNOWN:
            return ", ".join(sorted(name.rpartition(":")[2] or "a class without a name" for name in unknown))
        resource = wire.load(data)
        return None if self.is_a(*_RESOURCES)(resource) else f"a {type(resource).__name__} like this"

    def is_a(self, *classes: type) -> Check:
        return lambda value: type(value) in classes and self._is_allowed(value)

    def _is_allowed(self, value: Any) -> bool:
        """Whether each field of a value passes its check, and there is no handler."""
        if getattr(value, "notify", ()) != ():
            return False
        if type(value) is File:
            return self._is_file_of_release(value)
        if type(value) is Directory:
            return self._is_sockets_folder(value)
        checks = self.classes[type(value)]
        return all(checks[name](getattr(value, name)) for name in _fields(type(value)))

    def _is_file_of_release(self, file: File) -> bool:
        folder, _, name = str(file.path).rpartition("/")
        found = self._release_of(folder)
        if found is None or type(file.path) is not str or type(file.content) is not str or not word(file.content):
            return False
        place = (name, file.mode, file.owner, file.group)
        groups = {path: group for group, path in self._layout.groups(found).items()}
        if file.path in groups and place == (name, 0o644, None, None):
            return is_of_release(file.content, self._layout, found, groups[file.path])
        # Only the app's user reads and runs these.
        return place in (
            ("gunicorn.conf.py", 0o644, None, None),
            ("start", 0o755, None, None),
            ("cron.py", 0o644, None, None),
            ("cron.json", 0o644, None, None),
        )

    def _is_sockets_folder(self, folder: Directory) -> bool:
        parent, _, name = str(folder.path).rpartition("/")
        return (
            type(folder.path) is str
            and self._release_of(parent) is not None
            and (name, folder.mode, folder.owner, folder.group, folder.passable) == ("run", 0o1777, "root", "root", ())
        )

    def _release_of(self, folder: str) -> str | None:
        """Return the release to which a folder belongs."""
        parent, _, name = folder.rpartition("/")
        return name if parent == self._layout.releases and release(name) else None

    def dumped(self, check: Check) -> Check:
        """Accept a value as `wire.dump` returns it, that passes a check when loaded."""
        return lambda data: not _types(data) - _KNOWN and check(wire.load(data))


def _fields(cls: type) -> Collection[str]:
    return [field.name for field in fields(cls) if field.name != "notify"]


def _types(data: Any) -> set[str]:
    """Collect the names of all classes in the output of `wire.dump`, or what resembles it."""
    if isinstance(data, list):
        return {name for each in data for name in _types(each)}
    if not isinstance(data, dict):
        return set()
    names = {str(data["$type"])} if "$type" in data else set()
    return names | {name for each in data.values() for name in _types(each)}
