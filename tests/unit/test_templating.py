"""Templates: the project's before ours, nothing undefined, and errors that name the file and the line."""

from __future__ import annotations

import os
from pathlib import Path

import jinja2
import pytest
from hostsmith.errors import SettingsError
from hostsmith.rendering.rendered import rendered
from hostsmith.rendering.template import BUNDLED, Template, render
from hostsmith.resources import File, Reload, ResourceError, Secret, Symlink, Validated


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "templates/nginx").mkdir(parents=True)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "templates" / name).write_text(text)


def test_a_template_becomes_a_file_with_all_that_was_said_of_it(project: Path) -> None:
    write(project, "thumb.conf.j2", "size = {{ size }}\nhost = {{ host }}\n")
    template = Template(
        "/etc/thumb.conf", "thumb.conf.j2", {"size": 5}, mode=0o640, owner="a", group="b", notify=Reload("thumbd")
    )
    assert template.render(project, "web1") == File(
        "/etc/thumb.conf", "size = 5\nhost = web1\n", mode=0o640, owner="a", group="b", notify=Reload("thumbd")
    )


def test_a_secret_one_becomes_a_file_that_is_not_shown(project: Path) -> None:
    write(project, "env.j2", "TOKEN={{ token }}\n")
    template = Template("/etc/env", "env.j2", {"token": "hunter2"}, secret=True)
    file = template.render(project, "web1")
    assert file.content == Secret("TOKEN=hunter2\n")
    assert "hunter2" not in repr(template) + repr(file)


def test_every_template_of_a_plan_is_rendered_also_in_groups_of_groups(project: Path) -> None:
    write(project, "a.j2", "{{ host }}")
    template, file = Template("/a", "a.j2"), File("/a", "web1")
    inner = Validated("inner", (template, Symlink("/b", "/a")), ["true"], notify=Reload("x"))
    assert rendered([template, Validated("outer", (inner,)), Symlink("/c", "/a")], project, "web1") == [
        file,
        Validated("outer", (Validated("inner", (file, Symlink("/b", "/a")), ["true"], notify=Reload("x")),)),
        Symlink("/c", "/a"),
    ]


def test_the_projects_own_replaces_ours_and_ours_can_be_included(project: Path) -> None:
    assert "client_body_timeout" in render(project / "elsewhere", "nginx/limits.conf.j2", {})
    write(project, "nginx/limits.conf.j2", "# the project's own\n")
    assert render(project, "nginx/limits.conf.j2", {}) == "# the project's own\n"
    write(project, "more.j2", "{% include 'app/logrotate.j2' %}# and more\n")
    assert render(project, "more.j2", {"app": "a", "logs": "/l"}).endswith("# and more\n")


def test_another_project_has_its_own(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "templates").mkdir()
    for folder, text in ((project, "one"), (other, "two")):
        (folder / "templates/a.j2").write_text(text)
    assert (render(project, "a.j2", {}), render(other, "a.j2", {})) == ("one", "two")


def test_a_template_that_is_changed_is_read_again(project: Path) -> None:
    write(project, "a.j2", "one")
    assert render(project, "a.j2", {}) == "one"
    path = project / "templates/a.j2"
    path.write_text("two")
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert render(project, "a.j2", {}) == "two"


def test_text_is_configuration_and_not_html(project: Path) -> None:
    write(project, "a.j2", "{{ text }}|{{ text | quote }}\n\nend without a line break")
    assert render(project, "a.j2", {"text": "<a & 'b'>"}) == (
        "<a & 'b'>|'<a & '\"'\"'b'\"'\"'>'\n\nend without a line break"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ missing }}", "template 'a.j2': 'missing' is undefined; pass it in `variables`"),
        ("{{ host.missing.x }}", "template 'a.j2': 'str object' has no attribute 'missing'; pass it in `variables`"),
        ("{% if missing %}x{% endif %}", "template 'a.j2': 'missing' is undefined"),
        ("one\n{% if %}\n", "templates/a.j2, line 2: Expected an expression"),
        ("one\ntwo\n{{ x | nofilter }}", "templates/a.j2, line 3: No filter named 'nofilter'."),
        ("{% for x in y %}", "templates/a.j2, line 1: Unexpected end of template."),
        ("{% include 'gone' %}", "template 'gone': missing in {project}/templates and among hostsmith's own"),
        ("{{ 1 + 'a' }}", "template 'a.j2'"),
    ],
)  # fmt: skip
def test_an_error_says_where_and_what(project: Path, text: str, expected: str) -> None:
    write(project, "a.j2", text)
    with pytest.raises(SettingsError) as caught:
        render(project, "a.j2", {"host": "web1"})
    assert expected.replace("{project}", str(project)) in str(caught.value)


def test_a_number_can_be_quoted(project: Path) -> None:
    write(project, "a.j2", "{{ 5 | quote }}")
    assert render(project, "a.j2", {}) == "5"


def test_a_template_in_another_encoding(project: Path) -> None:
    (project / "templates/a.j2").write_bytes(b"caf\xe9\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        render(project, "a.j2", {})


@pytest.mark.parametrize("name", ["gone.j2", "../secret.j2", "/etc/hostname"])
def test_what_is_not_among_the_templates_is_not_found(project: Path, name: str) -> None:
    (project / "secret.j2").write_text("not a template")
    with pytest.raises(SettingsError, match="missing in"):
        render(project, name, {})


def test_one_that_was_not_rendered_does_nothing_on_a_host() -> None:
    with pytest.raises(ResourceError, match="must be rendered"):
        Template("/a", "a.j2").check()


def test_a_project_needs_no_templates_of_its_own(tmp_path: Path) -> None:
    assert render(tmp_path, "nginx/limits.conf.j2", {})


@pytest.mark.parametrize("path", sorted(BUNDLED.rglob("*.j2")), ids=lambda path: path.name)
def test_ours_have_no_syntax_error_and_say_how_they_are_replaced_or_whose_they_are(path: Path) -> None:
    text = path.read_text()
    jinja2.Environment(autoescape=True).parse(text)
    # A page for visitors says so to those who read its source only.
    assert "ritten by hostsmith" in text or "file of your own at templates/" in text
