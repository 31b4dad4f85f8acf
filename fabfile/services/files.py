"""Files as a service: a folder that the app may write to, and that its releases share."""

from __future__ import annotations

from ..contract.secret import Secret
from ..hostkit.app.layout import Layout
from ..resources import Directory, Resource
from ..settings.kinds import UnexpectedError
from ..settings.services import ServiceOptions
from .base import Access, Argv, Restore, Service
from .registry import register

_SWAP = """\
rm -rf "$1.replaced" && mv "$1" "$1.replaced" && mv "$2" "$1" && rm -rf "$1.replaced"
"""


class FilesOptions(ServiceOptions):
    """What the settings may say of the folder: nothing, since it is on the app's own host."""

    def model_post_init(self, context: object) -> None:
        if self.role is not None:
            raise UnexpectedError("no role, since a folder is on the app's own host", found=repr(self.role))


@register
class Files(Service):
    """A folder below the app's own."""

    name = "files"
    Options = FilesOptions

    @property
    def _path(self) -> str:
        return f"{Layout(self.settings.app).shared}/files"

    @property
    def _fresh(self) -> str:
        return f"{self._path}.restored"

    @property
    def _as_app(self) -> Argv:
        """What the app has put there may lead anywhere, and leads no further than the app itself gets."""
        return ["runuser", "-u", self.settings.app, "--"]

    def install(self) -> list[Resource]:
        app = self.settings.app
        return [Directory(self._path, mode=0o750, owner=app, group=app)]

    def env(self, access: Access) -> dict[str, Secret | str]:
        return {"CONFIG_FILES_PATH": self._path}

    def backup(self) -> Argv:
        return [*self._as_app, "tar", "--create", "--file=-", f"--directory={self._path}", "."]

    def restore(self) -> Restore:
        fresh, remove = self._fresh, [*self._as_app, "rm", "-rf", "--one-file-system", "--", self._fresh]
        extract = ["tar", "--extract", "--preserve-permissions", "--file=-", f"--directory={fresh}"]
        return Restore(
            prepare=[remove, [*self._as_app, "mkdir", "-m", "750", fresh]],
            load=[*self._as_app, *extract],
            swap=[[*self._as_app, "sh", "-c", _SWAP, "swap", self._path, fresh]],
            abandon=[remove],
        )

    def clear(self) -> list[Argv]:
        return [[*self._as_app, "find", self._path, "-mindepth", "1", "-delete"]]

    def check(self) -> Argv:
        return [*self._as_app, "test", "-w", self._path]
