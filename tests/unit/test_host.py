"""Hosts are read, compared and written; patterns stand for several."""

from __future__ import annotations

import pytest
from fabric import Config
from hostsmith.errors import SettingsError, UsageError
from hostsmith.openssh.host import Host, expand, listed, machine_as_written, machines_of
from paramiko import SSHConfig

SSH_CONFIG = """
Host web1
  HostName 203.0.113.7
  Port 2222
Host inner
  HostName 10.0.0.7
  ProxyJump bastion
Host six
  HostName 2001:DB8:0::1
"""


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
        ("[web1]", "'web1' is not a valid IPv6 address"),
        ("[fe80::1%eth0; reboot]", "'eth0; reboot' is not a valid name of a network interface"),
        ("web" * 400, "it has 1200 characters, the limit is 1000"),
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


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("web1", ["web1"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("root@web[9:11].example.com:22", [f"root@web{n}.example.com:22" for n in (9, 10, 11)]),
        ("web[08:10]", ["web08", "web09", "web10"]),
        ("web[098:101]", ["web098", "web099", "web100", "web101"]),
        ("web[0:1]", ["web0", "web1"]),
        ("web[5:5]", ["web5"]),
        ("r[1:2]-web[01:02]", ["r1-web01", "r1-web02", "r2-web01", "r2-web02"]),
        ("10.0.[0:1].[7:8]", ["10.0.0.7", "10.0.0.8", "10.0.1.7", "10.0.1.8"]),
        ("203.0.113.7:[2201:2202]", ["203.0.113.7:2201", "203.0.113.7:2202"]),
        ("root@[2001:db8::1]:22", ["root@[2001:db8::1]:22"]),
        ("[1:2:3:4:5:6:7:8]", ["[1:2:3:4:5:6:7:8]"]),
    ],
)
def test_a_pattern_stands_for_each_of_its_hosts(pattern: str, meant: list[str]) -> None:
    assert expand(pattern) == meant


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("web[3:1]", "write the smaller number first: [1:3]"),
        ("web[1:020]", "write both numbers with the same number of digits: [001:020]"),
        ("web[1:1001]", "the pattern stands for 1001 hosts, the limit is 1000"),
        ("web[1:999999999][1:999999999]", "the pattern stands for 999999998000000001 hosts"),
    ],
)
def test_a_range_that_makes_no_sense_is_told(pattern: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        expand(pattern)
    assert said in str(caught.value)


@pytest.mark.parametrize("spec", ["web[1-3]", "web[1:3", "web[]", "web[a:c]", "web[1:3:2]", "web[1:2].[x]"])
def test_what_only_looks_like_a_pattern_is_told(spec: str) -> None:
    with pytest.raises(SettingsError, match=r"a pattern is written \[first:last\], as in web\[01:20\]\.example\.com"):
        Host.parse(spec)


def test_a_flag_has_a_list_of_hosts() -> None:
    assert listed(" web[1:2], root@[2001:db8::1]:22 ,", "--host") == ["web1", "web2", "root@[2001:db8::1]:22"]


@pytest.mark.parametrize("text", ["", " ", ",", "web[2:1]"])
def test_a_flag_that_names_no_host_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"--host: .*, expected \[user@\]host\[:port\]"):
        listed(text, "--host")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("web1", "root@Web1:22", True),
        ("web1.example.com", "web1.example.com.", True),
        ("[2001:db8::1]", "[2001:0DB8:0:0::1]:22", True),
        ("203.0.113.7", "203.0.113.7:2222", False),
        ("web1", "web2", False),
    ],
)
def test_one_machine_has_many_spellings(one: str, other: str, same: bool) -> None:
    hosts = Host.parse(one), Host.parse(other)
    assert (machine_as_written(hosts[0]) == machine_as_written(hosts[1])) is same
    machine = machines_of(Config(lazy=True))
    assert (machine(hosts[0]) == machine(hosts[1])) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("web1", "root@203.0.113.7:2222", True),
        ("web1:22", "203.0.113.7:22", True),
        ("web1", "203.0.113.7:22", False),
        ("203.0.113.7", "203.0.113.7:2200", True),
        ("six", "[2001:db8::1]", True),
        # The address 10.0.0.7 behind the bastion is not the one of this network.
        ("inner", "10.0.0.7", False),
    ],
)
def test_a_name_of_the_ssh_configuration_is_the_machine_it_leads_to(one: str, other: str, same: bool) -> None:
    machine = machines_of(Config(ssh_config=SSHConfig.from_text(SSH_CONFIG), overrides={"port": 2200}, lazy=True))
    assert (machine(Host.parse(one)) == machine(Host.parse(other))) is same


@pytest.mark.parametrize("port", ["ssh", None, -1])
def test_a_port_for_all_hosts_that_is_none_is_told(port: object) -> None:
    with pytest.raises(SettingsError, match="port: found .*, expected a port, from 1 to 65535"):
        machines_of(Config(overrides={"port": port}, lazy=True))
