"""What is found out about a project from its files: small real project trees, ordinary and odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.detect import Finding, Project, detect
from hostsmith.errors import SettingsError
from trees import DJANGO, FACTORY, FLASK, MANAGE, PRODUCTION_INI, UVICORN, Files, plant


def found(folder: Path, files: Files) -> Project:
    """What is found out about a folder with these files."""
    plant(folder, files)
    return detect(folder)


def web(project: Project) -> str:
    return project.processes["web"].value


@pytest.mark.parametrize(
    ("files", "framework", "command", "reason"),
    [
        ({"app.py": FLASK}, "Flask", "gunicorn app:app", "app.py line 2 has `app = Flask(__name__)`"),
        (
            {"blog/__init__.py": "\n\nimport flask as f\nsite: f.Flask = f.Flask('blog')\n"},
            "Flask",
            "gunicorn blog:site",
            "blog/__init__.py line 4 has `site: f.Flask = f.Flask('blog')`",
        ),
        (
            {"blog/__init__.py": FACTORY},
            "Flask",
            "gunicorn 'blog:create_app()'",
            "blog/__init__.py line 3 has `def create_app(config=None)`",
        ),
        (
            {"blog/__init__.py": FACTORY, "wsgi.py": "from blog import create_app\n\napplication = create_app()\n"},
            "Flask",
            "gunicorn wsgi:application",
            "wsgi.py line 3 has `application = create_app()`",
        ),
        (
            {"blog/__init__.py": FLASK, "wsgi.py": "import os\nfrom blog import app as application\n"},
            "Flask",
            "gunicorn wsgi:application",
            "wsgi.py line 2 has `from blog import app as application`",
        ),
        ({"src/shop/__init__.py": FLASK, "pyproject.toml": ""}, "Flask", "gunicorn --pythonpath src shop:app", ""),
        ({"app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}, "FastAPI", f"{UVICORN} app.main:app", ""),
        (
            {"main.py": "from starlette.applications import Starlette\napp = Starlette(routes=[])\n"},
            "Starlette",
            f"{UVICORN} main:app",
            "",
        ),
        (DJANGO, "Django", "gunicorn mysite.wsgi:application", "mysite/wsgi.py line 3 has"),
        ({**DJANGO, "requirements.txt": "django\nchannels\n"}, "Django", f"{UVICORN} mysite.asgi:application", ""),
        (
            {"hello.py": "def application(environ, start_response):\n    return []\n"},
            "WSGI",
            "gunicorn hello:application",
            "hello.py line 1 has `def application(environ, start_response)`",
        ),
        ({"hello.py": "async def app(scope, receive, send): ...\n"}, "ASGI", f"{UVICORN} hello:app", ""),
        (
            {"wsgi.py": "from pyramid.config import Configurator\napp = Configurator().make_wsgi_app()\n"},
            "Pyramid",
            "gunicorn wsgi:app",
            "",
        ),
        (
            {
                "guestbook/__init__.py": "def main(global_config, **settings):\n    return config.make_wsgi_app()\n",
                "development.ini": PRODUCTION_INI,
                "production.ini": PRODUCTION_INI,
                "alembic.ini": "[alembic]\nscript_location = migrations\n",
                "tox.ini": "[tox]\n",
            },
            "Pyramid",
            "gunicorn --paste production.ini",
            "production.ini has a section [app:main] with `use = egg:guestbook`",
        ),
        ({"app.py": "try:\n    from flask import Flask\nfinally:\n    pass\nif True:\n    app = Flask('x')\n"},
         "Flask", "gunicorn app:app", "app.py line 6"),
    ],
)  # fmt: skip
def test_the_app_the_command_that_serves_it_and_the_reason(
    tmp_path: Path, files: Files, framework: str, command: str, reason: str
) -> None:
    project = found(tmp_path, files)
    assert project.app is not None
    assert project.app.framework == framework
    assert web(project) == command
    assert project.processes["web"].reason.startswith(reason)


class TestOddProjects:
    def test_of_two_apps_the_likelier_is_taken_and_the_other_told(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"admin.py": FLASK, "app.py": FLASK + "api = Flask('api')\n"})
        assert web(project) == "gunicorn app:app"
        assert [app.target for app in project.others] == ["app:api", "admin:app"]

    def test_an_entry_file_comes_before_all_others(self, tmp_path: Path) -> None:
        assert web(found(tmp_path, {"app.py": FLASK, "site/wsgi.py": FLASK})) == "gunicorn site.wsgi:app"

    def test_no_app(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"tool.py": "print('hello')\n"})
        assert (project.app, project.others, project.processes) == (None, (), {})

    def test_an_empty_folder_and_one_that_is_not_there(self, tmp_path: Path) -> None:
        assert detect(tmp_path).app is None
        assert detect(tmp_path / "nothing").name.value == "nothing"

    def test_a_folder_of_several_projects_takes_one_as_it_is_run_in_its_own(self, tmp_path: Path) -> None:
        files: Files = {
            "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "api/requirements.txt": "fastapi\n",
            "web/manage.py": MANAGE,
            **{f"web/{name}": content for name, content in DJANGO.items()},
        }
        project = found(tmp_path, files)
        assert web(project) == "gunicorn --chdir web mysite.wsgi:application"
        assert project.processes["release"].value == "cd web && python manage.py migrate --noinput"
        assert project.requirements == Finding("web/requirements.txt", "it is there")
        assert f"{UVICORN} --chdir api main:app" in [app.command for app in project.others]

    def test_a_script_beside_its_modules_is_run_in_its_folder(self, tmp_path: Path) -> None:
        files: Files = {"server/app.py": "import models\n" + FLASK, "server/models.py": ""}
        assert web(found(tmp_path, files)) == "gunicorn --chdir server app:app"

    def test_a_file_with_a_mistake_is_told_and_the_others_are_read(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"app.py": FLASK, "broken.py": "import flask\ndef broken(:\n"})
        assert web(project) == "gunicorn app:app"
        assert "broken.py was skipped: line 2 is not valid Python" in project.remarks

    def test_files_that_are_huge_or_no_text(self, tmp_path: Path) -> None:
        deep = b"import flask\n" + b"x = " + b"(" * 5000 + b")" * 5000
        files: Files = {
            "chain.py": b"import flask\nx = a" + b".b" * 2500 + b"()\napp2 = flask.Flask('a'" + b"+'a'" * 2500 + b")\n",
            "app.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + FLASK.encode(),
            "data.py": b"flask = 1\n" * 200_000,
            "latin.py": b"import flask\nx = 'caf\xe9'\n",
            "zero.py": b"import flask\n\0",
            "deep.py": deep,
            "requirements.txt": b"\xff\xfef\0l\0a\0s\0k\0\n\0",
            "pyproject.toml": b"name = \xff\n[",
            "setup.cfg": "no section\n",
            "bad.ini": "no section\n",
        }
        project = found(tmp_path, files)
        assert web(project) == "gunicorn app:app"
        told = " ".join(project.remarks)
        for name in ("data.py", "latin.py", "zero.py", "pyproject.toml"):
            assert name in told

    def test_virtualenvs_tests_and_hidden_folders_are_passed_over(self, tmp_path: Path) -> None:
        files: Files = {
            f"{folder}/app.py": FLASK for folder in (".tox", "tests", "node_modules/x", "docs", "myenv/lib")
        }
        assert found(tmp_path, {**files, "myenv/pyvenv.cfg": ""}).app is None

    def test_links_in_a_circle_end(self, tmp_path: Path) -> None:
        (tmp_path / "blog").mkdir()
        (tmp_path / "blog" / "again").symlink_to(tmp_path)
        (tmp_path / "dangling.py").symlink_to("nowhere.py")
        assert web(found(tmp_path, {"app.py": FLASK})) == "gunicorn app:app"

    def test_a_package_is_never_imported(self, tmp_path: Path) -> None:
        text = f"open({str(tmp_path / 'was-run')!r}, 'w')\n{FLASK}"
        assert found(tmp_path, {"app.py": text}).app is not None
        assert not (tmp_path / "was-run").exists()

    def test_an_app_that_only_a_script_makes_is_told(self, tmp_path: Path) -> None:
        text = "import flask\nif __name__ == '__main__':\n    app = flask.Flask('x')\n    app.run()\n"
        project = found(tmp_path, {"app.py": text})
        assert project.app is None
        assert project.remarks[0].startswith("app.py line 3: `app = flask.Flask('x')` only runs when")

    def test_a_factory_that_wants_an_argument_is_told(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"app.py": FACTORY.replace("config=None", "config")})
        assert project.app is None
        assert "`create_app` creates an app, but requires the argument `config`" in project.remarks[0]

    @pytest.mark.parametrize(
        ("requirements", "told"), [("pyramid\n", True), ("pyramid\n-e .\n", False), (".\n", False)]
    )
    def test_a_project_that_has_to_be_installed_itself_is_told(
        self, tmp_path: Path, requirements: str, told: bool
    ) -> None:
        files: Files = {"production.ini": PRODUCTION_INI, "guestbook/__init__.py": "", "requirements.txt": requirements}
        remarks = found(tmp_path, files).remarks
        assert any("add a line `.` to requirements.txt" in remark for remark in remarks) == told

    def test_a_method_or_a_function_inside_another_is_no_app(self, tmp_path: Path) -> None:
        text = (
            "class A:\n    def app(environ, start_response): ...\ndef f():\n    def app(environ, start_response): ...\n"
        )
        assert found(tmp_path, {"middleware.py": text}).app is None


class TestDeclared:
    @pytest.mark.parametrize(
        ("files", "name"),
        [
            ({"pyproject.toml": '[project]\nname = "My_Blog"\n'}, "My_Blog"),
            ({"pyproject.toml": '[tool.poetry]\nname = "poems"\n'}, "poems"),
            ({"setup.cfg": "[metadata]\nname = older\n"}, "older"),
            ({"pyproject.toml": '[project]\nname = ["no text"]\n'}, "project"),
            ({}, "project"),
        ],
    )
    def test_the_name(self, tmp_path: Path, files: Files, name: str) -> None:
        (tmp_path / "project").mkdir()
        assert found(tmp_path / "project", files).name.value == name

    def test_the_requirement_file_for_a_server(self, tmp_path: Path) -> None:
        files: Files = {
            "app.py": FLASK,
            "requirements/dev.txt": "pytest\n",
            "requirements/production.txt": "-r base.txt\n",
            "requirements/base.txt": "flask\n",
        }
        assert found(tmp_path, files).requirements == Finding("requirements/production.txt", "it is there")

    @pytest.mark.parametrize(
        ("files", "name"),
        [
            ({"requirements.txt": "", "pyproject.toml": "[project]\n"}, "requirements.txt"),
            ({"requirements.txt": "", "pyproject.toml": "[project]\n", "uv.lock": ""}, "uv.lock"),
            ({"requirements/base.txt": "", "pyproject.toml": "[project]\n"}, "pyproject.toml"),
            ({"requirements/base.txt": "", "pyproject.toml": "[tool.ruff]\n"}, "requirements/base.txt"),
        ],
    )
    def test_what_a_deploy_would_choose_by_itself_comes_first(self, tmp_path: Path, files: Files, name: str) -> None:
        assert found(tmp_path, {"app.py": FLASK, **files}).requirements == Finding(name, "it is there")

    def test_without_one_that_is_told(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"app.py": FLASK})
        assert project.requirements is None
        assert "there is no requirements.txt, pyproject.toml or lock" in project.remarks[0]


class TestProcesses:
    def test_what_the_procfile_says_stays_and_nothing_is_added_to_it(self, tmp_path: Path) -> None:
        project = found(tmp_path, {**DJANGO, "Procfile": "web: gunicorn other:app\nclock: python clock.py\n"})
        assert {name: one.value for name, one in project.processes.items()} == {
            "web": "gunicorn other:app",
            "clock": "python clock.py",
        }

    def test_a_procfile_that_is_none_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="Procfile: line 1"):
            found(tmp_path, {"app.py": FLASK, "Procfile": "what?\n"})

    @pytest.mark.parametrize(
        ("files", "name", "command", "reason"),
        [
            (
                {f"site/{name}": content for name, content in DJANGO.items()},
                "release",
                "cd site && python manage.py migrate --noinput",
                "site/manage.py is Django's",
            ),
            ({"app.py": FLASK, "alembic.ini": "[alembic]\n"}, "release", "alembic upgrade head", "alembic.ini is"),
            (
                {"app.py": FLASK, "blog/jobs.py": "from celery import Celery\nqueue = Celery('blog')\n"},
                "worker",
                "celery --app blog.jobs.queue worker --loglevel info",
                "blog/jobs.py line 2 has `queue = Celery(...)`",
            ),
            (
                {"app.py": FLASK, "worker.py": "from rq import Worker\n"},
                "worker",
                "python worker.py",
                "worker.py uses rq",
            ),
            (
                {"app.py": FLASK, "requirements.txt": "flask\nRQ>=2 ; python_version > '3'\n"},
                "worker",
                "rq worker --url $REDIS_URL",
                "requirements.txt requires rq",
            ),
            (
                {**DJANGO, "requirements.txt": "django\ndjango_rq\n"},
                "worker",
                "python manage.py rqworker",
                "requirements.txt requires django-rq",
            ),
        ],
    )
    def test_what_runs_beside_the_site(
        self, tmp_path: Path, files: Files, name: str, command: str, reason: str
    ) -> None:
        process = found(tmp_path, files).processes[name]
        assert process.value == command
        assert process.reason.startswith(reason)


class TestDjango:
    def test_a_deploy_knows_it_by_its_manage_py_and_migrates_by_itself(self, tmp_path: Path) -> None:
        project = found(tmp_path, DJANGO)
        assert project.framework is not None
        assert (project.framework.value, project.framework.reason) == ("django", "manage.py is Django's")
        assert list(project.processes) == ["web"]

    def test_settings_that_do_not_ask_where_they_are_run_are_told(self, tmp_path: Path) -> None:
        told = "mysite/settings.py must read STATIC_ROOT, SECRET_KEY"
        assert any(remark.startswith(told) for remark in found(tmp_path, DJANGO).remarks)
        text = "STATIC_ROOT = os.environ.get('STATIC_ROOT')\n"
        assert found(tmp_path, {"mysite/settings.py": text}).remarks == ()

    def test_where_manage_py_is_not_at_the_top_it_is_an_app_as_any_other(self, tmp_path: Path) -> None:
        assert found(tmp_path, {f"site/{name}": content for name, content in DJANGO.items()}).framework is None


class TestPages:
    @pytest.mark.parametrize(
        ("files", "path"),
        [
            ({"app.py": FLASK + "@app.get('/healthz')\ndef ok(): ...\n"}, "/healthz"),
            ({"app.py": FLASK + "@app.route(\n    '/up')\ndef ok(): ...\n"}, "/up"),
            ({**DJANGO, "mysite/urls.py": "urlpatterns = [path('health/', ok)]\n"}, "/health/"),
            ({**DJANGO, "mysite/urls.py": "urlpatterns = [path('admin/', admin.site.urls)]\n"}, "/admin/login/"),
            ({**DJANGO, "mysite/urls.py": "urlpatterns = [path('', home), path('admin/', a)]\n"}, None),
            ({**DJANGO, "polls/urls.py": "urlpatterns = [path('up', ok)]\n", "mysite/urls.py": ""}, None),
            ({"app.py": "from fastapi import FastAPI\napp = FastAPI(openapi_url=None)\n"}, None),
            ({"app.py": FLASK + "@part.get('/healthz')\ndef ok(): ...\n"}, None),
            ({"app.py": FLASK + "open('/healthz')\n"}, None),
            (
                {"app.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/items')\ndef i(): ...\n"},
                "/openapi.json",
            ),
            ({"app.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef i(): ...\n"}, None),
        ],
    )
    def test_the_page_that_tells_whether_the_app_is_well(self, tmp_path: Path, files: Files, path: str | None) -> None:
        health = found(tmp_path, files).health
        assert (health and health.value) == path

    def test_static_files_of_flask(self, tmp_path: Path) -> None:
        project = found(tmp_path, {"blog/__init__.py": FLASK, "blog/static/site.css": "", "static/other.css": ""})
        assert project.static is not None
        assert project.static.value == "blog/static"

    @pytest.mark.parametrize("brings", ["uvicorn[standard]>=0.30", "websockets", "fastapi[standard]"])
    def test_websockets_without_a_package_that_speaks_them_are_told(self, tmp_path: Path, brings: str) -> None:
        text = "from fastapi import FastAPI, WebSocket\napp = FastAPI()\n"
        project = found(tmp_path, {"main.py": text, "requirements.txt": "fastapi\nuvicorn\n"})
        assert any("uvicorn[standard]" in remark for remark in project.remarks)
        project = found(tmp_path, {"requirements.txt": f"fastapi\n{brings}\n"})
        assert project.remarks == ()
