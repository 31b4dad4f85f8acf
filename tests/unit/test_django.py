"""Django: what its environment says, what a deploy does for it, and what it makes of Django's own words."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hostsmith.environment import django, variables
from hostsmith.hostkit.linux import system
from hostsmith.recipes import app, nginx, release, static
from hostsmith.resources import Directory
from hostsmith.resources.release.assets import Assets
from hostsmith.resources.release.django import Collected, DeployCheck
from hostsmith.resources.release.release_command import ReleaseCommand
from hostsmith.settings.project import Settings

ID = "20260101-120000-0123456"


def settings(project: Path = Path("/nowhere"), **values: Any) -> Settings:
    given = {"app": "blog", "framework": "django", "processes": {"web": "gunicorn blog.wsgi"}, **values}
    return Settings(**given).placed(project, {})


def shown(**values: Any) -> dict[str, str]:
    given = variables.given(settings(**values))
    return {name: variable.text for name, variable in given.known.items()}


def test_the_environment_says_where_the_project_runs() -> None:
    assert shown() == {"ALLOWED_HOSTS": "*", "MEDIA_ROOT": "/srv/blog/shared/media"}
    plain = shown(domains=["example.com", "*.example.org"], health={"host": "up.example.com"})
    assert plain["ALLOWED_HOSTS"] == "example.com,.example.org,up.example.com"
    assert plain["CSRF_TRUSTED_ORIGINS"] == "http://example.com,http://*.example.org"
    assert "SECURE_PROXY_SSL_HEADER" not in plain
    secure = shown(domains=["example.com"], tls=True)
    assert secure["CSRF_TRUSTED_ORIGINS"] == "https://example.com"
    assert secure["SECURE_PROXY_SSL_HEADER"] == "HTTP_X_FORWARDED_PROTO,https"


def test_what_a_user_writes_is_stronger_and_a_key_is_made_up_only_where_there_is_none() -> None:
    assert shown(environment={"ALLOWED_HOSTS": "mine"})["ALLOWED_HOSTS"] == "mine"
    assert variables.given(settings()).generated == {"SECRET_KEY": 50}
    assert variables.given(settings(environment={"SECRET_KEY": {"generate": 64}})).generated == {"SECRET_KEY": 64}
    assert variables.given(settings(environment={"SECRET_KEY": "given"})).generated == {}
    assert shown(framework=None) == {}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"manage.py": "blog.settings.local", "blog/wsgi.py": "blog.settings.production"}, "blog.settings.production"),
        ({"manage.py": "blog.settings"}, "blog.settings"),
        ({"a/wsgi.py": "a.settings", "b/wsgi.py": "b.settings", "manage.py": "a.settings"}, None),
        ({}, None),
    ],
)
def test_the_settings_module_is_that_of_what_serves_the_site(
    tmp_path: Path, files: dict[str, str], found: str | None
) -> None:
    for name, module in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"os.environ.setdefault('DJANGO_SETTINGS_MODULE', \"{module}\")\n")
    assert django.settings_module(tmp_path) == found
    told = variables.given(settings(tmp_path)).known.get("DJANGO_SETTINGS_MODULE")
    assert (told.text if told else None) == found


def test_a_deploy_collects_checks_and_migrates_and_a_release_process_of_ones_own_takes_the_place() -> None:
    found = settings()
    assert static.static(found, ID) == [Collected("blog", ID, 1800), Assets("blog", ID, {"/static/": "static"})]
    assert release.release_command(found, ID) == [
        DeployCheck("blog", ID, 600),
        ReleaseCommand("blog", ID, 600, "release: python manage.py migrate --noinput"),
    ]
    own = settings(processes={"web": "gunicorn a.wsgi", "release": "sh release.sh"})
    assert release.release_command(own, ID)[-1] == ReleaseCommand("blog", ID, 600, "release: sh release.sh")
    procfile = Settings(app="blog", framework="django").placed(Path("/nowhere"), {"release": "x"})
    assert procfile.processes["release"].command == "x"


def test_static_files_that_the_source_has_already_are_not_collected() -> None:
    found = settings(static={"/static/": "built"})
    assert static.static(found, ID) == [Assets("blog", ID, {"/static/": "code/built"})]


def test_uploads_are_the_apps_to_write_and_nginx_to_read() -> None:
    shared = [resource for resource in app.shared(settings()) if isinstance(resource, Directory)]
    assert [(each.path, each.mode, each.owner, each.passable) for each in shared] == [
        ("/srv/blog/shared", 0o750, "blog", ("www-data",)),
        ("/srv/blog/shared/media", 0o755, "blog", ()),
    ]
    told = nginx.site_file(settings()).variables
    assert told["folders"] == {"/static/": "/srv/blog/current/static", "/media/": "/srv/blog/shared/media"}
    (plain,) = app.shared(settings(framework=None))
    assert plain == Directory("/srv/blog/shared", mode=0o750, owner="blog", group="blog")
    assert static.uploads(settings(static={"/media/": "media"})) == {}


def test_another_framework_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected django, or null for none"):
        settings(framework="rails")


WARNINGS = b"""System check identified some issues:

WARNINGS:
?: (security.W004) You have not set a value for the SECURE_HSTS_SECONDS setting. If your entire site is served ...
blog.Post: (models.W042) Auto-created primary key used when not defining a primary key type, by default 'AutoField'.
\tHINT: Configure the DEFAULT_AUTO_FIELD setting.

System check identified 2 issues (0 silenced).
"""


def test_warnings_are_told_without_their_lecture(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        assert argv[1:] == ["run", "python", "manage.py", "check", "--deploy"]
        return subprocess.CompletedProcess(argv, 0, b"", WARNINGS)

    told: list[str] = []
    monkeypatch.setattr(system, "run", run)
    monkeypatch.setattr("hostsmith.resources.release.django.note", told.append)
    change = DeployCheck("blog", ID, 600).check()
    assert change is not None
    change.apply()
    assert told == [
        "manage.py check --deploy:\n"
        "security.W004 You have not set a value for the SECURE_HSTS_SECONDS setting\n"
        "models.W042 blog.Post: Auto-created primary key used when not defining a primary key type, by default "
        "'AutoField'"
    ]
