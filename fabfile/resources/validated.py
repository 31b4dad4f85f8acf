"""Groups of resources that change together or not at all, after a check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.base import Change, Handler, PutBack, Resource, ResourceError
from ..contract.undo import Undo
from ..hostkit.linux import system


@dataclass(frozen=True)
class Validated(Resource):
    """A group of resources: when one of them, or the check after them, fails, all are rolled back.

    The handlers run only after the check has passed, so that a service never gets a configuration that it rejects.

    :param name: name of the group for reports, such as "nginx site hello".
    :param resources: its members, in order.
    :param validate: argv of the program that must end with status 0, such as `["nginx", "-t"]`; None for no check.
    """

    name: str
    resources: tuple[Resource, ...]
    validate: list[str] | None = None

    def describe(self) -> str:
        return self.name

    def handlers(self) -> Iterator[Handler]:
        yield from super().handlers()
        for resource in self.resources:
            yield from resource.handlers()

    def check(self) -> Change | None:
        changes = [(resource, change) for resource in self.resources if (change := resource.check())]
        if not changes:
            return None
        undo = Undo()
        summary = ", ".join(dict.fromkeys(resource.describe().rpartition("/")[2] for resource, _ in changes))
        diff = "".join(change.diff for _, change in changes)
        durable = tuple(step for _, change in changes for step in _durable(change))
        return Change(summary, lambda: self._apply(undo), undo.run, diff, durable=durable)

    def verify(self) -> None:
        """Check the present state.

        :raises ResourceError: it is not valid.
        """
        if self.validate is not None:
            system.run(self.validate)

    def _apply(self, undo: Undo) -> None:
        for resource in self.resources:
            # Checked again: an earlier resource of the group may have changed its state.
            change = resource.check()
            if change:
                undo.register(change.undo)
                change.apply()
        try:
            self.verify()
        except system.CommandError as error:
            raise ResourceError(f"the new configuration was rejected and rolled back:\n{error}") from error


def _durable(change: Change) -> Iterator[PutBack]:
    """Yield the parts of a member's undo that can be stored as data."""
    yield from change.durable
    if isinstance(change.undo, PutBack) and change.undo not in change.durable:
        yield change.undo
