"""examples/django-polls on a host: its pages, its files, its commands, and its database through releases."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from tests.hosts.conftest import Project, Vps, make_project

_APPLIED = """
from django.db.migrations.recorder import MigrationRecorder as Recorder
print(*Recorder.Migration.objects.filter(app="polls").order_by("id").values_list("name", flat=True))
"""
_MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("polls", "{after}")]
    operations = [migrations.AddField("Question", "{field}", models.TextField(default=""))]
"""


@pytest.fixture(scope="module")
def polls(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The example, live on a host; the tests below build upon each other's releases."""
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("polls"), vps, "django-polls")
    fabric_yaml = (project.folder / "fabric.yaml").read_text()
    project.write("fabric.yaml", f"{fabric_yaml}domains: [polls.example]\nkeep_releases: 2\nworkers: 1\n")
    project.commit("settings of the test")
    project.fab("provision", "deploy")
    yield project
    vps.sandbox.destroy(vps.name)


class Browser:
    """A visitor with cookies."""

    def __init__(self, vps: Vps) -> None:
        self._base = f"http://{vps.address}"
        self._open = build_opener(HTTPCookieProcessor(CookieJar())).open

    def get(self, path: str) -> str:
        return self._text(Request(self._base + path, headers={"Host": "polls.example"}))

    def post(
        self, path: str, fields: dict[str, str], file: tuple[str, str, str] | None = None, page: str | None = None
    ) -> str:
        """Send a form as browsers do, with the token that its page shows.

        :param page: where the form is, when that is another page.
        """
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page or path))
        assert found
        fields = {"csrfmiddlewaretoken": found[1], **fields}
        headers = {"Host": "polls.example", "Origin": "http://polls.example"}
        body = urlencode(fields)
        if file:
            parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
            parts.append('Content-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n{}'.format(*file))
            body = "".join(f"--edge\r\n{part}\r\n" for part in parts) + "--edge--\r\n"
            headers["Content-Type"] = "multipart/form-data; boundary=edge"
        return self._text(Request(self._base + path, body.encode(), headers))

    def _text(self, request: Request) -> str:
        with self._open(request, timeout=20) as answer:
            return str(answer.read().decode())


def style_of(vps: Vps) -> str:
    """The address of the style sheet, as the front page has it."""
    found = re.search(r'href="(/static/[^"]+)"', vps.http("/", host="polls.example").body)
    assert found
    return found[1]


def test_the_admin_logs_in_and_uploads_and_visitors_vote(polls: Project) -> None:
    vps = polls.vps
    made = "DJANGO_SUPERUSER_PASSWORD=hunter22 python manage.py createsuperuser --noinput --username ann --email a@b.cd"
    polls.fab("run", "--once", "--", made)
    ann = Browser(vps)
    assert "Site administration" in ann.post("/admin/login/?next=/admin/", {"username": "ann", "password": "hunter22"})
    form = {"choice_set-TOTAL_FORMS": "2", "choice_set-INITIAL_FORMS": "0"}
    choices = {
        "choice_set-0-text": "Tea",
        "choice_set-1-text": "Coffee",
        "choice_set-0-votes": "0",
        "choice_set-1-votes": "0",
    }
    ann.post("/admin/polls/question/add/", {"text": "Drink?", **form, **choices}, ("picture", "cup.txt", "a cup"))
    page = Browser(vps).get("/")
    assert "Drink?" in page
    (tea, _) = re.findall(r'name="choice" value="(\d+)"', page)
    assert "Tea: 1" in Browser(vps).post("/1/", {"choice": tea}, page="/")
    (picture,) = re.findall(r'src="(/media/[^"]+)"', page)
    uploaded = vps.http(picture, host="polls.example")
    assert (uploaded.status, uploaded.body, uploaded.headers["x-content-type-options"]) == (200, "a cup", "nosniff")
    vps.run("ln -s /etc/hostname /srv/polls/shared/media/pictures/link; touch /srv/polls/shared/media/.hidden")
    assert vps.http("/media/pictures/link", host="polls.example").status == 403
    assert vps.http("/media/.hidden", host="polls.example").status == 404


