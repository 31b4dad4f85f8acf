"""Paths of an app on a host, and the records of its releases."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from ...contract.base import ResourceError
from ..linux import filesystem, folders

_ID = re.compile(r"\d{8}-\d{6}-.")
SINGLETONS_CONF = "singletons.conf"

State = Literal["building", "proven", "failed", "bad"]


@dataclass(frozen=True)
class Record:
    """The record of a release, kept in its release.json.

    :param id: sorts by time: YYYYMMDD-HHMMSS in UTC, then what was deployed.
    :param revision: source of the code: a commit, with "+dirty" when the tree had uncommitted changes.
    :param subject: first line of that commit's message.
    :param who: user@machine that deployed it.
    :param created: UTC, "YYYY-MM-DD HH:MM:SSZ".
    :param state: "building" until it has been live and healthy, which makes it "proven"; "failed" when it never
        was; "bad" after a rollback from it.
    :param reason: why it is failed or bad.
    """

    id: str
    revision: str = ""
    subject: str = ""
    who: str = ""
    created: str = ""
    state: State = "building"
    reason: str = field(default="", compare=False)


@dataclass(frozen=True)
class Layout:
    """The paths of one app on a host."""

    app: str
    base: str = "/srv"

    @property
    def root(self) -> str:
        return f"{self.base}/{self.app}"

    @property
    def current(self) -> str:
        """Symlink to the live release. It alone decides which code, socket and processes are live, so that the
        switch is one rename(2), and a reboot at any moment starts either the old release or the new one."""
        return f"{self.root}/current"

    @property
    def releases(self) -> str:
        return f"{self.root}/releases"

    @property
    def venvs(self) -> str:
        return f"{self.root}/venvs"

    @property
    def cache(self) -> str:
        """pip's cache of downloaded and built packages."""
        return f"{self.root}/cache"

    @property
    def assets(self) -> str:
        """The hashed static files of all releases, by URL path."""
        return f"{self.root}/assets"

    @property
    def shared(self) -> str:
        """The app user's own folder, the same for all releases."""
        return f"{self.root}/shared"

    @property
    def media(self) -> str:
        """Uploads of visitors, for an app whose framework has a folder for them."""
        return f"{self.shared}/media"

    @property
    def repository(self) -> str:
        return f"{self.root}/repo.git"

    @property
    def ssh(self) -> str:
        """Root's folder with the deploy key for the app's repository."""
        return f"{self.root}/.ssh"

    @property
    def generated(self) -> str:
        """Values that were generated for the app and stay from release to release; readable by root only."""
        return f"{self.root}/generated.json"

    @property
    def maintenance(self) -> str:
        """Symlink to the maintenance page's folder; exists only while the site is in maintenance."""
        return f"{self.root}/maintenance"

    @property
    def logs(self) -> str:
        return f"/var/log/{self.app}"

    @property
    def boot_config(self) -> str:
        """Configuration that supervisord reads at boot: a symlink through `current`."""
        return f"/etc/supervisor/conf.d/{self.app}.conf"

    @property
    def singletons_boot_config(self) -> str:
        """Likewise for singletons; never another app's `boot_config`, since app names have no dots."""
        return f"/etc/supervisor/conf.d/{self.app}.singletons.conf"

    @property
    def candidate_config(self) -> str:
        """Configuration of a candidate release; exists only while supervisord reads it.

        Never another app's `boot_config`, since app names have no dots.
        """
        return f"/etc/supervisor/conf.d/{self.app}.candidate.conf"

    def release(self, release_id: str) -> str:
        """Return the folder of a release.

        :raises ResourceError: the id would lead elsewhere; it may come from a host that was taken over.
        """
        if "/" in release_id or release_id in ("", ".", ".."):
            raise ResourceError(f"{release_id!r} is not a valid id of a release")
        return f"{self.releases}/{release_id}"

    def static(self, release_id: str) -> str:
        """Return the folder of static files that a framework collected for a release."""
        return f"{self.release(release_id)}/static"

    def socket(self, release_id: str) -> str:
        return f"{self.release(release_id)}/run/web.sock"

    def group(self, release_id: str) -> str:
        """Return the supervisor group of a release's processes."""
        return f"{self.app}-{release_id}"

    def singletons(self, release_id: str) -> str:
        """Return the supervisor group of a release's singletons.

        Never another group's name, since no release has such an id.
        """
        return f"{self.group(release_id)}~singletons"

    def config(self, release_id: str) -> str:
        """Return the path of supervisord's configuration for a release's processes."""
        return f"{self.release(release_id)}/supervisor.conf"

    def singletons_config(self, release_id: str) -> str:
        """Return the path of supervisord's configuration for a release's singletons; missing when it has none."""
        return f"{self.release(release_id)}/{SINGLETONS_CONF}"

    def groups(self, release_id: str) -> dict[str, str]:
        """Return all supervisor groups that a release may have, each with its configuration file."""
        return {
            self.group(release_id): self.config(release_id),
            self.singletons(release_id): self.singletons_config(release_id),
        }

    def log(self, release_id: str, process: str) -> str:
        return f"{self.logs}/{process}-{release_id}.log"

    def require_provisioned(self) -> Layout:
        """Return this layout if the host is provisioned for the app.

        :raises ResourceError: it is not.
        """
        if not os.path.isdir(self.root):
            raise ResourceError(
                f"{self.root} is missing: this host is not provisioned for {self.app}; run `fab provision`"
            )
        return self

    def live(self) -> str | None:
        """Return the id of the live release; None before the first deploy."""
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return None

    def records(self) -> list[Record]:
        """List all releases on the host, oldest first; one whose record was never written has only its id.

        Other entries of their folder, such as a file system's lost+found, are neither listed nor pruned.
        """
        names = folders.names(self.releases)
        return [self.record(name) for name in names if _ID.match(name) and os.path.isdir(self.release(name))]

    def record(self, release_id: str) -> Record:
        """Read the record of a release; an unreadable one has only the id."""
        text = filesystem.read(f"{self.release(release_id)}/release.json")
        known = {f.name for f in fields(Record)}
        data: dict[str, Any] = {}
        with contextlib.suppress(ValueError):
            data = json.loads(text) if text else {}
        return Record(**{"id": release_id, **{key: value for key, value in data.items() if key in known}})

    def write_record(self, record: Record) -> None:
        text = json.dumps(asdict(record), indent=1) + "\n"
        filesystem.write_back(f"{self.release(record.id)}/release.json", text.encode(), mode=0o644)

    def mark(self, release_id: str, state: State, reason: str = "") -> None:
        """Change the state in a release's record, also on a full disk."""
        record = self.record(release_id)
        if (record.state, record.reason) != (state, reason):
            self.write_record(replace(record, state=state, reason=reason))
