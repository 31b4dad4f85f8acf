"""Data is never code: what an app, or who swaps an archive, puts into a database is run by nobody else at a restore."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.app.archive import Archive, Writer
from hostsmith.hostkit.linux.pipes import packed

from tests.hosts.conftest import Pair, Project, Vps, make_project

pytestmark = pytest.mark.attack

_SERVICES = {"postgres": {"extensions": ["citext"]}, "mysql": {}, "redis": {}}
_SETTINGS = {"services": _SERVICES, "drain_timeout": 1, "workers": 1}
# What shows that something ran as somebody else than the app's own role.
_TRACES = "ls /tmp/by-* /root/by-* /var/lib/postgresql/by-* 2>/dev/null || true"

# A function that does harm when a superuser calls it, and all that calls functions by itself.
_IN_POSTGRES = r"""
create function public.f(x int) returns boolean language plpgsql as $f$
begin
  if current_setting('is_superuser') = 'on' then
    execute 'alter role hello superuser';
    execute $q$copy (select 1) to program 'id > /tmp/by-postgres'$q$;
  end if;
  return true;
end $f$;
create function public.g(x int) returns boolean language plpgsql immutable as
  $f$ begin perform public.f(1); return true; end $f$;
create domain public.d as int check (public.f(value));
create function public.trap() returns trigger language plpgsql as $f$ begin perform public.f(1); return new; end $f$;
create table t (x int check (public.f(x)), y public.d, z boolean generated always as (public.g(x)) stored);
insert into t values (1, 1);
create index on t ((public.g(x)));
create trigger trap before insert on t for each row execute function public.trap();
create materialized view m as select public.f(x) from t;
comment on table t is 'kept';
create table secret (x int);
insert into secret values (7);
-- Whoever connects to the database finds these before PostgreSQL's own.
create schema evil;
create function evil.evil() returns setof pg_catalog.pg_extension language plpgsql as
  $f$ begin perform public.f(1); return query select * from pg_catalog.pg_extension; end $f$;
create view evil.pg_extension as select * from evil.evil();
create function evil.eq(name, name) returns boolean language plpgsql as
  $f$ begin return public.f(1); end $f$;
create operator evil.= (leftarg = name, rightarg = name, function = evil.eq);
alter database hello set search_path = evil, public, pg_catalog;
"""
# The name of a table ends the quotes that a name is put into.
_IN_MARIADB = r"""
create table `a``
\! id > /tmp/by-mariadb
``` (x int);
create table `secret` (x int);
insert into secret values (7);
create table `b``; grant all on *.* to hello@localhost; ``` (x int);
create procedure p() select 1;
create sequence s;
"""


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project with databases, whose app is the attacker's."""
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("data"), vps)
    project.settings(**_SETTINGS)
    project.commit("services")
    project.fab("provision", "deploy")
    yield project
    vps.sandbox.destroy(vps.name)


def _passwords(vps: Vps) -> dict[str, str]:
    found = json.loads(vps.run("cat /var/lib/hostsmith/hello/services.json"))
    return {name: each["password"] for name, each in found.items()}


def _postgres(vps: Vps, sql: str) -> str:
    """Run SQL as the app does."""
    word = _passwords(vps)["postgres"]
    return vps.run(f"PGPASSWORD={word} psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -U hello hello", stdin=sql)


def _mariadb(vps: Vps, sql: str) -> str:
    word = _passwords(vps)["mysql"]
    # What the client itself would obey shall get to the server.
    return vps.run(f"MYSQL_PWD={word} mariadb --binary-mode -N -h 127.0.0.1 -u hello hello", stdin=sql)


def _superusers(vps: Vps) -> str:
    return vps.run("runuser -u postgres -- psql -XAtc 'select rolname from pg_roles where rolsuper'")


def _rights(vps: Vps) -> str:
    return vps.run("mariadb -N -e \"show grants for hello@localhost; show grants for hello@'127.0.0.1'\"")


def _rewritten(archive: Path, to: Path, **parts: bytes) -> Path:
    """An archive whose checksums are right, and that has other parts."""
    read = Archive(str(archive))
    manifest = read.verify()
    said = {name: value for name, value in manifest.items() if name not in ("format", "parts")}
    with Writer(str(to), said) as writer:
        for part in manifest["parts"]:
            with writer.part(part["name"]) as out:
                if part["name"] in parts:
                    out.write(packed(parts[part["name"]]))
                    out.plain = len(parts[part["name"]])
                else:
                    for piece in read.read(part["file"]):
                        out.write(piece)
                    out.plain = part["plain"]
        writer.finish()
    return to