def test_the_app_cannot_change_what_is_served_of_it(polls: Project) -> None:
    vps = polls.vps
    assert vps.run("find -L /srv/polls/current/static /srv/polls/assets ! -user root") == ""
    denied = polls.fab("run", "--", "touch", f"/srv/polls/releases/{vps.live('polls')}/static/x", status=1)
    assert "Permission denied" in denied.stderr
    style = vps.http(style_of(vps), host="polls.example")
    assert (style.status, style.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")


def test_manage_passes_on_what_a_command_prints_and_how_it_ends(polls: Project) -> None:
    assert polls.fab("manage", "--", "diffsettings", "--output", "unified").returncode == 0
    assert "Unknown command: 'nonsuch'" in polls.fab("manage", "--", "nonsuch", status=1).stderr
    assert "`fab shell` needs a terminal" in polls.fab("shell", status=2).stderr


class Keyboard:
    """fab on a terminal of its own, typed to."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self._fd, theirs = pty.openpty()
        environment = {**project.env(), "TERM": "xterm"}
        self.process = subprocess.Popen(
            project.argv(*arguments), cwd=project.folder, env=environment,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def sees(self, wanted: str) -> None:
        """Wait until a text stands there."""
        limit = time.monotonic() + 60
        while wanted not in self.text:
            assert time.monotonic() < limit, f"{wanted!r} did not come:\n{self.text}"
            if select.select([self._fd], [], [], 1)[0]:
                try:
                    self.text += os.read(self._fd, 65536).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"{wanted!r} did not come before the end:\n{self.text}") from None
        self.text = self.text.partition(wanted)[2]

    def types(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def ends(self) -> int:
        status = self.process.wait(60)
        os.close(self._fd)
        return status


def test_the_shell_is_a_terminal_with_arrow_keys_and_control_keys(polls: Project) -> None:
    keys = Keyboard(polls, "shell")
    keys.sees(">>> ")
    keys.types("6 * 7000 + 1\r")
    keys.sees("42001")
    keys.types("\x1b[A\x7f2\r")  # up, and another last digit
    keys.sees("42002")
    keys.types("import time; time.sleep(1234)\r")
    keys.sees("1234)\r\n")
    keys.types("\x03")
    keys.sees("KeyboardInterrupt")
    keys.types("from django.conf import settings; settings.SETTINGS_MODULE\r")
    keys.sees("'mysite.settings'")
    keys.types("\x04")
    assert keys.ends() == 0
    status = Keyboard(polls, "shell", "--", "sh", "-c", "whoami; stty size; exit 7")
    status.sees("polls\r\n")
    assert status.ends() == 7


def test_a_release_with_a_migration_and_the_way_back(polls: Project) -> None:
    vps, first, old_style = polls.vps, polls.live(), style_of(polls.vps)
    polls.write("polls/migrations/0003_note.py", _MIGRATION.format(after="0002_question_picture", field="note"))
    models = (polls.folder / "polls/models.py").read_text()
    field = '    picture = models.FileField(upload_to="pictures", blank=True)\n'
    assert field in models
    polls.write("polls/models.py", models.replace(field, f'{field}    note = models.TextField(default="")\n'))
    polls.write("polls/static/polls/style.css", "body { color: black }\n")
    polls.commit("a note")
    done = polls.fab("deploy").stdout
    assert "migrations: applied: polls.0003_note" in done
    assert "security.W012 SESSION_COOKIE_SECURE is not set to True" in done
    assert [row["migrations"] for row in polls.releases()][-1] == ["polls.0003_note"]
    assert "a note (1 migration)" in polls.fab("releases").stdout

    # What a page of the first release asks for is there still; a name without a hash gives what is live.
    second_style = style_of(vps)
    assert second_style != old_style
    for path, status in ((old_style, 200), (second_style, 200), ("/static/polls/style.0123456789ab.css", 404)):
        assert vps.http(path, host="polls.example").status == status
    plain = vps.http("/static/polls/style.css", host="polls.example")
    assert (plain.body, plain.headers["cache-control"]) == ("body { color: black }\n", "public, max-age=3600")

    refused = polls.fab("rollback", status=2)
    assert "does not know, and that a rollback does not undo: polls.0003_note" in refused.stderr
    assert "--yes" in refused.stderr
    keys = Keyboard(polls, "rollback")
    keys.sees("roll back anyway? [y/N]")
    keys.types("n\r")
    assert keys.ends() == 1
    assert polls.live() != first
    polls.fab("rollback", "--yes")
    assert polls.live() == first
    assert vps.http(second_style, host="polls.example").status == 200


def applied(polls: Project) -> list[str]:
    """The migrations of the app itself that its database has had."""
    shown = polls.fab("manage", "--", "shell", "-v", "0", "-c", _APPLIED).stdout
    return shown.split()


def test_what_a_failed_deploy_has_migrated_is_told_and_errors_are_found_before(polls: Project) -> None:
    vps, live, style = polls.vps, polls.live(), style_of(polls.vps)
    before = applied(polls)
    (bad_style,) = {path for path in vps.run("ls /srv/polls/assets/static/polls").split() if path not in style}
    urls, views = (polls.folder / "mysite/urls.py"), (polls.folder / "polls/views.py")
    good_urls, good_views = urls.read_text(), views.read_text()
    polls.write("polls/migrations/0004_more.py", _MIGRATION.format(after="0003_note", field="more"))
    urls.write_text("urlpatterns = 1\n")
    polls.write("polls/static/polls/style.css", "body { color: navy }\n")
    polls.commit("an error that the checks find")
    assert "check --deploy: exit status 1" in polls.fab("deploy", status=1).stdout
    assert applied(polls) == before

    urls.write_text(good_urls)
    views.write_text(good_views.replace("Question.objects.exists()", "raise ValueError"))
    settings = (polls.folder / "fabric.yaml").read_text()
    polls.write("fabric.yaml", settings.replace("path: /healthz", "path: /healthz\n  timeout: 3"))
    polls.commit("not well")
    assert "these migrations of it stay applied: polls.0004_more" in polls.fab("deploy", status=1).stdout
    assert applied(polls) == [*before, "0004_more"]
    assert vps.live("polls") == live

    views.write_text(good_views)
    polls.write("fabric.yaml", settings)
    polls.commit("well again")
    polls.fab("deploy")
    assert applied(polls) == [*before, "0004_more"], "once is enough"
    # The release that was rolled back from went, and its files with it.
    assert vps.http(f"/static/polls/{bad_style}", host="polls.example").status == 404
    assert vps.http(style, host="polls.example").status == 200
