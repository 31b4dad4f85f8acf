"""Hosts that can only be reached through another one: ProxyJump, gateways and ProxyCommand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

# What the scripts below begin with: connections as a fabfile has them.
SCRIPT = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from fabric import Config, Connection
from hostsmith.connection import transport
from hostsmith.errors import ConnectError
from hostsmith.connection.ssh import opened
gateway, first, second = sys.argv[1:]
"""


@dataclass
class Behind:
    """Two hosts that answer nobody but the hosts beside them, a third that leads there, and a project."""

    project: Project
    gateway: Vps
    first: Vps
    second: Vps

    def jump(self, *hops: str) -> None:
        """Write an SSH configuration that goes to the two hosts through others."""
        key = f"IdentityFile {self.gateway.target.key_filename}\n"
        hosts = f"Host {self.first.address} {self.second.address}\n  ProxyJump {','.join(hops)}\n"
        # Debian hashes names, which the tests read.
        (self.project.home / ".ssh" / "config").write_text(f"User root\nHashKnownHosts no\n{key}{hosts}")

    def known_hosts(self) -> Path:
        return self.project.home / ".ssh" / "known_hosts"

    def script(self, text: str, folder: Path | None = None) -> subprocess.Popen[str]:
        """Start a script of the user's, in the project's folder."""
        hosts = [self.gateway.address, self.first.address, self.second.address]
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT + text, *hosts],
            cwd=folder or self.project.folder,
            env=self.project.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self, text: str, folder: Path | None = None) -> list[str]:
        """The lines that a script prints."""
        output, errors = self.script(text, folder).communicate(timeout=60)
        assert errors == ""
        return output.splitlines()


def logins(vps: Vps) -> int:
    """How often sshd has let somebody in, the one who asks included."""
    return vps.run("journalctl --sync; journalctl -u ssh --output cat").count("Accepted publickey")


@pytest.fixture(scope="module")
def hosts(boot: Callable[..., Vps]) -> Iterator[tuple[Vps, Vps, Vps]]:
    gateway, first, second = boot(), boot(), boot()
    first.hide()
    second.hide()
    yield gateway, first, second
    for vps in (gateway, first, second):
        vps.sandbox.destroy(vps.name)


@pytest.fixture
def behind(hosts: tuple[Vps, Vps, Vps], tmp_path: Path) -> Behind:
    gateway, first, second = hosts
    project = make_project(tmp_path, gateway)
    project.names_hosts = False
    project.settings(roles={"web": [first.spec, second.spec]})
    found = Behind(project, gateway, first, second)
    found.jump(gateway.spec)
    return found


def test_all_hosts_behind_a_gateway_share_one_connection_to_it(behind: Behind) -> None:
    before = logins(behind.gateway)
    done = behind.project.fab("provision", "--dry-run")
    assert behind.first.address in done.stdout
    assert behind.second.address in done.stdout
    assert done.stderr == ""
    assert logins(behind.gateway) - before == 2  # that of fab, and ours


def test_however_many_threads_ask_there_is_one_connection_to_each_place(behind: Behind) -> None:
    before = logins(behind.gateway)
    found = behind.said("""
with ThreadPoolExecutor(50) as threads:
    connections = list(threads.map(lambda host: opened(Connection(host)), [first, second] * 25))
print(*(c.run("hostname", hide=True).stdout.strip() for c in connections[:2]))
print(len({c.transport for c in connections}))
""")
    assert found == [f"{behind.first.name} {behind.second.name}", "2"]
    assert logins(behind.gateway) - before == 2


def test_new_hosts_are_remembered_by_their_own_names_in_whole_lines(behind: Behind) -> None:
    known = behind.known_hosts().read_text()
    behind.known_hosts().write_text("")
    errors = behind.project.fab("provision", "--dry-run").stderr.splitlines()
    addresses = {behind.gateway.address, behind.first.address, behind.second.address}
    assert {line.partition(":")[0] for line in errors if "new host; its key" in line} == addresses
    assert len(errors) == 3
    remembered = dict(line.split(maxsplit=1) for line in behind.known_hosts().read_text().splitlines())
    assert remembered.keys() == addresses
    assert all(key in known for key in remembered.values())


@pytest.mark.parametrize("changed", ["gateway", "first"])
def test_a_changed_host_key_is_refused_on_the_whole_way(behind: Behind, changed: str) -> None:
    address = getattr(behind, changed).address
    other = next(line for line in behind.known_hosts().read_text().splitlines() if behind.second.address in line)
    lines = [line for line in behind.known_hosts().read_text().splitlines() if address not in line]
    lines.append(f"{address} {other.split(maxsplit=1)[1]}")
    behind.known_hosts().write_text("\n".join(lines) + "\n")
    errors = behind.project.fab("-H", behind.first.spec, "status", status=1).stderr
    assert f"{address}: the host's key has CHANGED" in errors
    assert f"ssh-keygen -R {address}" in errors
    assert behind.known_hosts().read_text().splitlines() == lines


