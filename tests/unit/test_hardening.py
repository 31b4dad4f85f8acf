"""The hardening: which parts are looked after, what the firewall of a host lets in, and who is given swap."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Container
from typing import Any

import pytest
from fabric import Config
from hostsmith.errors import SettingsError
from hostsmith.inventory.addresses import with_addresses
from hostsmith.inventory.project import settings_of
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.recipes.firewall import Rule, firewall, firewall_rules
from hostsmith.recipes.hardening import hardening
from hostsmith.rendering.rendered import rendered
from hostsmith.resources import File, Validated
from hostsmith.resources.hardening.sshd import Sshd
from hostsmith.resources.hardening.swap import swap_size
from hostsmith.settings import Settings
from pydantic import ValidationError

EVERYBODY: tuple[str, ...] = ()
ROLES = {
    "web": ["10.0.0.1", {"host": "10.0.0.2", "address": "2001:db8::2"}],
    "worker": ["10.0.0.3"],
    "db": ["10.0.0.5"],
    "cache": ["10.0.0.6"],
}


def settings(**values: Any) -> Settings:
    """Settings that know the addresses of their hosts, each of which is its own."""
    processes = {"web": "gunicorn blog:app", "worker": "python worker.py"}
    return with_addresses(settings_of(**{"app": "blog", "processes": processes, **values}), Config(lazy=True))


def names(found: Settings, roles: Container[str] = frozenset({"web"})) -> list[str]:
    return [resource.describe() for resource in hardening(found, roles)]


def rules(found: Settings, *roles: str) -> list[Rule]:
    return list(firewall_rules(found, frozenset(roles)))


def test_all_of_it_is_on_unless_it_is_switched_off() -> None:
    assert names(settings()) == [
        "package unattended-upgrades",
        "security upgrades",
        "sysctl /etc/sysctl.d/60-hostsmith.conf",
        "directory /etc/modprobe.d",
        "file /etc/modprobe.d/hostsmith.conf",
        "file /etc/security/limits.d/hostsmith.conf",
        "directory /etc/systemd/system/nginx.service.d",
        "file /etc/systemd/system/nginx.service.d/hostsmith.conf",
        "directory /etc/systemd/system/supervisor.service.d",
        "file /etc/systemd/system/supervisor.service.d/hostsmith.conf",
        "time sync",
        "swap",
        "sshd",
        "package nftables",
        "firewall",
        "package fail2ban, python3-systemd, nftables",
        "fail2ban",
        "service fail2ban",
    ]
    assert names(settings(hardening=True)) == names(settings(hardening={"swap": "auto"})) == names(settings())


def test_what_is_switched_off_is_taken_away_and_installs_nothing() -> None:
    assert names(settings(hardening=False)) == [
        "absent /etc/apt/apt.conf.d/52hostsmith-upgrades",
        "absent /etc/sysctl.d/60-hostsmith.conf",
        "absent /etc/modprobe.d/hostsmith.conf",
        "absent /etc/security/limits.d/hostsmith.conf",
        "absent /etc/systemd/system/nginx.service.d/hostsmith.conf",
        "absent /etc/systemd/system/supervisor.service.d/hostsmith.conf",
        "sshd",
        "firewall",
    ]


@pytest.mark.parametrize("part", ["upgrades", "time", "swap", "fail2ban"])
def test_each_part_is_switched_by_itself(part: str) -> None:
    gone = set(names(settings())) - set(names(settings(hardening={part: False})))
    assert gone
    assert all(part[:4] in name for name in gone)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"hardening": "strict"}, "true, false, or a mapping such as {firewall: false}"),
        ({"hardening": {"ssh": "key"}}, "true or false"),
        ({"hardening": {"telnet": True}}, "Extra inputs are not permitted"),
        ({"firewall": {"allow": [{"port": 70000}]}}, "a port, from 1 to 65535"),
        ({"firewall": {"allow": [{"port": 0}]}}, "a port, from 1 to 65535"),
        ({"firewall": {"allow": [{"from": "web"}]}}, "Field required"),
        ({"firewall": {"allow": [{"port": 1, "protocol": "icmp"}]}}, "tcp or udp"),
        ({"firewall": {"allow": [{"port": 1, "from": "10.0.0.1/8"}]}}, "an IP address, a network such as 10.0.0.0/8"),
        ({"firewall": {"allow": [{"port": 1, "from": "web1.example.com"}]}}, "or a role"),
        ({"firewall": {"allow": {"port": 1}}}, "a list of ports to open"),
        ({"firewall": {"trusted": "web"}}, "an IP address such as 203.0.113.7"),
    ],
)
def test_a_mistake_is_told_with_what_is_expected(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(app="blog", **values)
    assert problem in str(caught.value)


def test_a_web_host_answers_everybody_when_there_is_no_balancer() -> None:
    assert rules(settings(), "web") == [Rule(80, "tcp", "", EVERYBODY), Rule(443, "tcp", "", EVERYBODY)]
    assert list(firewall_rules(settings(), ALL_ROLES)) == rules(settings(), "web")


def test_behind_balancers_a_web_host_answers_them_alone() -> None:
    found = settings(roles={**ROLES, "lb": ["10.0.0.8", "[2001:db8::8]"]})
    assert rules(found, "web") == [Rule(80, "tcp", "ip", ("10.0.0.8",)), Rule(80, "tcp", "ip6", ("2001:db8::8",))]
    assert rules(found, "lb") == [Rule(80, "tcp", "", EVERYBODY), Rule(443, "tcp", "", EVERYBODY)]


def test_database_and_cache_answer_the_hosts_that_run_the_app() -> None:
    found = settings(roles=ROLES)
    assert rules(found, "db") == [
        Rule(5432, "tcp", "ip", ("10.0.0.1", "10.0.0.3")),
        Rule(5432, "tcp", "ip6", ("2001:db8::2",)),
    ]
    assert [rule.port for rule in rules(found, "cache")] == [6379, 6379]
    assert rules(found, "worker") == []


def test_own_rules_name_roles_addresses_and_networks() -> None:
    allow = [{"port": 8125, "protocol": "udp", "from": ["web", "10.0.0.0/30"], "to": "db"}, {"port": 25}]
    found = settings(roles={"web": ["10.0.0.1", "192.0.2.1"], "db": ["10.0.0.5"]}, firewall={"allow": allow})
    # 10.0.0.1 lies in the network, and nft refuses what overlaps.
    assert Rule(8125, "udp", "ip", ("10.0.0.0/30", "192.0.2.1")) in rules(found, "db")
    assert Rule(25, "tcp", "", EVERYBODY) in rules(found, "db")
    assert [rule.port for rule in rules(found, "web")] == [80, 443, 25]


def test_a_rule_that_names_no_role_of_the_fleet_is_refused() -> None:
    found = settings(roles={"web": ["10.0.0.1"]}, firewall={"allow": [{"port": 1, "from": "wbe"}]})
    with pytest.raises(SettingsError, match=r"firewall.allow\[0\].from: found 'wbe', which has no hosts"):
        rules(found, "web")


def test_a_rule_from_a_role_without_hosts_lets_nobody_in_by_mistake() -> None:
    found = settings(roles={"web": [], "db": ["10.0.0.5"]})
    assert rules(found, "db") == []


def test_the_rules_say_who_may_come(tmp_path: Any) -> None:
    found = settings(roles={**ROLES, "lb": ["10.0.0.8"]}, firewall={"trusted": ["203.0.113.7", "2001:db8::/32"]})
    (group,) = (one for one in rendered(firewall(found, {"web"}), tmp_path, "host") if isinstance(one, Validated))
    (text,) = (
        one.content for one in group.resources if isinstance(one, File) and one.path.endswith("firewall.d/blog.nft")
    )
    assert isinstance(text, str)
    assert "\ntcp dport 80 ip saddr { 10.0.0.8 } accept\n" in text
    assert "\nip saddr { 203.0.113.7 } tcp dport $ssh_ports accept\n" in text
    assert "\nip6 saddr { 2001:db8::/32 } tcp dport $ssh_ports accept\n" in text


def meminfo(memory: int, swap: int = 0) -> str:
    return f"MemTotal:       {memory * 1024} kB\nMemFree:        1 kB\nSwapTotal:      {swap * 1024} kB\n"


MIB = 1024 * 1024
EXT4 = "proc /proc proc rw 0 0\n/dev/vda1 / ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("text", "mounts", "free", "size"),
    [
        (meminfo(969), EXT4, 20000, 969),
        (meminfo(969), EXT4, 2000, 500),
        (meminfo(969), EXT4, 900, 0),
        (meminfo(2048), EXT4, 20000, 0),
        (meminfo(969, swap=1), EXT4, 20000, 0),
        (meminfo(969), EXT4.replace("ext4", "btrfs"), 20000, 0),
        (meminfo(969), EXT4.replace("ext4", "overlay"), 20000, 0),
    ],
)
def test_little_memory_gets_as_much_swap_as_the_disk_has_room_for(text: str, mounts: str, free: int, size: int) -> None:
    assert swap_size(text, mounts, free * MIB) == size * MIB


def test_the_port_and_address_of_the_connection_are_known_also_behind_sudo() -> None:
    ask = "from hostsmith.hostkit.linux.login import login; print(login())"
    # sudo takes the variable away from its child, and leaves it to those above.
    script = 'env -u SSH_CONNECTION SUDO_USER=dev "$@"; true'
    environ = {**os.environ, "SSH_CONNECTION": "2001:db8::7 50000 2001:db8::1 2222"}
    argv = ["sh", "-c", script, "sh", sys.executable, "-c", ask]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "Login(user='dev', client='2001:db8::7', port=2222)\n"


@pytest.mark.parametrize("ssh", [True, False])
def test_nobody_logs_in_as_an_app_or_a_builder_whatever_else_is_hardened(ssh: bool) -> None:
    def closed(*roles: str) -> tuple[str, ...]:
        found = settings(roles=ROLES, hardening={"ssh": ssh})
        (sshd,) = (each for each in hardening(found, frozenset(roles)) if isinstance(each, Sshd))
        return sshd.denies

    assert closed("web") == closed("worker") == ("blog", "hostsmith-build*")
    assert closed("db") == ()
