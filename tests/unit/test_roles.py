"""Hosts are read, compared and found by role; nothing ever answers "no hosts" with an empty list."""

from __future__ import annotations

import pytest
from fabric import Config, Connection
from hostsmith.errors import SettingsError, UsageError
from hostsmith.hosts import Host
from hostsmith.roles import ALL_ROLES, cli_hosts, hosts_for, role, roles_of
from hostsmith.settings.schema import Settings
from paramiko import SSHConfig

ROLES = {
    "web": ["deploy@web1.example.com", "web2.example.com:2222"],
    "worker": ["WEB2.example.com:2222", "root@[2001:db8::1]:22"],
    "idle": [],
}


@pytest.fixture
def settings() -> Settings:
    return Settings(app="blog", roles=ROLES)


@pytest.mark.parametrize(
    ("spec", "host"),
    [
        ("web1", Host("web1")),
        ("root@web1", Host("web1", "root")),
        ("root@203.0.113.7:2222", Host("203.0.113.7", "root", 2222)),
        ("[2001:db8::1]", Host("2001:db8::1")),
        ("deploy@[2001:db8::1]:22", Host("2001:db8::1", "deploy", 22)),
        ("me@example.com@bastion", None),
        ("my_alias.staging", Host("my_alias.staging")),
    ],
)
def test_what_a_host_string_says(spec: str, host: Host | None) -> None:
    if host is None:
        with pytest.raises(SettingsError):
            Host.parse(spec)
    else:
        assert Host.parse(spec) == host
        assert Host.parse(spec).spec == spec


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "found '', expected [user@]host[:port]"),
        ("two words", "found 'two words', expected [user@]host[:port]"),
        ("@web1", "found '@web1', expected [user@]host[:port]"),
        ("root@", "found 'root@', expected [user@]host[:port]"),
        ("-oProxyCommand=x", "expected [user@]host[:port]"),
        ("web1:ssh", "a port is a number from 1 to 65535"),
        ("web1:", "a port is a number from 1 to 65535"),
        ("web1:65536", "a port is a number from 1 to 65535"),
        ("root@2001:db8::1", "write an IPv6 address in brackets: root@[2001:db8::1]"),
        ("[web1]", "'web1' is no IPv6 address"),
        ("[2001:db8::1]22", "a port is a number from 1 to 65535"),
    ],
)
def test_a_bad_host_string_is_told(spec: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Host.parse(spec)
    assert said in str(caught.value)


def test_spelling_does_not_make_another_host() -> None:
    assert Host.parse("Web1.Example.com") == Host.parse("web1.example.com")
    assert Host.parse("[2001:0db8:0:0::1]") == Host.parse("[2001:db8::1]")
    assert len({Host.parse("WEB1"), Host.parse("web1")}) == 1
    assert Host.parse("web1:22") != Host.parse("web1:23")
    assert Host.parse("root@web1") != Host.parse("deploy@web1")


def test_a_connection_is_given_only_what_is_known() -> None:
    assert Host.parse("root@[2001:db8::1]:22").connect_kwargs() == {
        "host": "2001:db8::1",
        "user": "root",
        "port": 22,
    }
    assert Host.parse("web1").connect_kwargs() == {"host": "web1"}


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "wbe",
            "fabric.yaml: roles: found no role 'wbe', expected one of: web, worker, idle; did you mean web?",
        ),
        ("database", "fabric.yaml: roles: found no role 'database', expected one of: web, worker, idle"),
        (
            "idle",
            "fabric.yaml: roles: role 'idle' has no hosts; write `roles: {idle: [user@host]}` there, "
            "or give hosts with -H user@host",
        ),
    ],
)
def test_a_role_without_hosts_is_an_error_and_never_an_empty_list(settings: Settings, name: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        hosts_for(settings, name)
    assert str(caught.value) == said


def test_without_roles_the_error_says_what_to_write() -> None:
    with pytest.raises(SettingsError, match=r"write `roles: \{web: \[user@host\]\}` there, or give hosts with -H"):
        hosts_for(Settings(app="blog"))
    with pytest.raises(SettingsError, match="there are none, but role 'web' is asked for"):
        hosts_for(Settings(app="blog"), "web")


def test_the_roles_of_a_host(settings: Settings) -> None:
    assert roles_of(settings, Host.parse("web2.example.com:2222")) == {"web", "worker"}
    assert roles_of(settings, Host.parse("root@[2001:DB8::1]:22")) == {"worker"}


def test_whoever_logs_in_the_machine_plays_its_roles(settings: Settings) -> None:
    assert roles_of(settings, Host.parse("root@web1.example.com")) == {"web"}
    assert roles_of(settings, Host.parse("web2.example.com")) == {"web", "worker"}
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
    with pytest.raises(UsageError, match="outside of `fab`"):
        list(hosts)


def test_without_a_running_fab_there_are_no_cli_hosts() -> None:
    assert cli_hosts() == []
