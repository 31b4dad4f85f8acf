"""A backup is whole or is not there, and puts the app's data back: on the host it is from, and on a new one."""

from __future__ import annotations

import base64
import shlex
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostsmith.sandbox import Sandbox
from invoke.util import yaml

from tests.docs import ROOT, blocks
from tests.hosts.conftest import Project, Vps, make_project

# An app that has data: rows in PostgreSQL and in SQLite, files, and variables of which one was made up.
_SETTINGS = {"services": ["postgres"], "environment": {"SECRET": {"generate": 30}}, "drain_timeout": 1}
_ROWS = (
    "import sqlite3; c = sqlite3.connect('/srv/hello/shared/app.db');"
    " c.execute('create table if not exists t (x)');"
    " c.executemany('insert into t values (?)', [(n,) for n in range(1000)]); c.commit()"
)
_COUNT = (
    "import sqlite3; print(sqlite3.connect('/srv/hello/shared/app.db').execute('select count(*) from t').fetchone())"
)
_WHERE = "/srv/hello/shared"


@pytest.fixture(scope="module")
def image(
    boot: Callable[..., Vps], sandbox: Sandbox, provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An image of a host that is provisioned for an app with PostgreSQL."""
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("image"), vps)
    project.settings(**_SETTINGS)
    project.fab("provision")
    sandbox.snapshot(vps.name, "backup")
    sandbox.destroy(vps.name)
    return "backup"


def _booted(boot: Callable[..., Vps], image: str) -> Vps:
    vps = boot(image)
    # A folder of the image itself cannot be renamed on the overlay that a test's host is; on a server it can.
    vps.run(f"rm -r {_WHERE} && install -d -o hello -g hello -m 750 {_WHERE}")
    return vps


@pytest.fixture(scope="module")
def project(boot: Callable[..., Vps], image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose host has data to lose."""
    vps = _booted(boot, image)
    project = make_project(tmp_path_factory.mktemp("backup"), vps)
    project.settings(**_SETTINGS)
    project.commit("variables")
    project.fab("deploy")
    project.fab("config.set", "COLOUR=green")
    project.fab("run", "--", "python3", "-c", _ROWS)
    project.fab("run", "--", _sql("create table t (x int); insert into t select generate_series(1, 5000)"))
    project.fab("run", "--", "echo hello > ~/note; chmod 604 ~/note; mkdir ~/uploads; echo 1 > ~/uploads/'a b'")
    yield project
    vps.sandbox.destroy(vps.name)


def _backup(project: Project, *flags: str) -> Path:
    return project.folder / project.json("backup", "--to", "backups", *flags)["archive"]


def _data(project: Project) -> list[str]:
    """What the app has: its rows, its files and its variables."""
    files = "cat ~/note; stat -c %a ~/note; ls ~; echo $COLOUR $SECRET"
    look = f'{_sql("select count(*), sum(x) from t")}; python3 -c "{_COUNT}"; {files}'
    return project.fab("run", "--", look).stdout.splitlines()


def _sql(statement: str) -> str:
    """A command of the app's that asks its database, as its environment says."""
    return f'psql -XqAt "$DATABASE_URL" -c "{statement}"'


def _lose(project: Project) -> None:
    project.fab("run", "--", _sql("delete from t where x % 3 = 0; create table later (x int)"))
    project.fab("run", "--", "rm -r ~/*; echo other > ~/other")
    project.fab("config.set", "COLOUR=red")


def test_a_restore_puts_back_rows_files_and_variables_and_the_app_serves(project: Project) -> None:
    before = _data(project)
    assert before[:2] == ["5000|12502500", "(1000,)"]
    archive = _backup(project)
    assert archive.stat().st_mode & 0o777 == 0o600
    _lose(project)
    assert "cannot ask for confirmation without a terminal" in project.fab("restore", str(archive), status=2).stderr
    project.fab("restore", str(archive), "--yes")
    assert _data(project) == before
    assert project.vps.http("/healthz").status == 200
    assert project.releases()[-1]["subject"].startswith("restore of 2")
    assert project.vps.run("ls /srv/hello | grep shared") == "shared\n"


_OF_THE_DATABASE = """
create role reader login;
create schema "of extensions";
create extension citext schema "of extensions";
create extension btree_gist;
grant usage on schema "of extensions" to hello;
grant connect on database hello to reader with grant option;
alter database hello set timezone = 'Europe/Berlin';
alter database hello set search_path = "$user", public, "of extensions";
alter role hello in database hello set statement_timeout = '7s';
alter database hello connection limit 77;
comment on database hello is 'it''s the shop';
"""
_KEPT = """
select datacl, datconnlimit, shobj_description(oid, 'pg_database') from pg_database where datname = 'hello';
select setrole::regrole, setconfig from pg_db_role_setting order by 1;
select extname, nspname from pg_extension join pg_namespace on pg_namespace.oid = extnamespace order by 1;
"""


def test_what_postgresql_keeps_of_a_database_survives_a_restore_and_a_clear(project: Project) -> None:
    def by_superuser(sql: str) -> str:
        return project.vps.run("cd / && runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 hello", stdin=sql)

    archive = _backup(project)
    by_superuser(_OF_THE_DATABASE)
    project.fab("run", "--", _sql("create table words (x citext); insert into words values ('A')"))
    before, rows = by_superuser(_KEPT), _data(project)
    assert "7s" in before
    full = _backup(project)
    project.fab("restore", str(full), "--yes")
    assert by_superuser(_KEPT) == before
    assert project.fab("run", "--", _sql("select x from words where x = 'a'; show timezone")).stdout.split() == [
        "A",
        "Europe/Berlin",
    ]
    project.fab("services.clear", "postgres", "--yes")
    assert by_superuser(_KEPT) == before
    project.fab("restore", str(archive), "--yes")
    assert (by_superuser(_KEPT), _data(project)) == (before, rows)


def test_a_new_host_has_it_all_after_provision_deploy_and_an_encrypted_archive(
    project: Project, boot: Callable[..., Vps], tmp_path: Path, image: str
) -> None:
    project.fab("secrets.init")
    # Whoever writes to where it lies may have put it in the place of an encrypted one.
    plain = _backup(project)
    assert "pass --unencrypted" in project.fab("restore", str(plain), "--yes", status=1).stderr
    plain.unlink()
    archive = _backup(project, "--encrypt")
    with tarfile.open(archive) as members:
        assert members.getnames() == [
            "environment.gz.enc",
            "files.gz.enc",
            "postgres.gz.enc",
            "manifest.json",
            "SHA256SUMS",
        ]
    before = _data(project)
    vps = _booted(boot, image)
    new = make_project(tmp_path, vps)
    new.settings(**_SETTINGS)
    new.commit("variables")
    new.fab("deploy")
    assert "its key is missing" in new.fab("restore", str(archive), "--yes", status=1).stderr
    assert new.vps.run(f"ls -A {_WHERE}") == ""
    key = project.home / ".config/hostsmith/hello.key"
    new.environment["HOSTSMITH_KEY"] = key.read_text()
    new.fab("restore", str(archive), "--yes")
    assert _data(new) == before
    assert new.vps.http("/healthz").status == 200
    key.unlink()
    (project.folder / "secrets.enc.yaml").unlink()
    vps.sandbox.destroy(vps.name)


def test_an_archive_that_is_damaged_or_another_apps_touches_nothing(project: Project, tmp_path: Path) -> None:
    archive = _backup(project)
    before, live = _data(project), project.vps.live()
    data = archive.read_bytes()
    damaged = tmp_path / "damaged.tar"
    for wrong in (data[: len(data) // 2], data[:3000] + bytes([data[3000] ^ 1]) + data[3001:], b""):
        damaged.write_bytes(wrong)
        assert "not a complete archive" in project.fab("restore", str(damaged), "--yes", status=1).stderr
    project.settings(**_SETTINGS, app="other")
    assert (
        "an archive of the app hello, expected one of other"
        in project.fab("restore", str(archive), "--yes", status=1).stderr
    )
    project.settings(**_SETTINGS)
    assert (_data(project), project.vps.live()) == (before, live)


def test_data_that_cannot_be_loaded_leaves_the_app_as_it_was(project: Project) -> None:
    archive = _backup(project)
    before, live = _data(project), project.vps.live()
    with _failing(project.vps, "/usr/bin/tar"):
        failed = project.fab("restore", str(archive), "--yes", status=1)
    assert "files could not be loaded; nothing has changed" in failed.stderr
    assert (_data(project), project.vps.live()) == (before, live)
    assert project.vps.run("ls /srv/hello | grep shared") == "shared\n"


def test_data_that_cannot_take_its_place_has_the_app_run_again_as_it_was(project: Project) -> None:
    archive = _backup(project)
    before, live = _data(project), project.vps.live()
    project.vps.run(f"mount --bind {_WHERE} {_WHERE}")
    try:
        failed = project.fab("restore", str(archive), "--yes", status=1)
    finally:
        project.vps.run(f"umount --lazy {_WHERE}")
    assert "is where a disk is mounted" in failed.stdout + failed.stderr
    assert "files could not be swapped in; nothing has changed" in failed.stderr
    project.vps.wait_for_site()
    assert (_data(project), project.vps.live()) == (before, live)
    assert project.vps.run("ls /srv/hello | grep shared") == "shared\n"


def test_a_connection_that_breaks_leaves_no_archive_and_nothing_running(project: Project) -> None:
    folder = project.folder / "broken"
    # Zeros without end, for what a backup is concerned, and of no size for the disk.
    project.fab("run", "--", "truncate -s 200G ~/large")
    running = project.start("backup", "--to", "broken")
    try:
        limit = time.monotonic() + 60
        while not folder.exists() or not any(file.stat().st_size > 10_000 for file in folder.iterdir()):
            assert time.monotonic() < limit
            time.sleep(0.05)
        (part,) = folder.iterdir()
        assert part.name.startswith(".hello-")
        assert part.name.endswith(".part")
        project.vps.run("pkill -f '^sshd: root@notty' || true", ok=False)
        _, errors = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 1
    assert "Traceback" not in errors
    assert "the connection was lost" in errors
    assert list(folder.iterdir()) == []
    project.vps.run(
        "for i in $(seq 300); do pgrep -u hello -f 'SQLite format' >/dev/null || exit 0; sleep 0.1; done; exit 1"
    )
    project.fab("run", "--", "rm ~/large")


_PAGE = ROOT / "docs" / "backup.md"


def test_the_commands_and_settings_of_the_page_on_backups_do_what_it_says(project: Project) -> None:
    before = _data(project)
    for block in blocks(_PAGE):
        if block.language == "yaml":
            project.settings(**_SETTINGS, **yaml.safe_load(block.text))
            project.fab("provision")
        for command in block.commands() if block.language == "console" else []:
            archive = next(iter(sorted((project.folder / "backups").glob("*.tar"), reverse=True)), "")
            text = command.text.replace("backups/hello-20261121-031500.tar", str(archive))
            project.fab(*shlex.split(text)[1:])
    assert _data(project) == before


def test_a_host_backs_up_by_its_timer_keeps_so_many_and_tells_when_it_fails(project: Project) -> None:
    vps = project.vps
    project.settings(**_SETTINGS, backup={"schedule": "15 3 * * *", "keep": 2})
    project.fab("provision")
    project.fab("provision", "--check")
    timer = vps.run("systemctl show --property=TimersCalendar,ActiveState hostsmith-backup-hello.timer")
    assert "OnCalendar=*-*-* 03:15:00" in timer
    assert "ActiveState=active" in timer
    for _ in range(3):
        vps.run("systemctl start hostsmith-backup-hello.service; sleep 1")
    (found,) = project.json("backups").values()
    assert [each["parts"] for each in found["archives"]] == [["environment", "files", "postgres"]] * 2
    listing = vps.run("stat -c '%a %U' /var/backups/hello /var/backups/hello/*").splitlines()
    assert listing == ["700 root", "600 root", "600 root"]
    # What the host wrote is what `fab restore` takes.
    copy = project.folder / "copied.tar"
    copy.write_bytes(base64.b64decode(vps.run("base64 /var/backups/hello/$(ls /var/backups/hello | tail -1)")))
    before = _data(project)
    _lose(project)
    project.fab("restore", str(copy), "--yes")
    assert _data(project) == before
    with _failing(vps, "/usr/sbin/runuser"):
        vps.run("systemctl start hostsmith-backup-hello.service", ok=False)
        assert "the last one failed" in project.fab("backups", status=1).stderr
        assert "hostsmith-backup-hello.service" in project.fab("doctor", status=1).stdout
        assert "no backup of hello: runuser: ended with status 9" in vps.run(
            "journalctl -u hostsmith-backup-hello -o cat"
        )
    assert len(vps.run("ls -A /var/backups/hello").splitlines()) == 2
    vps.run("systemctl start hostsmith-backup-hello.service")
    project.fab("backups")


def test_a_deploy_backs_up_before_its_release_command_or_does_not_begin(project: Project) -> None:
    vps = project.vps
    project.settings(**_SETTINGS, backup={"before_migrate": True, "to": "/var/backups/before"})
    project.write("Procfile", "web: gunicorn hello:app\nrelease: touch ~/migrated\n")
    project.commit("a release command")
    project.fab("provision")
    live, releases = vps.live(), vps.run("ls /srv/hello/releases")
    with _failing(vps, "/usr/sbin/runuser"):
        failed = project.fab("deploy", status=1)
    assert "the backup failed, and nothing has changed" in failed.stderr
    assert (vps.live(), vps.run("ls /srv/hello/releases")) == (live, releases)
    assert "migrated" not in vps.run(f"ls {_WHERE}")
    vps.run("rm -f /var/backups/before/*")
    done = project.fab("deploy")
    (made,) = vps.run("ls -d /var/backups/before/*").splitlines()
    assert f"backup: {made}" in done.stdout
    # It is from before the migration.
    assert "migrated" not in vps.run(f"tar xOf {made} files.gz | tar tz")
    assert "migrated" in vps.run(f"ls {_WHERE}")
    project.settings(**_SETTINGS)


@contextmanager
def _failing(vps: Vps, program: str) -> Iterator[None]:
    """While this lasts, a program of the host ends with status 9."""
    vps.run(f"mv {program} {program}.away")
    vps.run(f"cat > {program} && chmod +x {program}", stdin="#!/bin/sh\nexit 9\n")
    try:
        yield
    finally:
        vps.run(f"mv {program}.away {program}")
