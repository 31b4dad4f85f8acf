"""Resources that hold as a whole or not at all, with a program that says whether they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.base import Change, Handler, PutBack, Resource, ResourceError
from ..contract.undo import Undo
from ..hostkit.linux import system


@dataclass(frozen=True)
class Validated(Resource):
    """A group of resources: when one of them, or the check after them, fails, all are put back as they were.

    The handlers run only when the check has passed, so that a service never meets a configuration that it refuses.

    :param name: what to call the group in a report, such as "nginx site hello".
    :param resources: what it is made of, in order.
    :param validate: argv of the program that must end with status 0, such as `["nginx", "-t"]`; None when the
        resources only belong together.
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
        """Run the check on what is there.

        :raises ResourceError: it is refused.
        """
        if self.validate is not None:
            system.run(self.validate)

    def _apply(self, undo: Undo) -> None:
        for resource in self.resources:
            # Checked again: an earlier resource of the group may have changed what this one finds.
            change = resource.check()
            if change:
                undo.register(change.undo)
                change.apply()
        try:
            self.verify()
        except system.CommandError as error:
            raise ResourceError(f"the new configuration was refused and the old one put back:\n{error}") from error


def _durable(change: Change) -> Iterator[PutBack]:
    """What can be written down of how a member's change is taken back."""
    yield from change.durable
    if isinstance(change.undo, PutBack) and change.undo not in change.durable:
        yield change.undo
