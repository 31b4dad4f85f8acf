"""`fab init` and `hostsmith init`: what they write, what they keep, and that it can be deployed as it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from fabric import Config
from hostsmith.__main__ import main
from hostsmith.inventory.project import load
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.recipes import release
from hostsmith.settings import Settings
from invoke.context import Context
from invoke.util import yaml
from local_fab import Fab
from trees import DJANGO, FACTORY, FLASK, PRODUCTION_INI, Files, plant

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
PROJECTS: dict[str, Files] = {
    "flask": {"app.py": FLASK, "static/a.css": "", "requirements.txt": "flask\n"},
    "factory": {"src/shop/__init__.py": FACTORY, "requirements/production.txt": "flask\n"},
    "django": DJANGO,
    "pyramid": {"production.ini": PRODUCTION_INI, "requirements.txt": "pyramid\n"},
    "fastapi": {"app/main.py": FASTAPI, "requirements.txt": "fastapi\n"},
    "starlette": {"main.py": "from starlette.applications import Starlette\napp = Starlette()\n"},
    "wsgi": {"hello.py": "def application(environ, start_response):\n    return []\n"},
    "asgi": {"hello.py": "async def app(scope, receive, send): ...\n"},
    "several": {"web/app.py": FLASK, "web/requirements.txt": "flask\n", "api/main.py": FASTAPI},
    "a Procfile without web": {"app.py": FLASK, "Procfile": "worker: python worker.py\n"},
    "lock": {"app.py": FLASK, "pyproject.toml": "[project]\nname = 'my-blog'\n", "uv.lock": ""},
    "odd names": {"site-1.0_x/app.py": FLASK, "site-1.0_x/requirements.txt": "flask\n"},
}


class Start(Fab):
    """A folder in which `hostsmith` is run, before there is a fabfile."""

    def init(self, *args: str, status: int = 0) -> str:
        """What `hostsmith init` prints, run within this process."""
        out, err, before, ended = io.StringIO(), io.StringIO(), os.getcwd(), 0
        os.chdir(self.folder)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(["hostsmith", "init", *args])
        except SystemExit as end:
            ended = int(str(end.code))
        finally:
            os.chdir(before)
        assert ended == status, err.getvalue()
        return out.getvalue() + err.getvalue()

    def read(self, name: str = "fabric.yaml") -> str:
        return (self.folder / name).read_text()

    def settings(self) -> Settings:
        config = Config(lazy=True, project_location=self.folder)
        config.load_project()
        return load(Context(config))


@pytest.fixture
def start(tmp_path: Path) -> Start:
    folder = tmp_path / "My Blog"
    folder.mkdir()
    return Start(folder)


@pytest.mark.parametrize("kind", PROJECTS)
def test_what_is_written_for_a_project_are_settings_that_can_be_deployed(start: Start, kind: str) -> None:
    plant(start.folder, PROJECTS[kind])
    start.init("--host", "ada@203.0.113.7:2222")
    settings = start.settings()
    assert settings.app == "my-blog"
    assert [str(entry.host) for entry in settings.roles["web"]] == ["ada@203.0.113.7:2222"]
    release.configuration(settings, ALL_ROLES, "20261121-101500-1f3c2ab")
    for name in settings.requirements or ():
        assert (start.folder / name).is_file()


def test_every_guess_has_its_reason_in_the_file_and_on_the_screen(start: Start) -> None:
    plant(start.folder, {"shop/__init__.py": FACTORY, "shop/static/a.css": "", "requirements/prod.txt": "flask\n"})
    said = start.init()
    text = start.read()
    for reason in ("because it is there", "because Flask serves its files at /static/"):
        assert reason in " ".join(text.replace("#", "").split())
    assert "shop/__init__.py line 3 has `def create_app(config=None)`" in said
    assert start.read("Procfile") == "web: gunicorn 'shop:create_app()'\n"
    assert "1. name your server in fabric.yaml, under `roles`" in said


def test_only_keys_that_are_needed_are_written(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, "requirements.txt": "flask\n"})
    start.init("--host", "web1", "--app", "blog")
    assert yaml.safe_load(start.read()) == {"app": "blog", "roles": {"web": ["web1"]}}


def test_services_that_it_seems_to_need_are_a_hint_and_are_not_asked_for(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, "requirements.txt": "flask\npsycopg[binary]>=3\nrq\nredis\n"})
    start.init()
    assert "# services: [postgres, redis]\n" in start.read()
    assert "requirements.txt requires psycopg; requirements.txt requires redis" in " ".join(start.read().split("\n# "))
    assert not start.settings().services


def test_apps_that_it_could_be_as_well_are_told(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, "admin.py": FLASK})
    said = start.init()
    assert "It could also be:" in said
    assert "gunicorn admin:app  because admin.py line 2 has" in said


def test_nothing_is_overwritten_and_the_difference_is_shown(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK})
    start.init()
    before = start.read()
    start.write("web: gunicorn other:app\n", "Procfile")
    said = "\n".join(start.output("init", "--app", "other"))
    assert "kept   fabric.yaml; --force would make this of it:" in said
    assert "-app: my-blog" in said
    assert "+app: other" in said
    assert (start.read(), start.read("Procfile")) == (before, "web: gunicorn other:app\n")
    start.init("--app", "other", "--force")
    assert "app: other\n" in start.read()
    assert start.read("Procfile") == "web: gunicorn other:app\n"


def test_a_second_time_there_is_nothing_to_do(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK})
    start.init()
    said = start.init()
    assert "fabric.yaml: nothing would be different" in said
    assert "wrote" not in said


def test_settings_in_another_kind_of_file_are_kept(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, "fabric.json": '{"app": "older"}'})
    assert "kept   fabric.json" in start.init("--force")
    assert not (start.folder / "fabric.yaml").exists()


def test_a_fabfile_of_ones_own_is_kept_and_the_line_that_it_lacks_is_told(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, "fabfile.py": "# mine\n"})
    assert "add `from hostsmith import ns`" in start.init("--force")
    assert start.read("fabfile.py") == "# mine\n"


def test_a_folder_without_an_app_says_what_is_missing(start: Start) -> None:
    said = start.init()
    assert "no app was found that could be served" in said
    assert "say in a Procfile how the site is served" in said
    assert "there is no process `web`" in start.error("hosts")[0]


def test_what_git_should_not_have_is_told(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK, ".env": "", "db.sqlite3": "", ".gitignore": "/.env\n"})
    assert "add to .gitignore what no server needs: db.sqlite3" in start.init()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--app", "My Blog"), "the command line: app: found 'My Blog'"),
        (("--app", "root"), "and is not in use; root is"),
        (("--host", "a b"), "the command line: roles.web[0]: found 'a b'"),
    ],
)
def test_flags_that_the_settings_would_not_take_are_refused_and_nothing_is_written(
    start: Start, flags: tuple[str, ...], said: str
) -> None:
    plant(start.folder, {"app.py": FLASK})
    assert said in start.init(*flags, status=2)
    assert [path.name for path in start.folder.iterdir()] == ["app.py"]


@pytest.mark.parametrize("name", ["root", "nginx", "42", "---", "Ünïcode", "x" * 80])
def test_any_folder_gives_a_name_that_can_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    start = Start(tmp_path / name)
    plant(start.folder, {"app.py": FLASK})
    start.init()
    assert start.settings().app


def test_a_folder_that_cannot_be_written_to_is_told_without_a_traceback(start: Start) -> None:
    plant(start.folder, {"app.py": FLASK})
    (start.folder / "fabric.yaml").mkdir()
    assert "fabric.yaml" in start.init(status=2)


def test_nothing_of_a_strangers_folder_is_run_and_nothing_is_written_elsewhere(start: Start, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = f"open({str(elsewhere / 'ran')!r}, 'w')\n"
    code = [
        "fabric.py",
        "fabfile.py",
        "manage.py",
        "setup.py",
        "conftest.py",
        "sitecustomize.py",
        "yaml.py",
        "jinja2.py",
    ]
    plant(start.folder, {"app.py": ran + FLASK, **dict.fromkeys(code, ran)})
    subprocess.run(["git", "init", "--quiet", start.folder], check=True)
    monitor = f"touch {elsewhere / 'ran'}"
    subprocess.run(["git", "-C", start.folder, "config", "core.fsmonitor", monitor], check=True)
    (start.folder / "Procfile").symlink_to(elsewhere / "Procfile")
    program = Path(sys.executable).with_name("hostsmith")
    done = subprocess.run([program, "init"], cwd=start.folder, capture_output=True, text=True, check=True)
    assert "gunicorn app:app" in done.stdout
    assert list(elsewhere.iterdir()) == []


def test_hostsmith_itself_has_the_first_step_alone() -> None:
    done = subprocess.run([sys.executable, "-m", "hostsmith", "deploy"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "expected `fab deploy`" in done.stderr
