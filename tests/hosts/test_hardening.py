"""What the hardening promises: doors are shut to others, and never on whoever shuts them."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project

# A firewall that lets in nobody who is not in yet.
LOCKOUT = """\
include "{{ ports }}"
table inet hostsmith
delete table inet hostsmith
table inet hostsmith {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif "lo" accept
    }
}
"""


@pytest.fixture(scope="module")
def booted(
    boot: Callable[..., Vps], sandbox: Sandbox, provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(provisioned_image)
    yield make_project(tmp_path_factory.mktemp("hardened"), vps)
    sandbox.destroy(vps.name)


@pytest.fixture
def hard(booted: Project) -> Iterator[Project]:
    """A project with a hardened host, which is given back as it was found."""
    vps = booted.vps
    vps.run("rm -rf /root/before; mkdir /root/before; cp -a /etc/ssh /etc/hostsmith /root/before")
    yield booted
    vps.user = "root"
    with contextlib.suppress(FileNotFoundError):
        (booted.folder / "templates/nftables/firewall.nft.j2").unlink()
    booted.settings()
    vps.run(
        "rm -rf /etc/ssh /etc/hostsmith; cp -a /root/before/ssh /root/before/hostsmith /etc/;"
        "systemctl reset-failed ssh; systemctl restart ssh;"
        "nft delete table inet other 2>/dev/null; rm -f /etc/ufw/ufw.conf; nft -f /etc/hostsmith/firewall.nft"
    )


def ssh(vps: Vps, *options: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    """Log in with OpenSSH."""
    known = [f"-oUserKnownHostsFile={vps.target.known_hosts}", "-oConnectTimeout=5"]
    argv = ["ssh", *known, *options, f"{user}@{vps.address}", "id -un"]
    return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def with_key(vps: Vps, user: str = "root") -> subprocess.CompletedProcess[str]:
    return ssh(vps, "-oBatchMode=yes", "-i", vps.target.key_filename, user=user)


def add_admin(vps: Vps, sudo: str) -> None:
    vps.run(
        "id -u dev >/dev/null 2>&1 || useradd --create-home --shell /bin/bash dev;"
        " install -d -o dev -m 700 /home/dev/.ssh;"
        " install -o dev -m 600 /root/.ssh/authorized_keys /home/dev/.ssh/;"
        f" echo '{sudo}' > /etc/sudoers.d/dev"
    )
    vps.user = "dev"


def answers(vps: Vps, port: int) -> bool:
    try:
        with socket.create_connection((vps.address, port), timeout=1):
            return True
    except OSError:
        return False


def listening(vps: Vps, port: int) -> None:
    """Have something listen on a port of the host, for everybody."""
    vps.run(f"systemd-run --quiet --collect --unit listen-{port} python3 -m http.server {port}")
    vps.run(f"for i in $(seq 100); do ss -Hltn sport = :{port} | grep -q . && exit 0; sleep 0.1; done; exit 1")


def table(vps: Vps) -> str:
    return vps.run("nft list chain inet hostsmith input")


def test_ssh_takes_keys_and_no_passwords(hard: Project) -> None:
    vps = hard.vps
    vps.run("echo root:s3cret-word | chpasswd")
    refused = ssh(vps, "-oPubkeyAuthentication=no", "-oNumberOfPasswordPrompts=1")
    assert "Permission denied (publickey)" in refused.stderr
    assert with_key(vps).stdout == "root\n"


def test_root_is_shut_out_once_another_admin_has_come(hard: Project) -> None:
    vps = hard.vps
    add_admin(vps, "dev ALL=(ALL) NOPASSWD: ALL")
    # As long as root comes, root may.
    assert with_key(vps).stdout == "root\n"
    hard.fab("provision")
    assert "Permission denied (publickey)" in with_key(vps).stderr
    assert with_key(vps, "dev").stdout == "dev\n"
    assert hard.json("provision")["hosts"][0]["counts"]["changed"] == 0
    known = [f"-oUserKnownHostsFile={vps.target.known_hosts}", "-oBatchMode=yes", "-i", vps.target.key_filename]
    open_again = "sudo rm /etc/ssh/sshd_config.d/00-hostsmith-root.conf && sudo systemctl restart ssh"
    subprocess.run(["ssh", *known, f"dev@{vps.address}", open_again], check=True)


def test_root_may_come_while_the_other_may_not_do_all_that_root_may(hard: Project) -> None:
    add_admin(hard.vps, "dev ALL=(root) NOPASSWD: ALL, !/usr/bin/passwd")
    hard.fab("provision")
    assert with_key(hard.vps).stdout == "root\n"


def test_who_comes_by_password_is_not_locked_out(hard: Project) -> None:
    vps = hard.vps
    vps.run(
        "echo root:s3cret-word | chpasswd; rm /etc/ssh/sshd_config.d/00-hostsmith*;"
        "printf 'PermitRootLogin yes\\n' > /etc/ssh/sshd_config.d/50-provider.conf; systemctl restart ssh"
    )
    before = vps.run("cat /etc/ssh/sshd_config.d/*; sshd -T")
    hard.settings(connect_kwargs={"password": "s3cret-word", "look_for_keys": False, "allow_agent": False})
    argv = [hard.argv()[0], "-H", vps.spec, "provision"]
    done = subprocess.run(argv, cwd=hard.folder, env=hard.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "rolled back, because you could no longer log in" in done.stdout
    assert "authentication failed" in done.stdout
    assert "s3cret-word" not in done.stdout + done.stderr
    assert vps.run("cat /etc/ssh/sshd_config.d/*; sshd -T") == before


def test_a_file_that_sshd_does_not_heed_is_an_error_and_is_put_back(hard: Project) -> None:
    vps = hard.vps
    vps.run("rm /etc/ssh/sshd_config.d/00-hostsmith*; sed -i /^Include/d /etc/ssh/sshd_config; systemctl restart ssh")
    done = hard.fab("provision", status=1)
    assert "found passwordauthentication yes, expected no" in done.stdout
    assert "hardening: {ssh: false}" in done.stdout
    assert "hostsmith" not in vps.run("ls /etc/ssh/sshd_config.d")


def test_a_file_that_sshd_does_not_heed_any_more_is_an_error(hard: Project) -> None:
    hard.vps.run("echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/00-a.conf")
    assert "found passwordauthentication yes, expected no" in hard.fab("provision", status=1).stdout


def test_a_file_that_sshd_refuses_is_put_back(hard: Project) -> None:
    hard.write("templates/ssh/hostsmith.conf.j2", "PasswordAuthentication maybe\n")
    done = hard.fab("provision", status=1)
    (hard.folder / "templates/ssh/hostsmith.conf.j2").unlink()
    assert "unsupported option" in done.stdout
    assert hard.vps.run("sshd -T | grep ^passwordauthentication") == "passwordauthentication no\n"


def test_the_firewall_lets_in_what_is_needed_and_leaves_the_tables_of_others(hard: Project) -> None:
    vps = hard.vps
    listening(vps, 8125)
    vps.run("nft add table inet other; nft add set inet other mine '{ type ipv4_addr; }'")
    others = vps.run("nft list table inet other")
    assert answers(vps, 22)
    assert vps.http("/").status
    assert not answers(vps, 8125)
    hard.settings(firewall={"allow": [{"port": 8125, "from": vps.address.rpartition(".")[0] + ".1"}]})
    hard.fab("provision")
    assert answers(vps, 8125)
    assert vps.run("nft list table inet other") == others


def test_all_ports_that_sshd_listens_on_are_open(hard: Project) -> None:
    vps = hard.vps
    vps.run("printf 'Port 22\\nPort 2222\\n' > /etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh")
    assert not answers(vps, 2222)
    hard.fab("provision")
    assert answers(vps, 2222)
    assert "port = 22, 2222" in vps.run("cat /etc/fail2ban/jail.d/hostsmith-ports.local")


def test_a_firewall_that_would_lock_us_out_is_put_back(hard: Project) -> None:
    vps = hard.vps
    before = table(vps)
    hard.write("templates/nftables/firewall.nft.j2", LOCKOUT)
    done = hard.fab("--connect-timeout", "2", "provision", status=1)
    assert "rolled back, because you could no longer log in" in done.stdout
    assert "no answer within 2 s" in done.stdout
    assert table(vps) == before


def test_a_controller_that_dies_before_it_is_proven_leaves_the_door_as_it_was(hard: Project) -> None:
    vps = hard.vps
    before = table(vps)
    hard.write("templates/nftables/firewall.nft.j2", LOCKOUT)
    running = hard.start("--connect-timeout", "50", "provision")
    limit = time.monotonic() + 60
    while answers(vps, 22):
        assert time.monotonic() < limit, "the new rules never came"
    running.send_signal(signal.SIGKILL)
    running.communicate()
    while not answers(vps, 22):
        assert time.monotonic() < limit, "the host did not put them back"
    assert table(vps) == before


def test_rules_that_nft_refuses_never_reach_the_kernel(hard: Project) -> None:
    before = table(hard.vps)
    hard.write("templates/nftables/firewall.nft.j2", "table inet hostsmith { chain input { nonsense } }\n")
    assert "syntax error" in hard.fab("provision", status=1).stdout
    assert table(hard.vps) == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            "nft 'table inet other { chain in { type filter hook input priority 0; policy drop;"
            " ct state established accept; tcp dport { 22, 80 } accept; }; }'",
            "the table inet other already filters input here",
        ),
        ("mkdir -p /etc/ufw; echo ENABLED=yes > /etc/ufw/ufw.conf", "ufw is active here"),
    ],
    ids=["nftables", "ufw"],
)
def test_another_firewall_is_not_fought(hard: Project, other: str, said: str) -> None:
    vps = hard.vps
    vps.run(other)
    before = table(vps)
    hard.settings(firewall={"allow": [{"port": 8125}]})
    done = hard.fab("provision")
    assert said in done.stdout
    assert table(vps) == before


def test_a_table_that_was_emptied_is_loaded_again(hard: Project) -> None:
    hard.vps.run("nft flush ruleset")
    hard.fab("provision")
    assert "policy drop" in table(hard.vps)


def test_who_opens_many_connections_is_slowed_down_unless_trusted(hard: Project) -> None:
    vps = hard.vps
    got_in, tried, limit = 0, 0, time.monotonic() + 60
    with ThreadPoolExecutor(20) as pool:
        # One a second more is let in: how many there are until one is not depends on how fast this machine is.
        while got_in == tried:
            assert time.monotonic() < limit, f"{tried} got in, and none was slowed down"
            got_in, tried = got_in + sum(pool.map(lambda _: answers(vps, 22), range(20))), tried + 20
    assert got_in >= 90
    # Slowed down, and not shut out: TCP tries again by itself.
    assert with_key(vps).stdout == "root\n"
    here = vps.address.rpartition(".")[0] + ".1"
    assert here in vps.run("nft list set inet hostsmith ssh_clients")
    hard.settings(firewall={"trusted": here})
    hard.fab("provision")
    # Not even counted.
    assert here not in vps.run("nft list set inet hostsmith ssh_clients")


def test_an_address_that_keeps_failing_is_banned_and_no_other(
    hard: Project, boot: Callable[..., Vps], provisioned_image: str
) -> None:
    vps, scanner = hard.vps, boot(provisioned_image)
    # A ban that comes amid an attempt leaves its connection hanging.
    attempt = f"timeout 5 ssh -oBatchMode=yes -oStrictHostKeyChecking=no -oConnectTimeout=2 admin@{vps.address} 2>&1"
    scanner.run(f"for i in $(seq 60); do {attempt} | grep -q denied || exit 0; done; exit 1")
    assert vps.run("fail2ban-client get sshd banip").split() == [scanner.address]
    assert with_key(vps).stdout == "root\n"
    scanner.sandbox.destroy(scanner.name)


def test_security_upgrades_come_by_themselves_and_reboot_nothing(hard: Project) -> None:
    told = hard.vps.run("apt-config dump")
    for line in (
        'APT::Periodic::Unattended-Upgrade "1";',
        'APT::Periodic::Update-Package-Lists "1";',
        'Unattended-Upgrade::Automatic-Reboot "false";',
    ):
        assert line in told
    assert "enabled" in hard.vps.run("systemctl is-enabled apt-daily-upgrade.timer")


def test_values_of_the_kernel_are_set_where_that_can_be(hard: Project) -> None:
    vps = hard.vps
    assert vps.run("cat /proc/sys/net/ipv4/conf/*/accept_redirects").split() == ["0"] * len(
        vps.run("ls /proc/sys/net/ipv4/conf").split()
    )
    vps.run("echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects; rm /etc/sysctl.d/60-hostsmith.conf")
    done = hard.fab("provision")
    assert "1 values set" in done.stdout
    # A container's kernel is not its own: told, and no failure.
    assert "kernel.kptr_restrict" in done.stdout
    assert vps.run("cat /proc/sys/net/ipv4/conf/all/accept_redirects") == "0\n"


def test_switched_off_it_is_gone(hard: Project) -> None:
    vps = hard.vps
    listening(vps, 8126)
    hard.settings(hardening=False)
    hard.fab("provision")
    assert answers(vps, 8126)
    left = vps.run("nft list tables; ls /etc/ssh/sshd_config.d /etc/sysctl.d /etc/apt/apt.conf.d")
    # Which part is on or off is no matter to who may log in as an app.
    assert re.findall(r".*hostsmith.*", left) == ["00-hostsmith-hello.conf"]
    hard.settings()
    # Who puts the firewall up is told what that shuts.
    assert "python3 on 8126/tcp" in hard.fab("provision").stdout
    assert not answers(vps, 8126)


def test_the_firewall_is_there_after_a_boot(hard: Project) -> None:
    vps = hard.vps
    before = table(vps)
    vps.sandbox.kill(vps.name)
    vps.sandbox.start(vps.name)
    assert table(vps) == before
    assert vps.run("systemctl is-active hostsmith-firewall fail2ban").split() == ["active", "active"]