def test_what_an_app_left_in_its_database_is_not_run_by_a_provision(project: Project) -> None:
    vps = project.vps
    _postgres(vps, _IN_POSTGRES)
    before = _superusers(vps)
    project.fab("provision")
    assert vps.run(_TRACES) == ""
    assert _superusers(vps) == before


def test_what_an_app_left_in_its_databases_runs_as_nobody_else(project: Project) -> None:
    vps = project.vps
    _mariadb(vps, _IN_MARIADB)
    before = _superusers(vps), _rights(vps)
    archive = project.folder / project.json("backup", "--to", "backups")["archive"]
    _postgres(vps, "delete from public.secret")
    _mariadb(vps, "delete from secret")
    project.fab("restore", str(archive), "--yes")
    assert vps.run(_TRACES) == ""
    assert (_superusers(vps), _rights(vps)) == before
    # All of it is there again, and the app's own.
    assert _postgres(vps, "select x from public.secret; select obj_description('public.t'::regclass)") == "7\nkept\n"
    assert _mariadb(vps, "select x from secret; select nextval(s)") == "7\n1\n"
    assert (
        _postgres(vps, "select extname from pg_catalog.pg_extension where extname operator(pg_catalog.=) 'citext'")
        == "citext\n"
    )
    assert project.json("provision")["hosts"][0]["counts"]["changed"] == 0
    for service in ("postgres", "mysql"):
        project.fab("services.clear", service, "--yes")
    assert vps.run(_TRACES) == ""
    assert _postgres(vps, "select count(*) from pg_tables where schemaname = 'public'") == "0\n"


def test_an_archive_that_somebody_has_swapped_runs_nothing_as_root(project: Project, tmp_path: Path) -> None:
    archive = project.folder / project.json("backup", "--to", "swapped")["archive"]
    script = b"\\! id > /root/by-archive\n"
    script += b"system id > /root/by-archive\ntee /root/by-archive\nselect 1;\n"
    script += b"create user evil; grant all on *.* to evil;\n"
    wrong = _rewritten(archive, tmp_path / "wrong.tar", mysql=script, postgres=b"\\! id > /tmp/by-archive\n")
    told = project.fab("restore", str(wrong), "--yes", status=1).stderr
    assert "could not be loaded; nothing has changed" in told
    wrong = _rewritten(archive, tmp_path / "wrong.tar", mysql=script)
    assert "mysql could not be loaded" in project.fab("restore", str(wrong), "--yes", status=1).stderr
    assert project.vps.run(_TRACES) == ""
    assert "evil" not in project.vps.run("mariadb -N -e 'select user from mysql.user'")


# A name with a quote, a view on a later one that calls a function, and more in one row than clients take by themselves.
_CODE = """
create table items (x int, large longblob);
create table log (x int);
insert into items values (1, repeat('x', 20000000));
create view `odd ``v` as select x + 1 as y from items;
create function twice(a int) returns int deterministic return a * 2;
create view above as select twice(y) as z from `odd ``v`;
create procedure note() insert into log values (5);
create event daily on schedule every 1 day do delete from log where x > 100;
create trigger noted after insert on items for each row insert into log values (new.x);
"""
_LOOK = """
select x, length(large) from items;
select * from above;
select concat(routine_name, ' ', definer) from information_schema.routines where routine_schema = 'hello';
select event_name from information_schema.events where event_schema = 'hello';
select concat(trigger_name, ' ', event_object_table) from information_schema.triggers where trigger_schema = 'hello';
show full tables;
"""


def test_what_does_not_move_with_mariadbs_tables_comes_back_or_nothing_does(project: Project, tmp_path: Path) -> None:
    vps = project.vps
    project.fab("services.clear", "mysql", "--yes")
    vps.run("mariadb -e 'set global max_allowed_packet = 67108864'")
    _mariadb(vps, _CODE)
    before = _mariadb(vps, _LOOK)
    archive = project.folder / project.json("backup", "--to", "code")["archive"]
    _mariadb(vps, "drop view above; drop procedure note; drop trigger noted; create view later as select 1 as x")
    _mariadb(
        vps, "create procedure later() select 1; create trigger later before insert on log for each row set @x = 1"
    )
    project.fab("restore", str(archive), "--yes")
    assert _mariadb(vps, _LOOK) == before
    _mariadb(vps, "call note()")
    # A dump that cannot take its place puts all of it back; what can be known before, is.
    _postgres(vps, "create table public.newer (x int)")
    for sql, told in (
        (
            "create view bad as select items.x from hello.items, log",
            "mysql could not be loaded; nothing has changed",
        ),
        ("create view bad as select x from hello.items", "mysql could not be swapped in"),
    ):
        dump = f"create table log (x int);\n{sql};\n".encode()
        wrong = _rewritten(archive, tmp_path / "wrong.tar", mysql=dump)
        assert told in project.fab("restore", str(wrong), "--yes", status=1).stderr
        assert _mariadb(vps, _LOOK) == before
        if "nothing" in told:
            _postgres(vps, "select from public.newer")
    # Root's text is root's: the error names the routine, and what to do.
    vps.run("mariadb hello -e 'create procedure roots() select 1'")
    told = project.fab("backup", "--to", "roots", status=1).stderr
    assert "define them again as it, or drop them: procedure roots (root@localhost)" in told
    project.fab("restore", str(archive), "--yes")
    assert _mariadb(vps, _LOOK) == before


