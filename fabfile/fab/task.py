"""Decorator of hostsmith's tasks with their shared flags, and one call of a task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import fabric
from invoke.context import Context
from invoke.tasks import task as invoke_task

from ..console import Console, print_json
from ..errors import FleetError, HostsmithError, InterruptedRunError, UsageError
from ..inventory.project import load
from ..inventory.roles import cli_hosts
from ..inventory.targets import Limits, targets, with_app
from ..settings.fabric_config import running_program
from . import words

if TYPE_CHECKING:
    from ..deployment.deployment import Deployment, Rollout
    from ..deployment.redeploy import Current
    from ..fleet import Fleet
    from ..inventory.targets import Target
    from ..report import Report
    from ..settings import Settings

R = TypeVar("R")
# Of the documents that `--json` prints; a key that goes or changes its meaning needs another number.
JSON_FORMAT = 1


@dataclass(frozen=True)
class Flag:
    """A flag that several tasks have, and that `TaskCall` acts on."""

    name: str
    help: str
    default: Any = None


ROLE = Flag("role", "Only hosts of this role, or of these: web,worker.")
HOST = Flag("host", "Only this host, or these: web1,web2.")
EXCLUDE = Flag("exclude", "Not this host, or these: web1,web2.")
JSON = Flag("json", "Print one JSON document instead.", False)
BATCH = Flag(
    "batch", "Hosts that switch at the same time: a number or a percentage; by default, `batch` of the settings."
)
SKIP_UNREACHABLE = Flag("skip_unreachable", "Go on without unreachable hosts; the next deploy updates them.", False)


class TaskCall:
    """One call of a task: its settings, the hosts that it works on, and its output for people and machines."""

    def __init__(self, c: Context, flags: Mapping[str, Any]) -> None:
        self.c = c
        self.limits = Limits(flags.get("role"), flags.get("host"), flags.get("exclude"))
        self.json: bool = flags.get("json", False)
        self.console = Console(quiet=self.json)
        # What `--json` prints, besides whether all went well.
        self.document: dict[str, Any] = {}
        self._batch: str | None = flags.get("batch")
        self._skip_unreachable: bool = flags.get("skip_unreachable", False)
        self._looked: list[Fleet] = []

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of the project, with `--batch` in place.

        :raises SettingsError: all problems, a line each.
        """
        return load(self.c).in_batches(self._batch)

    def hosts(self, settings: Settings | None = None) -> list[Target]:
        """The hosts that the task works on; raises as `inventory.targets.targets`.

        :param settings: with more in them than `self.settings`, such as addresses.
        """
        return targets(self.c, settings or self.settings, self.limits)

    def app_hosts(self) -> list[Target]:
        """The hosts that the task works on, as far as they run a process of the app.

        :raises UsageError: none does.
        """
        return with_app(self.hosts())

    @contextmanager
    def look(self, hosts: Sequence[Target], *, at_once: int | None = None, check: bool = True) -> Iterator[Fleet]:
        """Connect to hosts to ask them something.

        :param at_once: how many hosts are asked at the same time; by default, `concurrency` of the settings.
        :param check: whether a host that cannot answer is an error, once the task has shown what the others did.
        """
        from ..fleet import Fleet

        with Fleet(hosts, self.console, at_once or self.settings.concurrency, None) as fleet:
            self._looked += [fleet] if check else []
            yield fleet

    @contextmanager
    def fleet(self, hosts: Sequence[Target], what: str) -> Iterator[Fleet]:
        """Work on hosts, and print a summary at the end; the document gets their reports.

        :param what: the run, for people to read: "maintenance.on".
        """
        from ..fleet import Fleet
        from ..fleet.summary import summarized

        with (
            summarized(self.console, what) as reports,
            Fleet(hosts, self.console, self.settings.concurrency, f"{what} {self.settings.app}") as fleet,
        ):
            reports += fleet.reports
            yield fleet
        self.document["hosts"] = [report.to_json() for report in fleet.reports]

    @contextmanager
    def deployment(self, what: str, hosts: Sequence[Target] | None = None) -> Iterator[Deployment]:
        """Begin a deployment on hosts, by default on those that run the app; the document gets its reports."""
        from ..deployment.deployment import Deployment

        chosen = self.app_hosts() if hosts is None else hosts
        skip = self._skip_unreachable
        deployment = Deployment(self.c, self.settings, chosen, self.console, what, skip_unreachable=skip)
        self.document["release"] = None
        try:
            with deployment:
                yield deployment
        finally:
            self.document["hosts"] = [report.to_json() for report in deployment.reports]
        for report in deployment.left_out:
            text = f"{report.host} was unreachable and still runs its previous release; the next deploy updates it"
            self.console.say(text, style="yellow")

    def redeploy(self, what: str, choose: Callable[[Current], Rollout | None], yes: bool) -> list[Report]:
        """Take the app's hosts to a new release of the same code; parameters as of `deployment.redeploy.redeploy`."""
        from ..deployment.redeploy import redeploy

        with self.deployment(what) as deployment:
            rollout = redeploy(deployment, choose, yes)
        self.document["release"] = rollout.release if rollout else None
        if rollout is None:
            self.console.say(f"{self.settings.app}: nothing to change")
        else:
            self.console.say(f"{self.settings.app}: release {rollout.release} is live", style="bold green")
        return deployment.reports

    def run(self, body: Callable[..., R], arguments: Mapping[str, Any]) -> R:
        """Run the body of the task, and print the document if it was asked for, whether the task fails or not."""
        try:
            result = body(self, **arguments)
            for fleet in self._looked:
                fleet.check()
        except HostsmithError as error:
            if isinstance(error, FleetError | InterruptedRunError):
                self.document.setdefault("hosts", [report.to_json() for report in error.reports])
            self._print_document({"kind": error.kind, "message": str(error), "host": error.host or None})
            raise
        self._print_document(None)
        return result

    def _print_document(self, error: Mapping[str, Any] | None) -> None:
        if self.json:
            print_json({"format": JSON_FORMAT, "ok": error is None, **self.document, "error": error})


