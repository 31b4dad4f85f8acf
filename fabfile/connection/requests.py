"""What the agent can be asked to do: the frame that says so, and what its answer means."""

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


def put_back() -> Request[bool]:
    """Take back the changes that the host holds; whether all of it could be."""
    return Request({"op": "put_back"}, lambda host, done: bool(done["ok"]))


def ask(query: str, **arguments: Any) -> Request[Any]:
    """Answer a question.

    :param query: a function of `agent.queries`.
    """

    def read(host: str, done: Event) -> Any:
        check(host, done)
        return answers.checked(host, query, done.get("answer"))

    return Request({"op": "ask", "query": query, "arguments": arguments}, read)


def check(host: str, done: Event) -> None:
    """Go on only when it was done.

    :raises AgentError: it was not, with the reason.
    :raises InterruptedRunError: the run was interrupted.
    """
    if done.get("interrupted"):
        raise InterruptedRunError(interrupted(host))
    if not done["ok"]:
        raise AgentError(f"{host}: {done.get('error', 'it did not say why')}")


def interrupted(host: str) -> str:
    """What is told of a host whose run was interrupted."""
    return f"{host}: interrupted; what was half-way has been put back"


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
            f"{host} is held by {done['locked']}; wait for it to end, or break its lock with `fab -H {host} unlock`"
        )
    check(host, done)


def _done(host: str, done: Event) -> bool:
    """A resource that failed is told by events of its own."""
    if done.get("interrupted") or "error" in done:
        check(host, done)
    return bool(done["ok"])
