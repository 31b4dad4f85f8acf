"""Hosts in the roles: values of their own, patterns, several roles and spellings, and what may be wrong there."""

from __future__ import annotations

from typing import Any

import pytest
from fabric import Config
from hostsmith.errors import UsageError
from hostsmith.openssh.host import Host, machines_of
from hostsmith.settings.context import ValidationContext
from hostsmith.settings.environment import Overlay
from hostsmith.settings.problems import Whereabouts, explain
from hostsmith.settings.project import Settings
from paramiko import SSHConfig
from pydantic import ValidationError

SSH_CONFIG = "Host web1\n  HostName 203.0.113.7\n"


def make(roles: dict[str, Any], **keys: Any) -> Settings:
    return Settings(**{"app": "blog", "roles": roles, **keys})


def specs(settings: Settings, role: str) -> list[str]:
    return [entry.host.spec for entry in settings.roles[role]]


def problems(roles: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        make(roles)
    return explain(caught.value, Whereabouts([], Overlay(), "fabric.yaml"), "blog")


def test_a_text_is_a_host_without_values_of_its_own() -> None:
    settings = make({"web": ["root@web1:2222"]})
    (entry,) = settings.roles["web"]
    assert entry.host == Host("web1", "root", 2222)
    assert entry.own() == {}


def test_a_mapping_is_a_host_with_values_of_its_own() -> None:
    written = {
        "address": "[2001:0db8::7]",
        "weight": 3,
        "workers": 4,
        "python": "python3.13",
        "primary": True,
        "gateway": "me@bastion",
        "connect_timeout": 5,
        "forward_agent": False,
        "connect_kwargs": {"key_filename": "/home/me/.ssh/web"},
    }
    settings = make({"web": [{"host": "root@web1", **written, "workers": None}]})
    entry = settings.entry(Host("web1"))
    assert entry is not None
    meant = {**written, "address": "2001:db8::7", "gateway": Host("bastion", "me")}
    del meant["workers"]  # a blank value is as for all hosts
    assert entry.own() == meant


def test_user_and_port_may_stand_beside_the_host() -> None:
    settings = make({"web": [{"host": "[2001:db8::1]", "user": "root", "port": 2222}]})
    assert specs(settings, "web") == ["root@[2001:db8::1]:2222"]


def test_a_pattern_stands_for_hosts_with_the_same_values() -> None:
    settings = make({"web": ["lone", {"host": "web[09:10]", "user": "root", "weight": 2}, "[2001:db8::1]"]})
    assert specs(settings, "web") == ["lone", "root@web09", "root@web10", "[2001:db8::1]"]
    assert [entry.weight for entry in settings.roles["web"]] == [None, 2, 2, None]


def test_what_one_role_says_of_a_host_holds_in_all() -> None:
    settings = make(
        {
            "web": ["web1", {"host": "web2", "python": "python3.12"}],
            "worker": [{"host": "root@web1:22", "workers": 8}, {"host": "WEB2", "python": "python3.12", "weight": 2}],
        },
        workers=2,
    )
    assert [entry.own() for entry in settings.roles["web"]] == [{"workers": 8}, {"python": "python3.12", "weight": 2}]
    assert specs(settings, "web") == ["root@web1", "web2"]
    assert settings.roles_of(Host("web1")) == {"web", "worker"}


def test_settings_on_a_host_have_its_own_values_in_place() -> None:
    settings = make({"web": ["web1", {"host": "web2", "workers": 8, "python": "python3.12"}]}, workers=2)
    found = [(on.workers, on.python) for on in map(settings.on, map(Host, ("web1", "web2", "elsewhere")))]
    assert found == [(2, None), (8, "python3.12"), (2, None)]


def test_a_host_counts_once_however_it_is_spelled() -> None:
    settings = make({"web": ["web1", "root@web1", "Web1:22", "[2001:db8::1]", "[2001:0db8::1]", "web1:2222"]})
    assert specs(settings, "web") == ["root@web1", "[2001:db8::1]", "web1:2222"]


def test_a_host_counts_once_under_its_name_in_the_ssh_configuration() -> None:
    machine = machines_of(Config(ssh_config=SSHConfig.from_text(SSH_CONFIG), lazy=True))
    roles = {"web": ["web1", {"host": "root@203.0.113.7", "weight": 2}], "worker": ["203.0.113.7"]}
    settings = Settings.model_validate({"app": "blog", "roles": roles}, context=ValidationContext(machine))
    assert specs(settings, "web") == ["root@web1"]
    assert settings.roles_of(Host("203.0.113.7")) == {"web", "worker"}
    entry = settings.entry(Host("web1"))
    assert entry is not None
    assert entry.weight == 2


def test_two_ports_of_one_address_are_two_hosts() -> None:
    nat = [{"host": "203.0.113.7", "port": port} for port in (2201, 2202)]
    assert specs(make({"web": nat}), "web") == ["203.0.113.7:2201", "203.0.113.7:2202"]


def test_the_primary_host() -> None:
    assert make({"web": ["web1"]}).primary is None
    settings = make({"web": ["web1", "web2"], "db": [{"host": "web2", "primary": True}]})
    assert settings.primary == Host("web2")


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (
            {"web": ["web1", {"host": "web2", "wieght": 2}]},
            ["roles.web[1].wieght: found an unknown key; did you mean weight?"],
        ),
        (
            {"web": ["web1", "web[1:2].example.com", {"host": "web[3:4]", "weight": 0, "python": "-c"}]},
            [
                "roles.web[2].weight: found 0, expected a whole number from 1 to 256",
                "roles.web[2].python: found '-c', expected a program on the host, such as python3.12 or "
                "/opt/python/bin/python3",
            ],
        ),
        (
            {"web": [{"weight": 2}]},
            [
                "roles.web[0].host: missing, expected [user@]host[:port], such as root@web1.example.com, "
                "root@203.0.113.7:2222 or root@[2001:db8::1]:22"
            ],
        ),
        (
            {"web": [{"host": "root@web1", "user": "me"}]},
            ["roles.web[0].host: found 'root@web1', expected a host without user, since `user: me` sets it"],
        ),
        (
            {"web": [{"host": "web1", "port": 70000, "user": "a b"}]},
            [
                "roles.web[0].user: found 'a b', expected a user name such as deploy",
                "roles.web[0].port: found 70000, expected a port, from 1 to 65535",
            ],
        ),
        (
            {"web": [{"host": "web1", "address": "root@10.0.0.7"}]},
            [
                "roles.web[0].address: found 'root@10.0.0.7', expected an IP address or a DNS name, such as 10.0.0.7, "
                "without user and port"
            ],
        ),
        (
            {"web": ["web[1:3]", "web4", "web2"]},
            ["roles.web: found 'web2' at [0] and again at [2], expected each host once"],
        ),
        (
            {"web": [{"host": "web1", "weight": 2}], "db": [{"host": "root@web1", "weight": 3}]},
            [
                "roles: found another weight for root@web1 in db than for web1 in web, "
                "expected the same, since they are one host"
            ],
        ),
        (
            {"web": [{"host": "web[1:2]", "primary": True}]},
            ["roles: found `primary: true` for web1 in web and for web2 in web, expected at most one primary host"],
        ),
        (
            {"web": [{"host": "web1", "gateway": "lb"}], "lb": [{"host": "root@lb", "gateway": "web1"}]},
            ["roles: found gateways in a circle for web1 in web, expected gateways without a circle"],
        ),
        (
            {"web": [{"host": "web1", "gateway": "root@web1:22"}]},
            ["roles: found gateways in a circle for web1 in web, expected gateways without a circle"],
        ),
        (
            {"web": [{"host": "web1", "connect_kwargs": {"key_filname": "hunter2"}}]},
            [
                "roles.web[0].connect_kwargs: found the name 'key_filname', expected an argument of paramiko's "
                "SSHClient.connect, such as key_filename; did you mean key_filename?"
            ],
        ),
        (
            {"web": [{"host": "web1", "connect_kwargs": "hunter2"}]},
            [
                "roles.web[0].connect_kwargs: found a value that is not shown, expected a mapping such as "
                "{key_filename: /home/me/.ssh/web}"
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_host_is_told(roles: dict[str, Any], said: list[str]) -> None:
    assert problems(roles) == [f"fabric.yaml: {line}" for line in said]


@pytest.mark.parametrize(
    ("roles", "where"),
    [
        ({"web": ["web1", "web[3:1]"]}, "roles.web[1]: found 'web[3:1]'"),
        ({"web": [{"host": "web[3:1]"}]}, "roles.web[0].host: found 'web[3:1]'"),
    ],
)
def test_a_wrong_pattern_is_told_with_what_to_write(roles: dict[str, Any], where: str) -> None:
    (line,) = problems(roles)
    assert line.startswith(f"fabric.yaml: {where}, expected [user@]host[:port], ")
    assert line.endswith("; write the smaller number first: [1:3]")


def test_a_gateway_is_one_host() -> None:
    (line,) = problems({"web": [{"host": "web1", "gateway": "lb[1:2]"}]})
    assert line.startswith("fabric.yaml: roles.web[0].gateway: found 'lb[1:2]', expected one host, [user@]host[:port]")


def test_a_password_in_connect_kwargs_is_not_shown() -> None:
    settings = make({"web": [{"host": "web1", "connect_kwargs": {"password": "hunter2"}}]})
    assert "hunter2" not in repr(settings)
    lines = problems({role: [{"host": "web1", "connect_kwargs": {"password": f"hunter{role}"}}] for role in "ab"})
    assert "hunter" not in "".join(lines)


@pytest.mark.parametrize(
    ("batch", "of", "together"),
    [
        ("100%", 7, 7),
        ("25%", 8, 2),
        ("25%", 7, 1),
        ("25%", 2, 1),
        (3, 10, 3),
        (3, 2, 2),
        ("3", 10, 3),
        ("1%", 1000, 10),
    ],
)
def test_how_many_hosts_switch_together(batch: int | str, of: int, together: int) -> None:
    assert make({}, batch=batch).batch_of(of) == together
    assert make({}).in_batches(str(batch)).batch_of(of) == together


@pytest.mark.parametrize("batch", [0, "0%", "101%", "-1", "half", "25 %", 2.5, True, ["1"]])
def test_a_batch_that_makes_no_sense_is_told(batch: Any) -> None:
    with pytest.raises(ValidationError):
        make({}, batch=batch)
    with pytest.raises(UsageError, match="--batch: found .*, expected a number of hosts such as 2, or a percentage"):
        make({}).in_batches(str(batch))