def test_roles_and_databases_that_a_person_made_are_not_taken_over(project: Project) -> None:
    vps = project.vps
    vps.run("runuser -u postgres -- psql -Xqc 'create role shop superuser login' -c 'create database \"tool\"'")
    vps.run("mariadb -e \"create user 'tool'@'localhost' identified by 'x'; create database shop\"")
    for app, service, word in (("shop", "postgres", "role"), ("tool", "mysql", "user"), ("shop", "mysql", "database")):
        project.settings(app=app, domains=[f"{app}.example.org"], services=[service])
        told = project.fab("provision", status=1)
        assert f"the {word} {app} exists in " in told.stdout + told.stderr
    assert vps.run(
        "runuser -u postgres -- psql -XAtc \"select rolpassword is null from pg_authid where rolname='shop'\""
    )
    project.settings(**_SETTINGS)


def test_an_app_restores_by_way_of_no_other_apps_database(project: Project) -> None:
    vps = project.vps
    for app in ("hello-restored", "hello-replaced"):
        project.settings(app=app, domains=[f"{app}.example.org"], services=["postgres", "mysql"])
        project.fab("provision")
        _by_both(vps, "create table mine (x int)", app.replace("-", "_"))
    project.settings(**_SETTINGS)
    archive = project.folder / project.json("backup", "--to", "named")["archive"]
    project.fab("restore", str(archive), "--yes")
    for name in ("hello_restored", "hello_replaced"):
        _by_both(vps, "select * from mine", name)


_OTHERS_VALUES = """\
import json, sys
path = "/srv/hello/current/config.json"
kept = json.load(open(path))
kept.update(json.loads(sys.argv[1]))
open(path, "w").write(json.dumps(kept))
"""


def test_a_host_that_was_taken_over_has_others_run_nothing(pair: Pair) -> None:
    project, first, second = pair
    injected = {"since": "20991231-000000-x", "chosen": {"A=1\nid > /tmp/by-host 2>&1\nB": "x"}}
    second.run(f"python3 -c {shlex.quote(_OTHERS_VALUES)} {shlex.quote(json.dumps(injected))}")
    told = project.fab("deploy", status=1).stderr
    assert f"{second.address}: invalid answer to 'kept_variables'" in told
    # With names that may be.
    valid = {"since": second.live(), "chosen": {"PYTHONPATH": "/tmp/of-attacker"}}
    second.run(f"python3 -c {shlex.quote(_OTHERS_VALUES)} {shlex.quote(json.dumps(valid))}")
    for task in (["deploy"], ["config.set", "A=b"], ["restart"]):
        told = project.fab(*task, status=2).stderr
        assert "gets those: PYTHONPATH" in told and "of-attacker" not in told
    assert "of-attacker" not in first.run("cat /srv/hello/current/env; ls /tmp")
    project.fab("deploy", "--yes")
    assert "PYTHONPATH" in first.run("cat /srv/hello/current/env")


def test_a_persons_database_in_the_way_of_a_restore_stays(project: Project) -> None:
    vps = project.vps
    archive = project.folder / project.json("backup", "--to", "in-the-way")["archive"]
    sql = "runuser -u postgres -- psql -Xqc"
    for make, look, drop in (
        (
            f"{sql} 'create role person' -c 'create database \"hello-restored\" owner person'",
            f"{sql} 'select 1' hello-restored",
            "runuser -u postgres -- dropdb hello-restored",
        ),
        (
            "mariadb -e 'create database `hello-restored`'",
            "mariadb hello-restored -e ''",
            "mariadb -e 'drop database `hello-restored`'",
        ),
    ):
        vps.run(make)
        told = project.fab("restore", str(archive), "--yes", status=1)
        assert "rename it" in told.stdout + told.stderr
        vps.run(look)
        vps.run(drop)
    project.fab("restore", str(archive), "--yes")


def _by_both(vps: Vps, sql: str, database: str) -> None:
    vps.run(f"runuser -u postgres -- psql -Xqc '{sql}' {database} && mariadb -e '{sql}' {database}")
