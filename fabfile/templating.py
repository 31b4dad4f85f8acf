"""Templates: the resource that is rendered here and travels as a file, and where its template is looked for."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .resources.base import Change, Resource, ResourceError
from .resources.file import File
from .resources.secret import Secret
from .resources.validated import Validated

_HERE = Path(__file__).parent
# In a checkout the templates lie beside the package, installed they lie in it.
BUNDLED = next((path for path in (_HERE / "templates", _HERE.parent / "templates") if path.is_dir()), _HERE)


@dataclass(frozen=True)
class Template(Resource):
    """A file rendered from a Jinja2 template.

    It is looked for in the project's folder `templates/` first and among hostsmith's own then, so that a file of the
    same name replaces ours. An undefined variable is an error.

    :param path: where the file goes on the host.
    :param template: name of the template, such as "nginx/site.conf.j2".
    :param variables: what the template may use, besides `host`, the host as the user wrote it.
    :param mode, owner, group: as in `File`.
    :param secret: whether the text holds secrets, and must not be shown in a diff.
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

    def check(self) -> Change | None:
        raise ResourceError(f"{self.template} has not been rendered; templates are, before they are sent to a host")

    def render(self, project: Path, host: str) -> File:
        """The file that it stands for.

        :param project: the project folder, which may hold templates of its own.
        :raises SettingsError: no such template, wrong syntax, or an undefined variable.
        """
        text = render(project, self.template, {"host": host, **self.variables})
        content = Secret(text) if self.secret else text
        return File(self.path, content, mode=self.mode, owner=self.owner, group=self.group, notify=self.notify)


def rendered(resources: Sequence[Resource], project: Path, host: str) -> list[Resource]:
    """The resources with every template, also within groups, replaced by the file it renders to."""
    result: list[Resource] = []
    for resource in resources:
        if isinstance(resource, Template):
            result.append(resource.render(project, host))
        elif isinstance(resource, Validated):
            result.append(replace(resource, resources=tuple(rendered(resource.resources, project, host))))
        else:
            result.append(resource)
    return result


def render(project: Path, name: str, variables: dict[str, Any]) -> str:
    """Render a template of the project, or else of ours.

    :raises SettingsError: as in `Template.render`.
    """
    import jinja2

    try:
        return str(_environment(project).get_template(name).render(variables))
    except jinja2.TemplateNotFound as error:
        raise SettingsError(
            f"template {error.name!r}: found neither in {project / 'templates'} nor among hostsmith's own"
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(f"{error.filename or name}, line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise SettingsError(f"template {name!r}: {error.message}; pass it in `variables`") from None
    except UnicodeDecodeError:
        raise SettingsError(f"template {name!r}: it is not UTF-8 text") from None
    except Exception as error:  # what a template calls may raise anything
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
        # Configuration files, not HTML: what is quoted, and how, is the template's own business.
        autoescape=False,  # noqa: S701
    )
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    return environment
