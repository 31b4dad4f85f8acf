"""Requests to the agent: the frame of each, and the meaning of its answer."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..contract import wire
from ..contract.events import Event
from ..errors import AgentError, InterruptedRunError, LockedError, UsageError
from . import answers, pack

if TYPE_CHECKING:
    from ..contract.base import Resource

T = TypeVar("T")


@dataclass(frozen=True)
class Request(Generic[T]):
    """Something for the agent to do.

    :param read: what its answer means, given the host; raises when it was not done.
    """

    frame: dict[str, Any]
    read: Callable[[str, Event], T]


def lock(what: str, wait: float) -> Request[None]:
    """Take the host's lock until the session ends.

    :param what: what is being done, for others to read.
    :param wait: seconds to wait for another run; `LockedError` is raised if it was not done by then.
    """
    return Request({"op": "lock", "holder": {"who": whoami(), "what": what}, "wait": wait}, _locked)


def unlock() -> Request[None]:
    """Free the host's lock before the session ends."""
    return Request({"op": "unlock"}, check)


def converge(resources: Sequence[Resource], *, hold: bool = False) -> Request[bool]:
    """Bring the host to the desired state; whether all of it was done.

    :param hold: the host puts the changes back, unless they are confirmed before the session ends, however it ends.
    """
    return Request({"op": "converge", **_sent(resources), "hold": hold}, _done)


def plan(resources: Sequence[Resource]) -> Request[bool]:
    """Say what `converge` would change, touching nothing."""
    return Request({"op": "plan", **_sent(resources)}, _done)


def confirm() -> Request[None]:
    """Keep the changes that the host holds."""
    return Request({"op": "confirm"}, check)


def revert() -> Request[bool]:
    """Undo the changes that the host holds; whether all of them could be."""
    return Request({"op": "put_back"}, lambda host, done: bool(done["ok"]))


def ask(query: str, **arguments: Any) -> Request[Any]:
    """Answer a question.

    :param query: a function of `agent.queries`.
    """
    return _answered(query, {"op": "ask", "query": query, "arguments": arguments})


def run(app: str, argv: Sequence[str]) -> Request[int]:
    """Run a command as the app is run, in its live release; its exit status. Its output comes as events "output"."""
    return Request({"op": "run", "app": app, "argv": list(argv)}, lambda host, done: number(host, done, "status"))


def follow(app: str, names: Sequence[str], marks: dict[str, int]) -> Request[None]:
    """Send what is written to logs as events "log", until interrupted.

    :param marks: as the query `log_lines` gave them.
    """
    return Request({"op": "follow", "app": app, "names": list(names), "marks": marks}, check)


def number(host: str, done: Event, name: str) -> int:
    """Read a number from an answer.

    :raises AgentError: the answer is an error, or has none.
    """
    check(host, done)
    if name not in done:
        raise AgentError(f"{host}: the answer has no {name}; its hostsmith may be another version", host=host)
    return int(done[name])


def act(action: str, **arguments: Any) -> Request[Any]:
    """Do something other than change resources.

    :param action: a function of `agent.actions`.
    """
    return _answered(action, {"op": "act", "action": action, "arguments": arguments})


def _answered(name: str, frame: dict[str, Any]) -> Request[Any]:
    """A request whose answer has the shape that belongs to the name of a query or an action."""

    def read(host: str, done: Event) -> Any:
        check(host, done)
        return answers.checked(host, name, done.get("answer"))

    return Request(frame, read)


def check(host: str, done: Event) -> None:
    """Go on only when it was done.

    :raises AgentError: it was not, with the reason.
    :raises InterruptedRunError: the run was interrupted.
    """
    if done.get("interrupted"):
        raise InterruptedRunError(interrupted(host), host=host)
    if not done["ok"]:
        raise AgentError(f"{host}: {done.get('error', 'it gave no reason')}", host=host)


def interrupted(host: str) -> str:
    """The message for a host whose run was interrupted."""
    return f"{host}: interrupted; the unfinished step has been undone"


def whoami() -> str:
    """Who runs this, for records and locks: user@machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _sent(resources: Sequence[Resource]) -> dict[str, Any]:
    try:
        data = wire.dump(list(resources))
    except TypeError as error:
        raise UsageError(str(error)) from None
    return {"resources": data, "modules": pack.own_modules(resources)}


def _locked(host: str, done: Event) -> None:
    if "locked" in done:
        raise LockedError(
            f"{host} is held by {done['locked']}; wait for it to end, or break its lock with `fab -H {host} unlock`",
            host=host,
            holder=done["locked"],
        )
    check(host, done)


def _done(host: str, done: Event) -> bool:
    """Read whether all was done; events have shown the resources that failed."""
    if done.get("interrupted") or "error" in done:
        check(host, done)
    return bool(done["ok"])
