"""A run on one host: requests to its agent, and their answers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..contract.events import Event
from ..errors import InterruptedRunError
from . import requests
from .channel import AgentChannel
from .requests import Request

if TYPE_CHECKING:
    from fabric import Connection


T = TypeVar("T")
# What ends which: the lock, and changes that are held.
_ENDS = {"unlock": "lock", "confirm": "converge", "put_back": "converge"}


def _unheard(event: Event) -> None:
    """Ignore the events before an answer."""


def open_session(c: Connection) -> Session:
    """Start the agent on the host of a connection, as root.

    :raises ConnectError: no connection, or no way to become root.
    :raises AgentError: the agent could not be started, or died.
    """
    return Session(AgentChannel(c))


class Session:
    """The agent on a host, for the length of a `with` block; all requests share one channel.

    :param agent: the channel to it.
    """

    def __init__(self, agent: AgentChannel) -> None:
        self._agent = agent
        self.host = agent.host
        # Whether an answer is awaited, and what the agent has of ours that it would have to undo or to free.
        self._busy, self._kept = False, set[str]()

    @property
    def machine(self) -> str:
        """The name that the host has for itself; empty before its first answer."""
        return self._agent.machine

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the run; waits until an agent that has the host's lock has ended, and so has freed it.

        An agent in the middle of a resource, or with changes that it holds, undoes them first.
        """
        self._agent.finish()
        if not self._is_clear:
            self._agent.wait()
        self._agent.close()

    @property
    def _is_clear(self) -> bool:
        """Whether the agent has nothing left to do or to say, however the session ends."""
        return not self._busy and not self._kept

    def interrupt(self) -> None:
        """Stop the agent: it undoes the unfinished step and what it holds, and ends. Listeners get its events."""
        self._agent.finish()

    def last_words(self, on_event: Callable[[Event], None]) -> None:
        """Listen until an agent that was interrupted has ended."""
        if not self._is_clear:
            for event in self._agent.last_events():
                on_event(event)

    def together(self, wanted: Sequence[Request[Any]], on_event: Callable[[Event], None] = _unheard) -> list[Any]:
        """Send requests at once; each is carried out if the previous one was.

        :param on_event: called with each event as it arrives.
        :returns: what the answers mean, up to the first thing that was not done.
        """
        done = self._answers(wanted, on_event)
        meant = []
        for request, answer in zip(wanted, done, strict=False):
            meant.append(request.read(self.host, answer))
            if not answer["ok"]:
                break
            self._kept.discard(_ENDS.get(request.frame["op"], ""))
        return meant

    def request(self, wanted: Request[T], on_event: Callable[[Event], None] = _unheard) -> T:
        """Send a request; returns the meaning of its answer, and raises what it raises."""
        meant: T = self.together([wanted], on_event)[0]
        return meant

    def dump(self, argv: Sequence[str], write: Callable[[bytes], None]) -> int:
        """Take what a program prints that root runs on the host.

        A `write` that takes its time holds the program up, so that nothing piles up on either side.

        :param write: called with each piece of it, gzipped.
        :returns: how many bytes the program printed.
        :raises AgentError: it failed; what was written is of no use then.
        """

        def take(event: Event) -> None:
            if event["event"] == "data":
                write(base64.b64decode(event["data"]))

        done = self._request({"op": "dump", "argv": list(argv)}, take)
        return requests.number(self.host, done, "size")

    def load(self, argv: Sequence[str], pieces: Iterable[bytes]) -> None:
        """Give data to a program that root runs on the host; the next piece when it has taken the last one.

        :param pieces: of what it reads, gzipped.
        :raises AgentError: it failed.
        """
        self._request({"op": "load", "argv": list(argv)})
        for piece in pieces:
            self._request({"op": "give", "data": base64.b64encode(piece).decode()})
        self._request({"op": "given"})

    def _request(self, frame: dict[str, Any], on_event: Callable[[Event], None] = _unheard) -> Event:
        """Send a frame, and return the agent's answer once it was done."""
        return self.request(Request(frame, _checked), on_event)

    def _answers(self, wanted: Sequence[Request[Any]], on_event: Callable[[Event], None]) -> list[Event]:
        """The answers to all; fewer when the agent was interrupted."""
        self._kept |= {request.frame["op"] for request in wanted if _is_kept(request.frame)}
        self._busy = True
        try:
            self._agent.send(
                [{**request.frame, "follows": True} if n else request.frame for n, request in enumerate(wanted)]
            )
            answers: list[Event] = []
            for _ in wanted:
                answers.append(done := self._answer(on_event))
                if done.get("interrupted"):
                    return answers
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait.
            self.interrupt()
            self.last_words(on_event)
            raise InterruptedRunError(requests.interrupted(self.host)) from None
        self._busy = False
        return answers

    def _answer(self, on_event: Callable[[Event], None]) -> Event:
        """Hand on events up to the one that ends a request."""
        for event in self._agent.events():
            if event["event"] == "done":
                return event
            on_event(event)
        raise self._agent.died()


def _checked(host: str, done: Event) -> Event:
    requests.check(host, done)
    return done


def _is_kept(frame: Mapping[str, Any]) -> bool:
    """Whether the agent has something of ours from then on."""
    return frame["op"] == "lock" or bool(frame.get("hold"))
