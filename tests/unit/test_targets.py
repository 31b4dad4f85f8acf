"""Which hosts a task works on: those of the roles or of `-H`, within limits, and never none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fabric import Config, Connection
from hostsmith.errors import SettingsError, UsageError
from hostsmith.inventory.targets import Limits, Target, primary, targets
from hostsmith.openssh.host import machines_of
from hostsmith.settings.context import ValidationContext
from hostsmith.settings.project import Settings
from invoke.context import Context
from local_fab import Fab
from paramiko import SSHConfig

FABFILE = "from hostsmith import ns\n"
SETTINGS = """\
app: blog
processes: {web: a, worker: b, beat: c, release: d}
roles:
  web: ["root@web[1:2].example.com", {host: big.example.com, port: 2222, user: me, weight: 3, workers: 16}]
  worker: [big.example.com:2222, {host: jobs, gateway: me@bastion, connect_kwargs: {password: hunter2}}]
  lb: [lb]
  idle: []
"""
SSH_CONFIG = """
Host jobs
  HostName 203.0.113.7
Host secret*
  IdentityFile /keys/%h
"""


@pytest.fixture
def config() -> Config:
    return Config(ssh_config=SSHConfig.from_text(SSH_CONFIG), lazy=True)


def settings(config: Config, roles: dict[str, Any] | None = None, **keys: Any) -> Settings:
    roles = {"web": ["web1", "web2"], "worker": ["web2", "jobs"], "lb": ["lb"]} if roles is None else roles
    given = {"app": "blog", "roles": roles, "processes": {"web": "a", "worker": "b"}, **keys}
    return Settings.model_validate(given, context=ValidationContext(machines_of(config)))


def names(found: list[Target]) -> list[str]:
    return [target.host.spec for target in found]


def test_each_host_of_the_roles_once_with_all_its_roles(config: Config) -> None:
    found = targets(Context(config), settings(config))
    assert [(target.host.spec, target.roles) for target in found] == [
        ("web1", {"web"}),
        ("web2", {"web", "worker"}),
        ("jobs", {"worker"}),
        ("lb", {"lb"}),
    ]


def test_a_target_has_the_settings_of_its_host(config: Config) -> None:
    found = targets(Context(config), settings(config, {"web": ["web1", {"host": "web2", "workers": 8}]}, workers=2))
    assert [target.settings.workers for target in found] == [2, 8]


def test_a_target_is_labelled_as_one_would_write_it(config: Config) -> None:
    config.user = "root"
    found = targets(Context(config), settings(config, {"web": ["root@web1", "me@web2:2222", "[2001:db8::1]"]}))
    assert [target.label for target in found] == ["web1", "me@web2:2222", "[2001:db8::1]"]


def test_each_host_is_offered_its_own_keys_alone(config: Config) -> None:
    """Fabric adds those of each connection to the configuration that the next is made from."""
    found = targets(Context(config), settings(config, {"web": ["secret[1:3]"]}))
    assert [target.connection.connect_kwargs["key_filename"] for target in found] == [
        [f"/keys/secret{number}"] for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        (Limits(role="worker"), ["web2", "jobs"]),
        (Limits(role="lb, worker"), ["web2", "jobs", "lb"]),
        (Limits(host="jobs,web1"), ["web1", "jobs"]),
        (Limits(host="web[1:2]"), ["web1", "web2"]),
        (Limits(host="root@WEB1:22"), ["web1"]),
        (Limits(host="203.0.113.7"), ["jobs"]),
        (Limits(exclude="web[1:2]"), ["jobs", "lb"]),
        (Limits(role="web", exclude="web1"), ["web2"]),
        (Limits(role="web", host="web1,lb"), ["web1"]),
    ],
)
def test_limits_leave_the_hosts_that_are_asked_for(config: Config, limits: Limits, left: list[str]) -> None:
    assert names(targets(Context(config), settings(config), limits)) == left


def test_a_limit_without_a_port_means_the_host_with_any(config: Config) -> None:
    nat = settings(config, {"web": ["203.0.113.9:2201", "203.0.113.9:2202", "web3:2222"]})
    for limit, left in (
        ("203.0.113.9", ["203.0.113.9:2201", "203.0.113.9:2202"]),
        ("203.0.113.9:2202", ["203.0.113.9:2202"]),
        ("web3", ["web3:2222"]),
    ):
        assert names(targets(Context(config), nat, Limits(host=limit))) == left


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(role="wbe"), "there is no role 'wbe', expected one of: web, worker, lb; did you mean web?"),
        (Limits(role=""), "there is no role '', expected one of: web, worker, lb"),
        (
            Limits(host="web3"),
            "--host: found 'web3', expected hosts of web1, web2, jobs, lb; name a host outside of the settings "
            "with -H; did you mean web2?",
        ),
        (Limits(exclude="web1:23"), "--exclude: found 'web1:23', expected hosts of web1, web2, jobs, lb"),
        (Limits(host=""), "--host: the host is missing, expected [user@]host[:port]"),
        (Limits(exclude="web[2:1]"), "--exclude: found 'web[2:1]', expected [user@]host[:port]"),
        (
            Limits(role="web", exclude="web1,web2"),
            "--role web --exclude web1,web2: no host is left, expected one or more of web1, web2, jobs, lb",
        ),
        (Limits(role="lb", host="web1"), "--role lb --host web1: no host is left"),
    ],
)
def test_limits_that_make_no_sense_are_told(config: Config, limits: Limits, said: str) -> None:
    with pytest.raises((UsageError, SettingsError)) as caught:
        targets(Context(config), settings(config), limits)
    assert said in str(caught.value)


def test_a_message_does_not_list_a_thousand_hosts(config: Config) -> None:
    with pytest.raises(UsageError) as caught:
        targets(Context(config), settings(config, {"web": ["web[1:1000]"]}), Limits(host="db1"))
    assert "web9, web10, ... (1000 hosts; see `fab hosts`)" in str(caught.value)
    assert "web11" not in str(caught.value)


def test_a_task_that_is_called_for_one_host_works_on_that_one(config: Config) -> None:
    mine = settings(config, {"web": [{"host": "web1", "workers": 8}]})
    connection = Connection("me@web1", config=config)
    (target,) = targets(connection, mine)
    assert target.connection is connection
    assert (target.host.spec, target.roles, target.settings.workers) == ("web1", {"web"}, 8)
    with pytest.raises(UsageError, match="--exclude web1: no host is left"):
        targets(connection, mine, Limits(exclude="web1"))


def test_without_any_host_it_is_told_what_to_write(config: Config) -> None:
    for roles in ({}, {"web": []}):
        with pytest.raises(UsageError, match="no hosts: name one with `fab -H user@host"):
            targets(Context(config), settings(config, roles))


def test_release_runs_on_the_primary_host_or_the_first_that_runs_the_app(config: Config) -> None:
    marked = settings(config, {"lb": ["lb"], "web": ["web1", {"host": "web2", "primary": True}]})
    found = targets(Context(config), marked)
    chosen = primary(found), primary(targets(Context(config), marked, Limits(exclude="web2")))
    assert [target and target.host.spec for target in chosen] == ["web2", "web1"]
    assert primary(targets(Context(config), marked, Limits(role="lb"))) is None


def test_a_primary_host_that_does_not_run_the_app_is_told(config: Config) -> None:
    found = targets(Context(config), settings(config, {"web": ["web1"], "lb": [{"host": "lb", "primary": True}]}))
    with pytest.raises(SettingsError, match="found `primary: true` for lb, which runs no process of the app"):
        primary(found)


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    project = Fab(tmp_path)
    project.write(FABFILE, "fabfile.py")
    project.write(SETTINGS)
    return project


def hosts(fab: Fab, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads("\n".join(fab.output(*args, "hosts", "--json", FABRIC_USER="root")))[
        "hosts"
    ]
    return found


def test_fab_hosts_lists_each_host_and_what_would_run_there(fab: Fab) -> None:
    assert fab.output("hosts", FABRIC_USER="root") == [
        "HOST                     ROLES        RUNS                       VALUES",
        "web1.example.com         web          web, beat, release, nginx  -",
        "web2.example.com         web          web, beat, nginx           -",
        "me@big.example.com:2222  web, worker  web, worker, beat, nginx   weight 3, workers 16",
        "jobs                     worker       worker                     gateway me@bastion, connect_kwargs password",
        "lb                       lb           haproxy                    -",
    ]


def test_fab_hosts_as_json(fab: Fab) -> None:
    found = {host.pop("host"): host for host in hosts(fab)}
    assert found["me@big.example.com:2222"] == {
        "roles": ["web", "worker"],
        "processes": ["web", "worker", "beat"],
        "release": False,
        "services": ["nginx"],
        "values": {"weight": 3, "workers": 16},
    }
    assert found["jobs"]["values"] == {"gateway": "me@bastion", "connect_kwargs": ["password"]}
    assert [name for name, host in found.items() if host["release"]] == ["web1.example.com"]


def test_hosts_on_the_command_line_are_those_of_the_roles_where_they_are_known(fab: Fab) -> None:
    found = hosts(fab, "-H", "new[1:2], big.example.com,you@web1.example.com:22,root@web1.example.com,,lb")
    assert [(host["host"], host["roles"]) for host in found] == [
        ("new1", None),
        ("new2", None),
        ("me@big.example.com:2222", ["web", "worker"]),
        ("you@web1.example.com", ["web"]),
        ("lb", ["lb"]),
    ]
    assert found[0]["processes"] == ["web", "worker", "beat"]
    assert found[0]["services"] == ["nginx"]
    assert found[2]["values"] == {"weight": 3, "workers": 16}


def test_limits_apply_to_hosts_on_the_command_line(fab: Fab) -> None:
    flags = ("-H", "new,lb,web1.example.com", "hosts", "--json", "--role", "web", "--exclude", "web1.example.com")
    assert [host["host"] for host in json.loads("\n".join(fab.output(*flags)))["hosts"]] == ["new"]
    (line,) = fab.error("-H", "new", "hosts", "--host", "web1.example.com")
    assert line == "--host: found 'web1.example.com', expected hosts of new"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-H", "web[3:1]", "hosts"), "-H: found 'web[3:1]', expected [user@]host[:port]"),
        (("-H", "", "hosts"), "-H: the host is missing, expected [user@]host[:port]"),
        (("-H", "a b", "hosts"), "found 'a b', expected [user@]host[:port]"),
        (("hosts", "--role", "idle"), "fabric.yaml: roles: role 'idle' has no hosts; write"),
    ],
)
def test_hosts_that_make_no_sense_are_told(fab: Fab, args: tuple[str, ...], said: str) -> None:
    assert fab.error(*args)[0].startswith(said)


def test_a_host_that_could_be_two_is_told(fab: Fab) -> None:
    fab.write(SETTINGS.replace("lb: [lb]", "lb: [lb:2201, lb:2202]"))
    (line,) = fab.error("-H", "lb", "hosts")
    assert line == "-H: lb is ambiguous, expected one of these with its port: lb:2201, lb:2202"


def test_what_is_wrong_between_roles_is_told_with_the_file(fab: Fab) -> None:
    fab.write("roles: {web: [{host: jobs, weight: 2}], worker: [{host: 203.0.113.7, weight: 3}]}\n", "staging.yaml")
    (fab.folder / ".ssh").mkdir()
    fab.write(SSH_CONFIG, ".ssh/config")
    (line,) = fab.error("-f", "staging.yaml", "hosts")
    assert line == (
        "staging.yaml: roles: found another weight for 203.0.113.7 in worker than for jobs in web, "
        "expected the same, since they are one host"
    )
