"""What the deployers of an app may have a host do: a closed set of frames and resources, each field of them checked.

What is not listed is refused. Whatever is, must not make its sender root: no code, no file but those of a release, no
command but as the app's user, no other app.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from ...contract import wire
from ...contract.base import ResourceError
from ...contract.checks import (
    Check,
    all_of,
    anything,
    argument,
    exactly,
    few,
    mapping,
    number,
    optional,
    pair,
    record,
    size,
    text,
    whole,
)
from ...contract.secret import Secret
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

# Letters of what is refused that are told.
_SHOWN = 200
_ID = r"[0-9]{8}-[0-9]{6}-[A-Za-z0-9._+-]{1,80}"


release = text(_ID)
process = text(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
# For people to read, who must not have their terminals written to.
line = text(r"[^\x00-\x1f\x7f-\x9f]{0,1000}")
word = text(r"[^\x00]*")
name = text(r"[A-Za-z_][A-Za-z0-9_]{0,250}")
flag = exactly(True, False)
commit = text(r"[0-9a-f]{7,64}")
# Not what is on the host: git runs as root there.
remote = text(r"(https?|ssh|git)://[A-Za-z0-9_\[][!-~]*|([A-Za-z0-9_][\w.+-]*@)?[A-Za-z0-9][\w.-]*:(?!//|:)[!-~]+")
revision = text(r"[A-Za-z0-9_][^\s\x00-\x1f\x7f:]{0,250}")
# An IP address; and, above all, no way out of a folder.
address = text(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{2,39}")
page = text(r"[^\x00]{0,1000000}")
paragraphs = text(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]{0,5000}")
inside = text(r"(?!/)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f\x7f]{1,500}")
url_path = text(r"/((?!\.{1,2}/)[\w.~%+@-]+/)+")
static_folder = text(r"static|code/(?!/)(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f\x7f]{1,500}")


class Allowed:
    """What the deployers of one app may ask for.

    :param app: its name.
    """

    def __init__(self, app: str) -> None:
        self._app, self._layout = app, Layout(app)
        own = exactly(app)
        health = optional(self._is(HealthCheck))
        self._classes: dict[type, dict[str, Check]] = {
            Record: {
                "id": release,
                "revision": line,
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
            ReleaseRecord: {"app": own, "record": self._is(Record)},
            ReleaseCode: {
                "app": own,
                "release": release,
                "name": commit,
                "url": optional(_is_remote),
                "pack": lambda value: type(value) is bytes,
                "timeout": number(),
            },
            ReleaseCopy: {"app": own, "release": release, "source": release},
            Variable: {"value": _is_value, "origin": line},
            Variables: {
                "given": few(mapping(name, self._is(Variable))),
                "chosen": few(mapping(name, _is_secret)),
                "since": lambda value: value == "" or release(value),
                "scale": mapping(process, whole(0, 100)),
            },
            # These are read by the app's user alone, or by nobody but us.
            Environment: {"app": own, "release": release, "variables": self._is(Variables)},
            GeneratedValues: {"app": own, "values": few(mapping(name, _is_secret))},
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
                "resources": all_of(tuple, self._is(File, Directory)),
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
            # A page and names of empty files, which nginx gives to visitors, and does not read as configuration.
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
            # It does what the timer does.
            BackedUp: {"app": own},
            Drained: {
                "app": own,
                "server": text("[A-Za-z0-9._:-]{1,300}"),
                "timeout": number(),
                "socket": exactly(haproxy.SOCKET),
            },
        }
        names = few(all_of(list, process))
        dumped_health = self._dumped(health)
        self._queries: dict[str, dict[str, Check]] = {
            "releases": {"app": own},
            "before_deploy": {"app": own},
            "live_release": {"app": own},
            "resolve": {"app": own, "url": self._dumped(_is_remote), "revision": revision, "timeout": number()},
            "status": {"app": own, "health": dumped_health},
            "verify": {"app": own, "release": release, "health": dumped_health, "port": exactly(None, 80, HTTPS_PORT)},
            "log_lines": {"app": own, "names": names, "lines": whole(0, 100_000)},
            "history": {
                "app": own,
                "url": self._dumped(_is_remote),
                "revision": revision,
                "since": few(all_of(list, commit)),
                "files": few(all_of(list, inside)),
            },
            "app_processes": {"app": own},
            "kept_variables": {"app": own},
            "services": {"app": own},
            "running_variables": {"app": own},
            "lock_holder": {},
            "break_lock": {},
        }
        self._frames: dict[str, dict[str, Check]] = {
            "lock": {"holder": record(who=line, what=line), "wait": number()},
            "unlock": {},
            "confirm": {},
            "put_back": {},
            # Each resource is looked at by itself.
            "converge": {"resources": all_of(list, anything), "modules": exactly({}), "hold": flag},
            "ask": {"query": exactly(*self._queries), "arguments": lambda value: type(value) is dict},
            "run": {"app": own, "argv": all_of(list, argument)},
            "follow": {"app": own, "names": names, "marks": mapping(text("[0-9]{1,20}"), size)},
        }

    def check(self, frame: Any) -> None:
        """Refuse a frame that is not wholly of what is allowed.

        :raises ResourceError: with what is refused.
        """
        try:
            self._check(frame)
        except RecursionError:
            raise self._refused("what is nested so deep") from None

    def _check(self, frame: Any) -> None:
        op = frame.get("op") if type(frame) is dict else None
        if type(op) is not str or op not in self._frames:
            raise self._refused(repr(op)[:_SHOWN])
        given = {name: value for name, value in frame.items() if name != "op"}
        self._require(given, self._frames[op], op)
        if op == "ask":
            self._require(given["arguments"], self._queries[given["query"]], given["query"])
        for data in given.get("resources", []):
            self._require_resource(data)

    def _require(self, given: Mapping[str, Any], checks: Mapping[str, Check], what: str) -> None:
        """See that there is each value that is expected, as it is expected, and no other."""
        for name in sorted(given.keys() ^ checks.keys()):
            raise self._refused(f"{what} {'with' if name in given else 'without'} {name[:_SHOWN]!r}")
        for name, value in given.items():
            if not checks[name](value):
                raise self._refused(f"{what} with this {name}")

    def _require_resource(self, data: Any) -> None:
        unknown = _types(data) - _KNOWN
        if unknown:
            raise self._refused(", ".join(sorted(name.rpartition(":")[2] for name in unknown))[:_SHOWN])
        resource = wire.load(data)
        if not self._is(*_RESOURCES)(resource):
            raise self._refused(f"a {type(resource).__name__} like this")

    def _is(self, *classes: type) -> Check:
        return lambda value: type(value) in classes and self._is_allowed(value)

    def _is_allowed(self, value: Any) -> bool:
        """Whether each field of a value is as it must be; and nothing is notified."""
        if getattr(value, "notify", ()) != ():
            return False
        if type(value) is File:
            return self._is_file_of_release(value)
        if type(value) is Directory:
            return self._is_sockets_folder(value)
        checks = self._classes[type(value)]
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
        # These are read and run by the app's user alone.
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
        """The release that a folder is that of."""
        parent, _, name = folder.rpartition("/")
        return name if parent == self._layout.releases and release(name) else None

    def _dumped(self, check: Check) -> Check:
        """Such a value as `wire.dump` gives it."""
        return lambda data: not _types(data) - _KNOWN and check(wire.load(data))

    def _refused(self, what: str) -> ResourceError:
        return ResourceError(
            f"refused: {what}; the deployers of {self._app} may deploy it, roll it back, look at it and run its "
            "commands. Do all else, such as `fab provision`, as an admin: root, or a user with all of sudo"
        )


def _fields(cls: type) -> Collection[str]:
    return [field.name for field in fields(cls) if field.name != "notify"]


def _is_secret(value: Any) -> bool:
    return type(value) is Secret and word(value.reveal())


def _is_remote(value: Any) -> bool:
    return remote(value.reveal() if type(value) is Secret else value)


def _is_value(value: Any) -> bool:
    return word(value) or _is_secret(value)


_RESOURCES = (
    *(ReleaseRecord, ReleaseCode, ReleaseCopy, ReleaseVenv, Validated, Environment, GeneratedValues, Assets),
    *(Collected, DeployCheck, BackedUp, ReleaseCommand, Live, Settled, SingletonsEnded, Singletons, Scaled),
    *(Restarted, Pruned, Drained, Maintenance, NoMaintenance),
)
_KNOWN = frozenset(
    wire.type_name(cls) for cls in (*_RESOURCES, File, Directory, Record, HealthCheck, Variable, Variables)
)


def _types(data: Any) -> set[str]:
    """The names of all classes in what `wire.dump` gave, or what looks like it."""
    if isinstance(data, list):
        return {name for each in data for name in _types(each)}
    if not isinstance(data, dict):
        return set()
    names = {str(data["$type"])} if "$type" in data else set()
    return names | {name for each in data.values() for name in _types(each)}
