"""Where the web hosts and balancers of a fleet are reached by each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fabric import Config
from hostsmith.errors import SettingsError, UsageError
from hostsmith.inventory.addresses import with_addresses
from hostsmith.openssh.host import Host
from hostsmith.settings import Settings
from paramiko import SSHConfig


def settings(**roles: Any) -> Settings:
    return Settings(app="blog", processes={"web": "gunicorn blog:app"}, roles=roles)


def config(ssh_config: str = "") -> Config:
    return Config(ssh_config=SSHConfig.from_text(ssh_config), lazy=True)


def found(name: str, **roles: Any) -> list[str]:
    """The addresses of a host in roles, with nothing in the SSH configuration."""
    return list(with_addresses(settings(**roles), config()).addresses(Host.parse(name)))


def test_without_a_balancer_nothing_is_looked_up() -> None:
    for roles in ({"web": ["there-is-no.invalid"]}, {"web": ["there-is-no.invalid"], "lb": []}):
        given = settings(**roles)
        assert with_addresses(given, config()) is given


def test_an_address_is_its_own() -> None:
    assert found("203.0.113.7:2222", web=["root@203.0.113.7:2222"], lb=["203.0.113.1"]) == ["203.0.113.7"]


def test_hosts_of_other_roles_need_none() -> None:
    assert found("203.0.113.7", web=["203.0.113.7"], lb=["203.0.113.1"], db=["there-is-no.invalid"]) == ["203.0.113.7"]


def test_the_one_that_is_written_down_wins() -> None:
    web = [{"host": "there-is-no.invalid", "address": "10.0.0.7"}]
    assert found("there-is-no.invalid", web=web, lb=["203.0.113.1"]) == ["10.0.0.7"]


def test_the_ssh_configuration_is_asked_for_the_host_name() -> None:
    given = settings(web=["blog1"], lb=["203.0.113.1"])
    known = with_addresses(given, config("Host blog1\n    HostName 2001:DB8::7\n"))
    assert known.addresses(Host("blog1", "root")) == ["2001:db8::7"]


def test_a_host_of_the_sandbox_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hostsmith.sandbox import SshTarget

    def lookup(project: Path, name: str) -> SshTarget | None:
        return SshTarget("10.77.0.2", "root", "", "") if (project, name) == (tmp_path, "sandbox-1") else None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hostsmith.sandbox.lookup", lookup)
    assert found("root@sandbox-1", web=["root@sandbox-1"], lb=["203.0.113.1"]) == ["10.77.0.2"]


def test_a_name_without_address_is_told_with_what_to_write() -> None:
    with pytest.raises(SettingsError) as caught:
        found("x", web=["root@there-is-no.invalid"], lb=["203.0.113.1"])
    assert str(caught.value) == (
        "fabric.yaml: roles.web: found root@there-is-no.invalid, whose name 'there-is-no.invalid' cannot be resolved "
        "here, expected a host that the other hosts can reach; "
        "write its address: {host: root@there-is-no.invalid, address: 10.0.0.7}"
    )


def test_an_address_of_this_machine_alone_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"roles\.lb: found localhost:2201, whose address \S+ no other host can reach"
    ):
        found("x", web=["203.0.113.7"], lb=["localhost:2201"])


def test_a_recipe_that_needs_them_says_how_to_look_them_up() -> None:
    with pytest.raises(
        UsageError,
        match=r"203\.0\.113\.7 has not been looked up.*inventory\.addresses\.with_addresses\(load\(c\), c\.config",
    ):
        settings(web=["203.0.113.7"], lb=["203.0.113.1"]).addresses(Host("203.0.113.7"))


def test_a_host_of_its_own_values_still_knows_them() -> None:
    known = with_addresses(settings(web=[{"host": "203.0.113.7", "workers": 9}], lb=["203.0.113.1"]), config())
    assert known.on(Host("203.0.113.7")).addresses(Host("203.0.113.7")) == ["203.0.113.7"]
