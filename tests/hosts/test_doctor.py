"""What `fab doctor` promises: it finds what is not in order, says what to mend, and is silent about what is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], sandbox: Sandbox, provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(provisioned_image)
    yield make_project(tmp_path_factory.mktemp("doctor"), vps)
    sandbox.destroy(vps.name)


def findings(project: Project, *, status: int = 0) -> dict[str, dict[str, str]]:
    """What there is to see to on the host, by check."""
    ((_, found),) = project.json("doctor", status=status)["hosts"].items()
    return {each["check"]: each for each in found if each["state"] in ("wrong", "advice")}


def test_a_host_as_provision_leaves_it_is_healthy(project: Project) -> None:
    done = project.fab("doctor")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(project.vps.address))
    assert line.endswith("ssh, firewall, upgrades, fail2ban, sysctl  healthy")
    assert findings(project) == {}


# What is done to the host, which check finds it, how bad it is, and words of what is said.
SPOILT = [
    ("systemctl stop nginx", "systemctl start nginx", "services", "wrong", "nginx is inactive", "fab provision"),
    ("systemd-run -qu bad false", "systemctl reset-failed", "units", "wrong", "bad.service", "systemctl status"),
    (
        "mkdir -p /etc/letsencrypt/live/a.example; openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -days 5"
        " -keyout /dev/null -out /etc/letsencrypt/live/a.example/cert.pem 2>/dev/null",
        "rm -r /etc/letsencrypt",
        "certificates",
        "wrong",
        "a.example expires in 4 days",
        "certbot renew",
    ),
    (
        "echo linux-image-amd64 > /run/reboot-required.pkgs; touch /run/reboot-required",
        "rm /run/reboot-required*",
        "reboot",
        "advice",
        "linux-image-amd64",
        "reboot",
    ),
    (
        "systemd-run -qu listen python3 -m http.server 9999; until ss -Hltn sport = :9999 | grep -q .; do :; done",
        "systemctl stop listen",
        "ports",
        "advice",
        "python3 on 9999/tcp",
        "firewall: {allow",
    ),
    (
        "nft flush ruleset",
        "systemctl restart hostsmith-firewall",
        "firewall",
        "wrong",
        "not in effect",
        "fab provision",
    ),
    ("systemctl stop fail2ban", "systemctl start fail2ban", "fail2ban", "wrong", "not in effect", "fab provision"),
    (
        "mv /etc/ssh/sshd_config.d/00-hostsmith.conf /root",
        "mv /root/00-hostsmith.conf /etc/ssh/sshd_config.d",
        "ssh",
        "wrong",
        "not in effect",
        "fab provision",
    ),
    (
        "sed -i 's/^Status: install ok installed/Status: install ok half-configured/;T;:a;n;ba' /var/lib/dpkg/status",
        "dpkg --configure -a",
        "apt",
        "wrong",
        "",
        "dpkg --configure -a",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "mend", "check", "state", "found", "advice"), SPOILT, ids=[each[2] for each in SPOILT]
)
def test_what_is_not_in_order_is_found_with_what_to_mend(
    project: Project, spoil: str, mend: str, check: str, state: str, found: str, advice: str
) -> None:
    project.vps.run(spoil)
    try:
        seen = findings(project, status=1 if state == "wrong" else 0)
    finally:
        project.vps.run(mend)
    assert (seen[check]["state"], set(seen)) == (state, {check})
    assert found in seen[check]["found"]
    assert advice in seen[check]["mend"]


def test_a_host_that_is_away_is_told_beside_the_others(project: Project) -> None:
    project.names_hosts = False
    away = "root@203.0.113.99"
    project.settings(roles={"web": [project.vps.spec, away]})
    done = project.fab("--connect-timeout", "1", "doctor", status=1)
    project.names_hosts = True
    project.settings()
    told: dict[str, Any] = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert told["203.0.113.99"].endswith("1 wrong")
    assert "no SSH connection" in done.stdout
    assert "wrong: 203.0.113.99 (1)" in done.stderr
