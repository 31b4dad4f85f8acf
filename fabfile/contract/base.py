"""Base classes of resources, changes and handlers: desired state as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar


class ResourceError(Exception):
    """A resource cannot be read or brought to its desired state; the user sees the message unchanged."""


@dataclass(frozen=True)
class PutBack:
    """An undo as data: written to the journal, so that another run can do it than the one that made the change.

    It may be called when the change was never made, or is undone already.
    """

    def describe(self) -> str:
        """Name what is restored, such as "/etc/motd"."""
        raise NotImplementedError

    def __call__(self) -> None:
        """Undo the change.

        :raises ResourceError: it failed.
        """
        raise NotImplementedError

    def at_boot(self) -> list[str]:
        """Return the part of it that a boot can do before any service starts: lines of tmpfiles.d(5)."""
        return []


@dataclass
class Change:
    """The difference between a host and a resource, ready to be made.

    :param summary: what changes, in the past tense ("created", "mode 0644 -> 0640").
    :param apply: makes the change.
    :param undo: restores the previous state; registered before `apply` is called, so it must also cope with a partial
        `apply`. None where there is nothing sensible to restore (an installed package).
    :param diff: unified diff of the texts, where the resource has one and it is not secret.
    :param confirm: called once the change is final: after `apply`, or, where changes are held for a whole fleet, when
        all hosts have made theirs.
    :param durable: the undo as data, for a change that is not final at once. It stays in the journal until then, so
        that the next run recovers from a killed one.
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
        """Name the action and its object, such as "reload nginx"."""
        raise NotImplementedError

    def run(self) -> None:
        """Run the action.

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

    # Whether the change outlives the run, which then needs the host's lock.
    lasts: ClassVar[bool] = True

    notify: Handler | tuple[Handler, ...] = field(default=(), kw_only=True)

    def describe(self) -> str:
        """Return kind and name, such as "file /etc/motd"."""
        raise NotImplementedError

    def check(self) -> Change | None:
        """Compare the host with the desired state, reading only.

        In a dry run it may be called before the resources that it depends on exist (its user, its folder), and then
        returns the change that would be made.

        :returns: None when the host is in the desired state.
        :raises ResourceError: the present state can neither be kept nor changed.
        """
        raise NotImplementedError

    def handlers(self) -> Iterator[Handler]:
        """Yield the handlers that a change of this resource owes."""
        yield from (self.notify,) if isinstance(self.notify, Handler) else self.notify