def test_a_dead_host_behind_a_gateway_costs_the_connect_timeout_and_harms_no_other(behind: Behind) -> None:
    behind.first.unplug()
    try:
        found = behind.said("""
def reach(host):
    try:
        return opened(Connection(host, connect_timeout=1)).run("hostname", hide=True).stdout.strip()
    except ConnectError as error:
        return error
with ThreadPoolExecutor(2) as threads:
    print(*threads.map(reach, [first, second]), sep="\\n")
""")
    finally:
        behind.first.plug()
    assert found[0].startswith(f"root@{behind.first.address}: through gateway root@{behind.gateway.address}: ")
    assert "no answer within 1 s" in found[0]
    assert found[1] == behind.second.name


def test_a_dead_gateway_is_tried_once_for_all_and_named_by_each(behind: Behind) -> None:
    behind.gateway.unplug()
    try:
        errors = behind.said("""
def reach(host):
    try:
        opened(Connection(host, gateway=Connection(gateway, connect_timeout=2)))
    except ConnectError as error:
        return error
with ThreadPoolExecutor(50) as threads:
    print(*threads.map(reach, [f"web{number}" for number in range(50)]), sep="\\n")
""")
    finally:
        behind.gateway.plug()
    beginnings = [f"root@web{number}: through gateway root@{behind.gateway.address}: no SSH" for number in range(50)]
    assert [error[: len(start)] for error, start in zip(errors, beginnings, strict=True)] == beginnings


def test_a_host_that_goes_silent_behind_a_gateway_ends_its_session_and_no_other(behind: Behind) -> None:
    process = behind.script("""
transport.KEEPALIVE, transport.DEAD_PEER_TIMEOUT = 1, 3
channels = []
for host in (first, second):
    channels.append(opened(Connection(host)).transport.open_session())
    channels[-1].exec_command("cat")
print("open", flush=True)
print(channels[0].recv(1))
channels[1].sendall(b"alive")
print(channels[1].recv(5))
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    behind.first.unplug()
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        behind.first.plug()
    assert (output, errors) == ("b''\nb'alive'\n", "")


def test_the_hops_of_a_proxy_jump_are_visited_in_their_order(behind: Behind) -> None:
    config = behind.project.home / ".ssh" / "config"
    behind.jump(behind.gateway.spec)
    to_second = f"Host {behind.second.address}\n  ProxyJump {behind.gateway.spec},{behind.first.spec}\n"
    config.write_text(to_second + "Host *\n" + config.read_text())
    found = behind.said("""
print(opened(Connection(second)).run("echo $SSH_CLIENT", hide=True).stdout.split()[0])
print(opened(Connection(first)).run("echo $SSH_CLIENT", hide=True).stdout.split()[0])
""")
    assert found == [behind.first.address, behind.gateway.address]


def test_a_jump_that_stands_in_an_included_file_is_made(behind: Behind) -> None:
    config = behind.project.home / ".ssh" / "config"
    jump = config.read_text().replace(behind.first.address, "web1")
    (config.parent / "more").write_text(f"{jump}Host web1\n  HostName {behind.first.address}\n")
    config.write_text(f"Include {config.parent}/more\n")
    behind.project.settings(roles={"web": ["web1"]})
    before = logins(behind.gateway)
    assert "web1" in behind.project.fab("provision", "--dry-run").stdout
    assert logins(behind.gateway) - before == 2
    program = """
try:
    opened(Connection("web1"))
except ConnectError as error:
    print(error)
"""
    assert "found proxyjump" in behind.said(program)[0]


def test_a_gateway_can_be_a_sandbox_host_and_be_given_in_each_of_fabrics_ways(behind: Behind) -> None:
    (behind.project.home / ".ssh" / "config").unlink()
    names = f"gateway, first, second = {[vps.name for vps in (behind.gateway, behind.first, behind.second)]}\n"
    before = logins(behind.gateway)
    found = behind.said(
        names
        + """
config = Config(overrides={"gateway": Connection(gateway)})
for c in (Connection(first, gateway=Connection(gateway)), Connection(second, config=config)):
    print(opened(c).run("hostname", hide=True).stdout.strip())
""",
        folder=behind.gateway.sandbox.project,
    )
    assert found == [behind.first.name, behind.second.name]
    assert logins(behind.gateway) - before == 2


def test_a_proxy_command_leads_there_too(behind: Behind) -> None:
    (behind.project.home / ".ssh" / "config").unlink()
    target = behind.gateway.target
    command = f"ssh -i {target.key_filename} -o UserKnownHostsFile={target.known_hosts} -W %h:%p {behind.gateway.spec}"
    behind.project.settings(roles={"web": [behind.first.spec, behind.second.spec]}, gateway=command)
    assert behind.second.address in behind.project.fab("provision", "--dry-run").stdout


def test_a_proxy_command_that_ends_is_named(behind: Behind) -> None:
    (behind.project.home / ".ssh" / "config").unlink()
    behind.project.settings(roles={"web": [behind.first.spec]}, gateway="false")
    errors = behind.project.fab("-H", behind.second.spec, "status", status=1).stderr
    assert f"{behind.second.spec}: through the command `false`: no SSH connection: it closed the connection" in errors