class FleetTask(fabric.Task):  # type: ignore[misc]
    """A task that is called once for all hosts.

    Fabric calls a task again for each host of `-H`, one after another, and knows no roles; then no host could wait
    for another. So the first of these calls does the work for all, and the others nothing.
    """

    def __init__(
        self, *args: Any, short: Mapping[str, str], takes_remainder: bool, arguments: str, **kwargs: Any
    ) -> None:
        self.short, self.takes_remainder, self.arguments = short, takes_remainder, arguments
        super().__init__(*args, **kwargs)

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """Invoke's options of a parameter, with its short flag, if it has one."""
        options: dict[str, Any] = super().arg_opts(name, default, taken_names)
        if name in self.short:
            options["names"].append(self.short[name])
        return options

    def __call__(self, c: Context, *args: Any, **kwargs: Any) -> Any:
        if c.config.run.dry:
            raise UsageError("--dry of fab is not for this task; see `fab plan` and `fab provision --dry-run`")
        given = cli_hosts()
        if given and self._is_called_by_fab():
            if self.times_called % len(given):
                self.times_called += 1
                return None
            # Not one of the hosts, but all: what `targets` makes of a context without a host.
            c = Context(config=c.config)
        return super().__call__(c, *args, **kwargs)

    def _is_called_by_fab(self) -> bool:
        """Whether it stands on the command line, rather than being called by a project's own task for its host."""
        program = running_program()
        names = [context.name for context in getattr(program, "tasks", [])]
        return program is not None and any(program.collection[name] is self for name in names)


def task(
    *flags: Flag,
    hosts: bool = True,
    name: str | None = None,
    help: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
    arguments: str = "",
    takes_remainder: bool = False,
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Make a task of a function that takes a `TaskCall` and its own parameters.

    The task has `--role`, `--host` and `--exclude`, the flags that are named here, and one for each own parameter.
    Python code calls it with a context instead: `deploy(c, revision="v2", role="web")`.

    :param flags: shared flags, such as `JSON`.
    :param hosts: False for a task that works on no hosts, and so has no flags to choose them.
    :param name: on the command line; by default the function's.
    :param help: of each own parameter, and of shared flags that mean something more here.
    :param short: short flags, by the name of the long one; others have none, for `-d` could mean anything.
    :param arguments: how the words without a flag are shown, such as "KEY=value ..."; they are given to the
        parameter `words`, and `help["words"]` describes them.
    :param takes_remainder: it takes a command after `--`.
    """
    shared = (*flags, *((ROLE, HOST, EXCLUDE) if hosts else ()))

    def decorate(body: Callable[..., R]) -> Callable[..., R]:
        signature = _signature(body, shared)

        @functools.wraps(body)
        def called(c: Context, *args: Any, **kwargs: Any) -> R:
            given = signature.bind(c, *args, **kwargs)
            given.apply_defaults()
            values = {key: value for key, value in given.arguments.items() if key != "c"}
            call = TaskCall(c, {flag.name: values.pop(flag.name) for flag in shared})
            if "words" in values:
                values["words"] = words.split(values["words"])
            return call.run(body, values)

        called.__signature__ = signature  # type: ignore[attr-defined]
        texts = {flag.name: flag.help for flag in shared}
        options = {"klass": FleetTask, "auto_shortflags": False, "help": {**texts, **(help or {})}}
        more = {"short": short or {}, "takes_remainder": takes_remainder, "arguments": arguments}
        made: Callable[..., R] = invoke_task(**options, **more, **({"name": name} if name else {}))(called)
        return made

    return decorate


def _signature(body: Callable[..., Any], shared: Sequence[Flag]) -> inspect.Signature:
    """The signature of a task: a context, its own parameters, and the shared flags."""
    kind, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(body).parameters.values())[1:]
    # On the command line they are the text of one flag, see `words`.
    own = [each.replace(default="") if each.name == "words" else each for each in own]
    common = [inspect.Parameter(flag.name, named, default=flag.default) for flag in shared]
    return inspect.Signature([inspect.Parameter("c", kind), *own, *common])
