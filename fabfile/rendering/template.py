"""Templates and local files, which travel to hosts as files."""

from __future__ import annotations

import functools
import importlib
import shlex
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contract.secret import Secret
from ..errors import SettingsError
from ..resources.file import File
from .rendered import Rendered

_HERE = Path(__file__).parents[1]
# In a checkout the templates are beside the package, installed they are in it.
BUNDLED = next((path for path in (_HERE / "templates", _HERE.parent / "templates") if path.is_dir()), _HERE)


@dataclass(frozen=True)
class Template(Rendered):
    """A file rendered from a Jinja2 template.

    The project's folder `templates/` comes first, then hostsmith's own templates, so that a file of the same name
    replaces ours. An undefined variable is an error.

    :param path: path of the file on the host.
    :param template: name of the template, such as "nginx/site.conf.j2".
    :param variables: variables of the template, besides `host`, the host as the user wrote it.
    :param mode, owner, group: as in `File`.
    :param secret: whether the text has secrets, which a diff must not show.
    """

    path: str
    template: str
    variables: dict[str, Any] = field(default_factory=dict, repr=False)
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    secret: bool = False

    def describe(self) -> str:
        return f"file {self.path}"

    def render(self, project: Path, host: str) -> File:
        """Render the file.

        :raises SettingsError: the template is missing or invalid, or a variable is undefined.
        """
        text = render(project, self.template, {"host": host, **self.variables})
        content = Secret(text) if self.secret else text
        return File(self.path, content, mode=self.mode, owner=self.owner, group=self.group, notify=self.notify)


@dataclass(frozen=True)
class LocalFile(Rendered):
    """A local text file, as it is.

    :param path: path on the host.
    :param source: local file, relative to the project folder.
    :param setting: key of the setting, for errors.
    :param mode: as in `File`.
    """

    path: str
    source: str
    setting: str
    mode: int | None = None

    def describe(self) -> str:
        return f"file {self.path}"

    def render(self, project: Path, host: str) -> File:
        return File(self.path, local_text(project, self.source, self.setting), mode=self.mode, notify=self.notify)


def local_text(project: Path, source: str, setting: str) -> str:
    """Read a local text file.

    :param setting: key of the setting, for errors.
    :raises SettingsError: the file cannot be read as text.
    """
    path = project / Path(source).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{setting}: {path}: {error.strerror}, expected a file on this machine") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: {path}: not a text file, expected PEM") from None


def preload() -> None:
    """Load the template engine in the background, while the caller waits for a host."""
    threading.Thread(target=importlib.import_module, args=("jinja2",), daemon=True).start()


def render(project: Path, name: str, variables: dict[str, Any]) -> str:
    """Render a template of the project, else one of ours.

    :raises SettingsError: as in `Template.render`.
    """
    import jinja2

    try:
        return str(_environment(project).get_template(name).render(variables))
    except jinja2.TemplateNotFound as error:
        raise SettingsError(
            f"template {error.name!r}: missing in {project / 'templates'} and among hostsmith's own"
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(f"{error.filename or name}, line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise SettingsError(f"template {name!r}: {error.message}; pass it in `variables`") from None
    except UnicodeDecodeError:
        raise SettingsError(f"template {name!r}: not UTF-8 text") from None
    except Exception as error:  # calls in a template may raise anything
        raise SettingsError(f"template {name!r}: {type(error).__name__}: {error}") from error


@functools.cache
def _environment(project: Path) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([project / "templates", BUNDLED]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Configuration files, not HTML: quoting is up to the template.
        autoescape=False,  # noqa: S701
    )
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    return environment
