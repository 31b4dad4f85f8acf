"""Frames that deployers of an app may send, with a check for each field.

Everything else is refused. No allowed frame may give its sender root's rights: no code, no files except those of a
release, no commands except as the app's user, no other app.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    record,
    size,
    text,
    whole,
)
from ...hostkit.app.health import HTTPS_PORT
from .resources import AllowedResources
from .values import commit, flag, inside, is_remote, line, process, release, revision

# Limit of characters in the message of a refusal.
_SHOWN = 200


def _is_mapping(value: Any) -> bool:
    return type(value) is dict


class Allowed:
    """The frames that the deployers of one app may send.

    :param app: its name.
    """

    def __init__(self, app: str) -> None:
        self._app, self._resources = app, AllowedResources(app)
        self._classes = self._resources.classes
        own, dumped = exactly(app), self._resources.dumped
        names = few(all_of(list, process))
        health = dumped(self._resources.health)
        self._queries: dict[str, dict[str, Check]] = {
            "releases": {"app": own},
            "before_deploy": {"app": own},
            "live_release": {"app": own},
            "status": {"app": own, "health": health},
            "verify": {"app": own, "release": release, "health": health, "port": exactly(None, 80, HTTPS_PORT)},
            "log_lines": {"app": own, "names": names, "lines": whole(0, 100_000)},
            "history": {
                "app": own,
                "url": dumped(is_remote),
                "revision": revision,
                "since": few(all_of(list, commit)),
                "files": few(all_of(list, inside)),
            },
            "app_processes": {"app": own},
            "kept_variables": {"app": own},
            "services": {"app": own},
            "running_variables": {"app": own},
            "lock_holder": {},
        }
        self._actions: dict[str, dict[str, Check]] = {
            "resolve": {"app": own, "url": dumped(is_remote), "revision": revision, "timeout": number()},
            "break_lock": {},
        }
        self._frames: dict[str, dict[str, Check]] = {
            "lock": {"holder": record(who=line, what=line), "wait": number()},
            "unlock": {},
            "confirm": {},
            "put_back": {},
            # Each resource is checked by itself.
            "converge": {"resources": all_of(list, anything), "modules": exactly({}), "hold": flag},
            "ask": {"query": exactly(*self._queries), "arguments": _is_mapping},
            "act": {"action": exactly(*self._actions), "arguments": _is_mapping},
            "run": {"app": own, "argv": all_of(list, argument)},
            "follow": {"app": own, "names": names, "marks": mapping(text("[0-9]{1,20}"), size)},
        }

    def check(self, frame: Any) -> None:
        """Refuse a frame unless every part of it is allowed.

        :raises ResourceError: it is refused, with the part.
        """
        try:
            self._check(frame)
        except RecursionError:
            raise self._refused("data that is nested too deep") from None

    def _check(self, frame: Any) -> None:
        op = frame.get("op") if type(frame) is dict else None
        if type(op) is not str or op not in self._frames:
            raise self._refused(repr(op)[:_SHOWN])
        given = {name: value for name, value in frame.items() if name != "op"}
        self._require(given, self._frames[op], op)
        if op == "ask":
            self._require(given["arguments"], self._queries[given["query"]], given["query"])
        if op == "act":
            self._require(given["arguments"], self._actions[given["action"]], given["action"])
        for data in given.get("resources", []):
            # An empty text would be a problem, too.
            if (problem := self._resources.problem(data)) is not None:
                raise self._refused(problem[:_SHOWN])

    def _require(self, given: Mapping[str, Any], checks: Mapping[str, Check], what: str) -> None:
        """Refuse missing, unknown and invalid values."""
        for name in sorted(given.keys() ^ checks.keys()):
            raise self._refused(f"{what} {'with' if name in given else 'without'} {name[:_SHOWN]!r}")
        for name, value in given.items():
            if not checks[name](value):
                raise self._refused(f"{what} with this {name}")

    def _refused(self, what: str) -> ResourceError:
        return ResourceError(
            f"refused: {what}; deployers of {self._app} may deploy it, roll it back, inspect it and run its commands. "
            "Everything else, such as `fab provision`, needs an admin: root, or a user with full sudo rights"
        )
