"""Real runs of `fab`: settings, roles and their errors as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_fab import Fab

FABFILE = """
from fabric import task
from hostsmith.inventory.roles import cli_hosts, role
from hostsmith.inventory.project import load

@task
def show(c):
    settings = load(c)
    print(settings.app, settings.domains, settings.workers, settings.project.name, cli_hosts())

@task(hosts=role("web"))
def where(c):
    print(type(c).__name__, c.user, c.host, c.port)

@task
def cheap(c):
    import sys
    print("pydantic" in sys.modules)
"""
SETTINGS = "app: blog\nuser: someone\ndomains: [a.example]\nworkers: 2\nprocesses: {web: x}\n"


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    project = Fab(tmp_path)
    project.write(FABFILE, "fabfile.py")
    project.write(SETTINGS)
    return project


def test_file_runtime_file_and_environment(fab: Fab) -> None:
    fab.write("workers: 4\ndomains: [b.example]\n", "staging.yaml")
    name = fab.folder.name
    assert fab.output("show") == [f"blog ['a.example'] 2 {name} []"]
    assert fab.output("-f", "staging.yaml", "show") == [f"blog ['b.example'] 4 {name} []"]
    # Fabric by itself fails on both variables: one replaces a list, one a number.
    assert fab.output("-f", "staging.yaml", "show", FABRIC_DOMAINS="c.example", FABRIC_WORKERS="8") == [
        f"blog ['c.example'] 8 {name} []"
    ]


def test_fabrics_own_variables_still_work(fab: Fab) -> None:
    fab.write(SETTINGS + "roles: {web: [web1]}\n")
    assert fab.output("where", FABRIC_USER="deploy") == ["Connection deploy web1 22"]


def test_a_wrong_variable_is_told(fab: Fab) -> None:
    assert fab.error("show", FABRIC_WORKERS="many") == [
        "FABRIC_WORKERS in the environment: workers: found 'many', expected a whole number, 1 or more"
    ]


def test_a_task_runs_on_the_hosts_of_its_role(fab: Fab) -> None:
    fab.write(SETTINGS + "roles:\n  web: [web1, 'root@web2:2222', 'root@[2001:db8::1]']\n  db: [db1]\n")
    assert fab.output("where") == [
        "Connection someone web1 22",
        "Connection root web2 2222",
        "Connection root 2001:db8::1 22",
    ]


def test_roles_come_from_the_runtime_file_and_from_a_folder_below(fab: Fab) -> None:
    fab.write("roles: {web: [staging1]}\n", "staging.yaml")
    (fab.folder / "below").mkdir()
    below = Fab(fab.folder / "below")
    assert below.output("-f", "../staging.yaml", "where") == ["Connection someone staging1 22"]


def test_roles_may_be_given_by_the_fabfile(fab: Fab) -> None:
    fab.write(
        FABFILE
        + "from invoke import Collection\nns = Collection(where)\n"
        + "ns.configure({'roles': {'web': ['web7']}})\n",
        "fabfile.py",
    )
    assert fab.output("where") == ["Connection someone web7 22"]


def test_hosts_on_the_command_line_need_no_roles(fab: Fab) -> None:
    assert fab.output("-H", "root@h1,h2:2222", "where") == [
        "Connection root h1 22",
        "Connection someone h2 2222",
    ]
    assert fab.output("-H", "root@h1,h2", "show")[0].endswith("['root@h1', 'h2']")


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (
            "",
            "fabric.yaml: roles: missing, but role 'web' is needed; write `roles: {web: [user@host]}`",
        ),
        (
            "roles: {web: []}",
            "fabric.yaml: roles: role 'web' has no hosts; write `roles: {web: [user@host]}`",
        ),
        (
            "roles: {wbe: [h]}",
            "fabric.yaml: roles: there is no role 'web', expected one of: wbe; did you mean wbe?",
        ),
    ],
)
def test_a_role_without_hosts_does_not_run_here(fab: Fab, roles: str, said: str) -> None:
    fab.write(f"{SETTINGS}{roles}\n")
    (line,) = fab.error("where")
    assert line.startswith(said)


def test_wrong_settings_are_told_before_a_task_with_a_role_starts(fab: Fab) -> None:
    fab.write(SETTINGS + "rolse: {web: [h]}\n")
    assert fab.error("where") == ["fabric.yaml: rolse: found an unknown key; did you mean roles?"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "app: blog\n  domains: [",
            "fabric.yaml: line 2, column 10: invalid YAML: mapping values are not allowed here",
        ),
        (
            "app: *hunter2\n",
            "fabric.yaml: line 1, column 6: invalid YAML: found undefined alias; put a text that "
            "begins with * or ! in quotes",
        ),
        (
            "app: !hunter2 x\n",
            "fabric.yaml: line 1, column 6: invalid YAML: could not determine a constructor for "
            "the tag; put a text that begins with * or ! in quotes",
        ),
        (
            "app: 2026-13-45\n",
            "fabric.yaml: found a text that looks like a number or a date but is not valid; put it in quotes",
        ),
        ("x-a: &a [*a]\n", "fabric.yaml: the lists or mappings are nested too deeply"),
        ("- app\n", "fabric.yaml: found a list, expected keys with values, such as `app: blog`"),
        ("blog\n", "fabric.yaml: found a single value, expected keys with values, such as `app: blog`"),
        ("app: blog\non: 1\n", "fabric.yaml: found the key True, expected a text; put it in quotes"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(fab: Fab, text: str, said: str) -> None:
    fab.write(text)
    assert fab.error("show") == [said]


def test_a_json_file_that_cannot_be_used_is_told(fab: Fab) -> None:
    fab.write('{"workers": 1,}', "staging.json")
    (line,) = fab.error("-f", "staging.json", "show")
    assert line.startswith("staging.json: line 1, column ")
    assert "invalid JSON" in line


def test_bytes_that_are_no_text_are_told(fab: Fab) -> None:
    (fab.folder / "fabric.yaml").write_bytes(b"app: \xff\n")
    assert fab.error("show") == ["fabric.yaml: not UTF-8 text, expected YAML"]


def test_a_mapping_over_a_single_value_is_told(fab: Fab) -> None:
    fab.write(SETTINGS + "static: hunter2\n")
    fab.write("static: {/static/: hunter2}\n", "staging.yaml")
    assert fab.error("-f", "staging.yaml", "show") == [
        "staging.yaml: static: found a mapping, expected a single value as in fabric.yaml"
    ]


def test_a_single_value_over_fabrics_own_mapping_is_told(fab: Fab) -> None:
    fab.write(SETTINGS + "run: fast\n")
    assert fab.error("show") == ["fabric.yaml: run: found a single value, expected a mapping as in Fabric's defaults"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stagin.yaml", "stagin.yaml: the settings file of -f is missing"),
        ("stagin.py", "stagin.py: the settings file of -f is missing"),
        (
            "staging.conf",
            "staging.conf: Fabric cannot read this kind of file, expected .yaml, .yml, .json or .py",
        ),
    ],
)
def test_a_wrong_runtime_file_is_told(fab: Fab, name: str, said: str) -> None:
    assert fab.error("-f", name, "show") == [said]
    assert fab.error("-f", name, "where") == [said]


def test_all_problems_at_once(fab: Fab) -> None:
    fab.write("app: Blog\nworkers: 0\nenvironment: {KEY: [hunter2]}\n")
    lines = fab.error("show")
    assert [line.split(":")[1].strip() for line in lines] == ["app", "workers", "environment.KEY"]
    assert "hunter2" not in "".join(lines)


def test_names_that_fabric_stumbles_over_in_the_environment(fab: Fab) -> None:
    fab.write(SETTINGS + "x-team: {1: a}\nenvironment: {Key: a, KEY: b}\n")
    assert fab.output("show")
    fab.write(SETTINGS + "environment: {1: a}\n")
    (line,) = fab.error("show")
    assert line.startswith("fabric.yaml: environment: found the name 1, expected a variable name")
    assert line.endswith("YAML reads it as a number; put it in quotes")


def test_keys_of_other_collections_in_the_fabfile_pass(fab: Fab) -> None:
    fab.write(
        FABFILE
        + "from invoke import Collection\nother = Collection('other', cheap)\n"
        + "other.configure({'packaging': {'sign': False}})\nns = Collection(show, other)\n",
        "fabfile.py",
    )
    fab.write(SETTINGS + "packaging: {sign: true}\n")
    assert fab.output("show")


def test_pydantic_is_loaded_only_with_settings(fab: Fab) -> None:
    assert fab.output("cheap") == ["False"]
