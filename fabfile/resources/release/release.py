"""Parts of a release before it goes live: record, code, virtualenv; and pruning."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...contract.secret import Secret
from ...hostkit.app import assets
from ...hostkit.app.layout import SINGLETONS_CONF, Layout, Record
from ...hostkit.build import interpreters, virtualenv
from ...hostkit.build.builder import Builder
from ...hostkit.build.filling import Filling
from ...hostkit.build.installers import Tools
from ...hostkit.build.requirements import LOCKS, chosen
from ...hostkit.linux import filesystem, folders, source_file, space, system
from ...hostkit.programs.git import FETCH_TIMEOUT, Repository
from ...hostkit.supervisor import supervisord

# Files that the recipe renders for a release.
_CONFIGURATION = ("gunicorn.conf.py", "supervisor.conf", SINGLETONS_CONF, "start", "cron.py", "cron.json")


@dataclass(frozen=True)
class ReleaseRecord(Resource):
    """A release's folder with its record: the release exists from here on, in the state "building".

    Incomplete releases of interrupted runs are removed first: nobody will finish them, and they take space.
    """

    app: str
    record: Record

    def describe(self) -> str:
        return f"release {self.record.id}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        folder = layout.release(self.record.id)
        if os.path.exists(f"{folder}/release.json"):
            return None

        def create() -> None:
            _clear(layout)
            folders.make(folder)
            layout.write_record(self.record)

        return Change("created", create, lambda: folders.remove(folder))


@dataclass(frozen=True)
class ReleaseCode(Resource):
    """A release's code.

    :param name: commit or tree to check out.
    :param url: repository from which a missing commit is fetched, secret when it contains a login; None when `pack`
        has it.
    :param pack: git pack with the objects that the host lacks.
    :param timeout: limit in seconds of the fetch.
    """

    app: str
    release: str
    name: str
    url: str | Secret | None = None
    pack: bytes = field(default=b"", repr=False)
    timeout: float = FETCH_TIMEOUT

    def describe(self) -> str:
        return f"code {self.name[:12]}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        folder = f"{layout.release(self.release)}/code"
        if os.path.isdir(folder):
            return None
        repository = Repository(layout.repository, layout.ssh)
        packs = repository.packs()

        def apply() -> None:
            with space.explained(layout.root):
                self._check_out(repository, folder)

        def undo() -> None:
            folders.remove(folder)
            repository.release(self.release)
            if self.url is None:
                # Only this release needs its pack.
                repository.drop_packs(repository.packs() - packs)

        return Change("checked out", apply, undo)

    def _check_out(self, repository: Repository, folder: str) -> None:
        repository.create()
        if self.pack:
            repository.receive(self.pack)
        if self.url is not None and not repository.has(f"{self.name}^{{commit}}"):
            repository.fetch(self.url, self.timeout)
        repository.keep(self.name, self.release)
        folders.make(folder)
        repository.export(self.name, folder)


@dataclass(frozen=True)
class ReleaseCopy(Resource):
    """A release's code and process configuration, copied from an earlier one on this host.

    :param source: id of the earlier release.
    """

    app: str
    release: str
    source: str

    def describe(self) -> str:
        return f"code and configuration of {self.source}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        if os.path.isdir(f"{layout.release(self.release)}/code"):
            return None
        # `ReleaseRecord` and the pruning remove a partial copy: it never goes live.
        return Change("copied", lambda: self._apply(layout))

    def _apply(self, layout: Layout) -> None:
        old, new = layout.release(self.source), layout.release(self.release)
        repository = Repository(layout.repository)
        repository.keep(repository.kept(self.source), self.release)
        for name in _CONFIGURATION:
            content = filesystem.read(f"{old}/{name}")
            if content is None:
                continue
            # The release's id occurs in them only in paths of the release.
            text = content.replace(self.source.encode(), self.release.encode())
            filesystem.write_atomic(f"{new}/{name}", text, mode=stat.S_IMODE(os.stat(f"{old}/{name}").st_mode))
        folders.copy(f"{old}/code", f"{new}/code")
        if os.path.isdir(layout.static(self.source)):
            folders.copy(layout.static(self.source), layout.static(self.release))


@dataclass(frozen=True)
class ReleaseVenv(Resource):
    """A release's virtualenv: one per fingerprint of interpreter and requirements, shared by releases.

    :param python: name or path of the interpreter; None for the one that the code requires.
    :param requirements: requirement files and lockfiles, relative to the code; None for those that are found.
    :param tools: packages that are installed unless a requirement brought them.
    :param timeout: limit in seconds for each command of the build.
    """

    app: str
    release: str
    python: str | None
    requirements: tuple[str, ...] | None
    tools: tuple[str, ...] = ()
    timeout: float = 1800

    def describe(self) -> str:
        return "virtualenv"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        link = f"{layout.release(self.release)}/venv"
        if os.path.islink(link) and os.path.isdir(link):
            return None

        def apply() -> None:
            with space.explained(layout.root):
                self._build(layout, link)

        def undo() -> None:
            # Code that never ran is useless; a complete virtualenv is not, for the next try.
            folders.remove(f"{layout.release(self.release)}/code")
            _prune_venvs(layout, virtualenv.whole)

        return Change("ready", apply, undo)

    def _build(self, layout: Layout, link: str) -> None:
        code = f"{layout.release(self.release)}/code"
        there = chosen(code) if self.requirements is None else self.requirements
        files = [f"{code}/{name}" for name in (there[:1] if self.requirements is None else there)]
        builder, tools = Builder.of_packages(self.app), Tools(self.timeout)
        python = self.python or interpreters.choose(code, lambda asked: tools.interpreter(asked.request))
        interpreters.require_roots(python)
        read = functools.partial(source_file.read, code)
        key = virtualenv.fingerprint(python, files, self.tools, self.release, builder.run, read)
        path = f"{layout.venvs}/{key}"
        if not virtualenv.complete(path, key):
            note(f"building a virtualenv: {self._made_of(there)}")
            folders.make(layout.venvs)
            _prune_venvs(layout)
            try:
                filling = Filling(path, python, code, files, self.tools, builder, tools, self.timeout)
                virtualenv.build(path, key, filling.make)
            except system.TimedOutError as error:
                hint = "is the package index unreachable? `build_timeout` in the settings is the limit"
                raise ResourceError(f"{error}\n{hint}") from error
        filesystem.symlink_atomic(f"../../venvs/{key}", link)

    def _made_of(self, there: tuple[str, ...]) -> str:
        if self.requirements is not None:
            return ", ".join(there) or "no requirements"
        first, *others = there
        # A lockfile and its origin belong together, so their order needs no reason.
        beaten = [name for name in others if name != LOCKS.get(first)]
        return f"{first}, which takes precedence over {', '.join(beaten)}" if beaten else first


@dataclass(frozen=True)
class Pruned(Resource):
    """A limited number of releases: the live one, the newest proven ones, and the newest unproven one, for inspection.

    :param keep: number of proven releases to keep, including the live one.
    """

    app: str
    keep: int

    def describe(self) -> str:
        return f"keep {self.keep} releases"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        going = outdated(layout.records(), layout.live(), self.keep)
        if not going:
            return None
        return Change(f"pruned {', '.join(record.id for record in going)}", lambda: self._prune(layout, going))

    def _prune(self, layout: Layout, going: list[Record]) -> None:
        _remove(layout, going)
        _prune_venvs(layout)
        Repository(layout.repository).tidy()


def _clear(layout: Layout) -> None:
    """Remove incomplete releases of interrupted runs."""
    live = layout.live()
    if cut_off := [record for record in layout.records() if record.state == "building" and record.id != live]:
        _remove(layout, cut_off)
        note(f"removed incomplete releases: {', '.join(record.id for record in cut_off)}")


def _remove(layout: Layout, going: list[Record]) -> None:
    """Remove releases with their processes, logs and refs in the repository."""
    repository = Repository(layout.repository)
    for record in going:
        supervisord.stop_groups(layout.groups(record.id))
        folders.remove(layout.release(record.id))
        repository.release(record.id)
        for name in folders.names(layout.logs):
            if f"-{record.id}.log" in name:
                filesystem.remove(f"{layout.logs}/{name}")
    assets.prune(layout)


def _prune_venvs(layout: Layout, stays: Callable[[str], bool] = lambda path: False) -> None:
    """Remove virtualenvs that no release uses.

    :param stays: whether to keep an unused one.
    """
    links = [f"{layout.release(record.id)}/venv" for record in layout.records()]
    used = {os.path.basename(os.readlink(link)) for link in links if os.path.islink(link)}
    there = set(folders.names(layout.venvs))
    for name in there - used:
        if not stays(f"{layout.venvs}/{name}"):
            folders.remove(f"{layout.venvs}/{name}")


def outdated(records: list[Record], live: str | None, keep: int) -> list[Record]:
    """List the releases to remove, oldest first.

    A failed release never displaces a rollback target.

    :raises ResourceError: keep is less than 1.
    """
    if keep < 1:
        raise ResourceError(f"expected at least 1 release to keep, found {keep}")
    others = [record for record in records if record.id != live]
    proven = [record for record in others if record.state == "proven"]
    unproven = [record for record in others if record.state != "proven"]
    staying = set(proven[max(0, len(proven) - (keep - 1)) :]) | set(unproven[-1:])
    return [record for record in others if record not in staying]
