"""Where an app's files are on a host, and the record that each release keeps of itself."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from ..linux import filesystem

_ID = re.compile(r"\d{8}-\d{6}-.")
SINGLETONS_CONF = "singletons.conf"

State = Literal["building", "proven", "failed", "bad"]


@dataclass(frozen=True)
class Record:
    """What a release knows of itself, kept in its release.json.

    :param id: sorts by time: YYYYMMDD-HHMMSS in UTC, then what was deployed.
    :param revision: what the code was taken from: a commit, with "+dirty" when the tree had more.
    :param subject: first line of that commit's message.
    :param who: user@machine that deployed it.
    :param created: when, UTC, "YYYY-MM-DD HH:MM:SSZ".
    :param state: "building" until it was live and healthy once, which makes it "proven"; "failed" when it never
        became so; "bad" when it was rolled back from.
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
        switch is one rename(2), and a reboot at any moment comes back wholly on the old or the new."""
        return f"{self.root}/current"

    @property
    def releases(self) -> str:
        return f"{self.root}/releases"

    @property
    def venvs(self) -> str:
        return f"{self.root}/venvs"

    @property
    def cache(self) -> str:
        """What pip keeps of the packages that it fetched and built."""
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
        """What visitors upload, of an app whose framework has a place for that."""
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
        """Values that were made up for the app once, and stay from release to release; root's."""
        return f"{self.root}/generated.json"

    @property
    def maintenance(self) -> str:
        """Symlink to what visitors get instead of the app; there only while the site is in maintenance."""
        return f"{self.root}/maintenance"

    @property
    def logs(self) -> str:
        return f"/var/log/{self.app}"

    @property
    def boot_config(self) -> str:
        """What supervisord reads at boot: a symlink through `current`."""
        return f"/etc/supervisor/conf.d/{self.app}.conf"

    @property
    def singletons_boot_config(self) -> str:
        """Likewise for the processes of which there must never be two; no app's own `boot_config`, as the next."""
        return f"/etc/supervisor/conf.d/{self.app}.singletons.conf"

    @property
    def candidate_config(self) -> str:
        """What supervisord reads of a release that is being tried; there for the moment of reading only.

        No app's own `boot_config`, since app names have no dots.
        """
        return f"/etc/supervisor/conf.d/{self.app}.candidate.conf"

    def release(self, release_id: str) -> str:
        return f"{self.releases}/{release_id}"

    def static(self, release_id: str) -> str:
        """The static files that a framework has put together for a release."""
        return f"{self.release(release_id)}/static"

    def socket(self, release_id: str) -> str:
        return f"{self.release(release_id)}/run/web.sock"

    def group(self, release_id: str) -> str:
        """The supervisor group of a release's processes."""
        return f"{self.app}-{release_id}"

    def singletons(self, release_id: str) -> str:
        """The supervisor group of those processes of a release of which there must never be two.

        No other group's, since no release has such an id.
        """
        return f"{self.group(release_id)}~singletons"

    def config(self, release_id: str) -> str:
        """What supervisord reads of a release's processes."""
        return f"{self.release(release_id)}/supervisor.conf"

    def singletons_config(self, release_id: str) -> str:
        """Likewise of those of which there must never be two; not there in a release that has none."""
        return f"{self.release(release_id)}/{SINGLETONS_CONF}"

    def groups(self, release_id: str) -> dict[str, str]:
        """All supervisor groups that a release may have, each with the file that it is read from."""
        return {
            self.group(release_id): self.config(release_id),
            self.singletons(release_id): self.singletons_config(release_id),
        }

    def log(self, release_id: str, process: str) -> str:
        return f"{self.logs}/{process}-{release_id}.log"

    def live(self) -> str | None:
        """Id of the live release, None before the first deploy."""
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return None

    def records(self) -> list[Record]:
        """All releases on the host, oldest first; one whose record was never written has only its id.

        What else lies in their folder, such as a file system's lost+found, is none of ours to list or to prune.
        """
        names = filesystem.names(self.releases)
        return [self.record(name) for name in names if _ID.match(name) and os.path.isdir(self.release(name))]

    def record(self, release_id: str) -> Record:
        """The record of one release; of one that cannot be read there is only the id."""
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
        """Change the state in a release's record, also on a disk that is full."""
        record = self.record(release_id)
        if (record.state, record.reason) != (state, reason):
            self.write_record(replace(record, state=state, reason=reason))
