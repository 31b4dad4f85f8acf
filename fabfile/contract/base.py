"""What a resource is: desired state as a frozen dataclass, whose check only reads and whose change can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar


class ResourceError(Exception):
    """A resource cannot be read or brought to its desired state; the message goes to the user as it is."""


@dataclass(frozen=True)
class PutBack:
    """An undo that is data, so that it can be written down and done by another run than the one that made the change.

    It may be called when the change was never made, or has been taken back already.
    """

    def describe(self) -> str:
        """What is put back, such as "/etc/motd"."""
        raise NotImplementedError

    def __call__(self) -> None:
        """Do it.

        :raises ResourceError: it failed.
        """
        raise NotImplementedError

    def at_boot(self) -> list[str]:
        """What of it a boot can do, before any service starts: lines of tmpfiles.d(5)."""
        return []


@dataclass
class Change:
    """The difference between a host and a resource, ready to be made.

    :param summary: what is done, in the past tense ("created", "mode 0644 -> 0640").
    :param apply: makes the change.
    :param undo: puts back what was there; registered before `apply` is called, so it must also cope with an
        `apply` that stopped half-way. None where there is nothing sensible to put back (an installed package).
    :param diff: unified diff of the texts, where the resource has one and it is not secret.
    :param confirm: called when the change will not be taken back any more: after it was made, or, where changes are
        held for a whole fleet, when all hosts have made theirs.
    :param durable: the undo as data, of a change that is in doubt for a while after it was made. It is on the disk
        until the change is certain, so that a run that is killed in between is put right.
    """

    summary: str
    apply: Callable[[], None]
    undo: Callable[[], None] | None = None
    diff: str = ""
    confirm: Callable[[], None] = lambda: None
    durable: tuple[PutBack, ...] = ()


@dataclass(frozen=True)
class Handler:
    """Something a service needs after its configuration changed: run once, after all resources."""

    def describe(self) -> str:
        """What is done and to what, such as "reload nginx"."""
        raise NotImplementedError

    def run(self) -> None:
        """Do it.

        :raises ResourceError: it failed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Resource:
    """Base of all resources.

    A subclass is a frozen dataclass that imports only the standard library and this package, because its module
    travels to the host. On the controller it is data; on the host `check` and the `Change` it returns do the work.

    :param notify: handler, or handlers, to run after a change of this resource.
    """

    # Whether what it changes outlives the run, which then needs the host's lock.
    lasts: ClassVar[bool] = True

    notify: Handler | tuple[Handler, ...] = field(default=(), kw_only=True)

    def describe(self) -> str:
        """Kind and name, such as "file /etc/motd"."""
        raise NotImplementedError

    def check(self) -> Change | None:
        """Compare the host with the desired state, reading only.

        In a dry run it may be called before the resources it stands on exist (its user, its folder), and then
        returns the change that would be made.

        :returns: None when the host is as it should be.
        :raises ResourceError: what is there can neither be kept nor changed.
        """
        raise NotImplementedError

    def handlers(self) -> Iterator[Handler]:
        """The handlers that a change of this resource owes."""
        yield from (self.notify,) if isinstance(self.notify, Handler) else self.notify
