"""Files as a service: a writable folder shared by the app's releases."""

from __future__ import annotations

from ..contract.secret import Secret
from ..hostkit.app.layout import Layout
from ..resources import Directory, Resource
from ..settings.kinds import UnexpectedError
from ..settings.services import ServiceOptions
from .base import Access, AppService, Argv, Restore
from .registry import register

_SWAP = """\
rm -rf "$1.replaced" && mv "$1" "$1.replaced" && mv "$2" "$1" && rm -rf "$1.replaced"
"""


class FilesOptions(ServiceOptions):
    """Options of the folder: none, since it is on the app's host."""

    def model_post_init(self, context: object) -> None:
        if self.role is not None:
            raise UnexpectedError("no role, since the folder is on the host of the app", found=repr(self.role))


@register
class Files(AppService):
    """A folder in the app's shared folder."""

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
        """Run a command as the app: links in the folder then lead no further than the app itself gets."""
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
