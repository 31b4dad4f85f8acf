"""Hosts are found by role, and roles by host; nothing ever answers "no hosts" with an empty list."""

from __future__ import annotations

import pytest
from fabric import Config, Connection
from hostsmith.errors import SettingsError, UsageError
from hostsmith.inventory.roles import ALL_ROLES, cli_hosts, connection_kwargs, hosts_for, role, roles_of
from hostsmith.openssh.host import Host
from hostsmith.settings.project import Settings
from paramiko import SSHConfig

ROLES = {
    "web": ["deploy@web1.example.com", "web2.example.com:2222"],
    "worker": ["WEB2.example.com:2222", "root@[2001:db8::1]:22"],
    "idle": [],
}


@pytest.fixture
def settings() -> Settings:
    return Settings(app="blog", roles=ROLES)


def test_a_connection_is_the_host_it_was_asked_for(settings: Settings) -> None:
    ssh_config = SSHConfig.from_text("Host web1.example.com\n  HostName 203.0.113.7\n")
    connection = Connection("root@web1.example.com", config=Config(ssh_config=ssh_config, lazy=True))
    assert connection.host == "203.0.113.7"
    assert roles_of(settings, Host.of(connection)) == {"web"}


def test_hosts_of_a_role_in_the_order_of_the_file(settings: Settings) -> None:
    assert [host.spec for host in hosts_for(settings, "web")] == [
        "deploy@web1.example.com",
        "web2.example.com:2222",
    ]


def test_hosts_of_all_roles_each_once(settings: Settings) -> None:
    assert [host.spec for host in hosts_for(settings)] == [
        "deploy@web1.example.com",
        "web2.example.com:2222",
        "root@[2001:db8::1]:22",
    ]


def test_a_machine_with_two_users_is_one_machine() -> None:
    settings = Settings(app="blog", roles={"web": ["root@web1", "web2"], "db": ["deploy@web1", "web3"]})
    assert [host.spec for host in hosts_for(settings)] == ["root@web1", "web2", "web3"]
    assert [host.spec for host in hosts_for(settings, "db")] == ["deploy@web1", "web3"]


def test_a_host_is_reached_as_its_role_says() -> None:
    settings = Settings(
        app="blog",
        roles={
            "web": [{"host": "web1", "port": 2222, "connect_timeout": 3, "forward_agent": True}],
            "worker": ["root@web1:2222", "web2"],
        },
    )
    config = Config(lazy=True)
    for name in ("web", "worker"):
        assert connection_kwargs(settings, hosts_for(settings, name)[0], config) == {
            "host": "web1",
            "user": "root",
            "port": 2222,
            "connect_timeout": 3,
            "forward_agent": True,
        }
    assert connection_kwargs(settings, Host.parse("web2"), config) == {"host": "web2"}
    assert connection_kwargs(settings, Host.parse("me@elsewhere"), config) == {"host": "elsewhere", "user": "me"}


def test_a_gateway_is_reached_as_its_own_role_says() -> None:
    settings = Settings(
        app="blog",
        roles={
            "web": [{"host": "web[1:2]", "gateway": "me@lb:2222"}],
            "lb": [{"host": "lb:2222", "connect_timeout": 3, "gateway": "bastion"}],
        },
    )
    connection = Connection(**connection_kwargs(settings, Host.parse("web2"), Config(lazy=True)))
    hops = [connection.gateway, connection.gateway.gateway]
    assert [(hop.user, hop.host, hop.port, hop.connect_timeout) for hop in hops] == [
        ("me", "lb", 2222, 3),
        (connection.user, "bastion", 22, None),
    ]


def test_what_is_said_for_all_connections_holds_beside_what_one_host_has() -> None:
    own = {"key_filename": "k2", "compress": True}
    settings = Settings(app="blog", roles={"web": [{"host": "web1", "connect_kwargs": own}]})
    config = Config(overrides={"connect_kwargs": {"key_filename": ["k"], "look_for_keys": False}}, lazy=True)
    for _ in range(2):  # Fabric adds to what it is given
        connection = Connection(config=config.clone(), **connection_kwargs(settings, Host.parse("web1"), config))
        assert dict(connection.connect_kwargs) == {**own, "key_filename": ["k", "k2"], "look_for_keys": False}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "wbe",
            "fabric.yaml: roles: there is no role 'wbe', expected one of: web, worker, idle; did you mean web?",
        ),
        ("database", "fabric.yaml: roles: there is no role 'database', expected one of: web, worker, idle"),
        (
            "idle",
            "fabric.yaml: roles: role 'idle' has no hosts; write `roles: {idle: [user@host]}` there, "
            "or name hosts with -H user@host",
        ),
    ],
)
def test_a_role_without_hosts_is_an_error_and_never_an_empty_list(settings: Settings, name: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        hosts_for(settings, name)
    assert str(caught.value) == said


def test_without_roles_the_error_says_what_to_write() -> None:
    with pytest.raises(SettingsError, match=r"write `roles: \{web: \[user@host\]\}` there, or name hosts with -H"):
        hosts_for(Settings(app="blog"))
    with pytest.raises(SettingsError, match="missing, but role 'web' is needed"):
        hosts_for(Settings(app="blog"), "web")


def test_the_roles_of_a_host(settings: Settings) -> None:
    assert roles_of(settings, Host.parse("web2.example.com:2222")) == {"web", "worker"}
    assert roles_of(settings, Host.parse("root@[2001:DB8::1]:22")) == {"worker"}


def test_whoever_logs_in_the_machine_plays_its_roles(settings: Settings) -> None:
    assert roles_of(settings, Host.parse("root@web1.example.com")) == {"web"}
    assert roles_of(settings, Host.parse("web2.example.com:22")) is ALL_ROLES


def test_a_host_in_no_role_plays_every_role(settings: Settings) -> None:
    for roles in (
        roles_of(settings, Host.parse("new.example.com")),
        roles_of(Settings(app="blog"), Host.parse("new.example.com")),
    ):
        assert "web" in roles
        assert "whatever" in roles
        assert roles
        assert str(roles) == "every role"


def test_role_is_true_without_being_read_and_needs_a_running_fab() -> None:
    hosts = role("web")
    assert hosts
    with pytest.raises(UsageError, match="settings of a running `fab`"):
        list(hosts)


def test_without_a_running_fab_there_are_no_cli_hosts() -> None:
    assert cli_hosts() == []
