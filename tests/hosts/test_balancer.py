"""What a balancer promises: no reload, drain or dying host costs a request, and no client lies about itself."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load

# Its home page is the host's name, then who the client is said to be.
APP = """\
import json
import socket
import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/echo":
        return echo(environ["gunicorn.socket"])
    if path == "/slow":
        time.sleep(3)
    names = ("HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")
    told = json.dumps({name: environ.get(name) for name in names})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{socket.gethostname()}\\n{told}\\n".encode()]


def echo(connection):
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: upgrade\\r\\n")
    # HAProxy looks whether it belongs to the key below.
    connection.sendall(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n")
    connection.sendall(connection.recv(100))
    connection.close()
    raise SystemExit
"""
# Draining alone, kept and put back; a deploy holds it only while the host switches.
FABFILE = """\
import json

from hostsmith import Validated, converge, load, ns, recipes, role, task
from hostsmith.openssh.host import Host
from hostsmith.connection import requests
from hostsmith.connection.session import open_session


def drained(c, host):
    return recipes.haproxy.drained(load(c), Host.parse(host))


@task(hosts=role("lb"))
def drain(c, host):
    converge(c, [drained(c, host)])


@task(hosts=role("lb"))
def drain_in_vain(c, host):
    converge(c, [Validated("drill", (drained(c, host),), validate=["false"])])


@task(hosts=role("lb"))
def servers(c):
    with open_session(c) as session:
        print(json.dumps(session.request(requests.ask("balancer", app=load(c).app))))


for own in (drain, drain_in_vain, servers):
    ns.add_task(own)
"""


@dataclass
class Fleet:
    """A balancer and the two web hosts behind it."""

    project: Project
    lb: Vps
    web: tuple[Vps, Vps]

    def settings(self, **changes: Any) -> None:
        """Write the settings with these changes."""
        roles = {"web": [vps.spec for vps in self.web], "lb": [self.lb.spec]}
        # This machine, too, asks the web hosts themselves.
        firewall = {"allow": [{"port": 80, "from": here(self.lb)}]}
        base = {"roles": roles, "static": {}, "threads": 8, "firewall": firewall}
        self.project.settings(**{**base, **changes})

    def provision_balancer(self, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Bring the balancer alone to settings with these changes."""
        self.settings(**changes)
        return self.project.fab("-H", self.lb.spec, "provision")

    def servers(self) -> dict[str, dict[str, Any]]:
        """What HAProxy says of the web hosts, by their name there."""
        lines = self.project.fab("servers").stdout.splitlines()
        found = json.loads(next(line for line in lines if line.startswith("[")))
        return {server["name"]: server for server in found}

    def wait_until_asked(self, vps: Vps) -> None:
        """Wait until a web host is at work on a request."""
        deadline = time.monotonic() + 30
        while not self.servers()[vps.address]["sessions"]:
            assert time.monotonic() < deadline, f"nobody asks {vps.name}"

    def wait_until(self, vps: Vps, status: str) -> None:
        """Wait until HAProxy has seen that a web host is up, or down."""
        deadline = time.monotonic() + 60
        while (found := self.servers()[vps.address]["status"]) != status:
            assert time.monotonic() < deadline, f"{vps.name} is {found}, expected {status}"

    def worker(self) -> str:
        """The process that serves in HAProxy."""
        return self.lb.run("pgrep --newest --exact haproxy").strip()

    def answering(self, requests: int) -> Counter[str]:
        """Which hosts answer so many requests, one after another."""
        return Counter(self.lb.http("/").body.partition("\n")[0] for _ in range(requests))


def here(vps: Vps) -> str:
    """The address of this machine, as a host sees it."""
    return vps.address.rpartition(".")[0] + ".1"


def hostname(vps: Vps) -> str:
    return vps.run("hostname").strip()


@pytest.fixture(scope="module")
def booted(
    boot: Callable[..., Vps], sandbox: Sandbox, deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    lb, web = boot(), (boot(deployed_image), boot(deployed_image))
    project = make_project(tmp_path_factory.mktemp("balanced"), lb)
    project.works_on({}, *web)
    fleet = Fleet(project, lb, web)
    project.write("hello.py", APP)
    project.write("fabfile.py", FABFILE)
    fleet.settings()
    project.commit("an app that says who answers and what it is told")
    for vps in web:
        vps.wait_for_site()
    project.fab("provision")
    project.fab("-H", ",".join(vps.spec for vps in web), "deploy")
    yield fleet
    for vps in (lb, *web):
        sandbox.destroy(vps.name)


@pytest.fixture
def fleet(booted: Fleet) -> Iterator[Fleet]:
    """The fleet as every test finds it: both web hosts are up, with the plain settings."""
    booted.settings()
    for vps in booted.web:
        booted.wait_until(vps, "UP")
    yield booted
    (booted.project.folder / "templates/haproxy/haproxy.cfg.j2").unlink(missing_ok=True)


def test_both_web_hosts_answer_and_a_second_provision_changes_nothing(fleet: Fleet) -> None:
    assert set(fleet.answering(10)) == {hostname(vps) for vps in fleet.web}
    assert [report["counts"]["changed"] for report in fleet.project.json("provision")["hosts"]] == [0, 0, 0]
    assert "nginx" not in fleet.lb.run("dpkg --get-selections")


def test_the_app_sees_the_client_and_no_lie_reaches_it(fleet: Fleet) -> None:
    client = fleet.lb.address.rpartition(".")[0] + ".1"
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=6.6.6.6",
    }
    truth = {
        "HTTP_HOST": "hello.example",
        "HTTP_X_FORWARDED_FOR": client,
        "HTTP_X_REAL_IP": client,
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_FORWARDED": None,
    }
    for headers in ({}, lies):
        balanced = fleet.lb.http("/?balanced", host="hello.example", headers=headers)
        assert json.loads(balanced.body.splitlines()[1]) == truth
    direct = fleet.web[0].http("/?direct", host="hello.example", headers=lies)
    assert json.loads(direct.body.splitlines()[1]) == truth
    logs = [vps.run("grep -h balanced /var/log/nginx/hello.access.log || true") for vps in fleet.web]
    assert {line.split()[0] for line in "".join(logs).splitlines()} == {client}
    assert client in fleet.lb.run("journalctl -t haproxy --output cat | grep balanced")


def test_a_web_host_answers_its_balancers_and_nobody_else(fleet: Fleet) -> None:
    fleet.settings(firewall={})
    fleet.project.fab("provision", "--role", "web")
    assert fleet.lb.http("/").status == 200
    for vps in fleet.web:
        with pytest.raises(TimeoutError):
            socket.create_connection((vps.address, 80), timeout=1)
    fleet.settings()
    fleet.project.fab("provision", "--role", "web")


def test_websockets_pass(fleet: Fleet) -> None:
    with socket.create_connection((fleet.lb.address, 80), timeout=30) as connection:
        connection.sendall(
            b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        stream = connection.makefile("rb")
        assert b"101" in stream.readline()
        while stream.readline().strip():
            pass
        connection.sendall(b"hello")
        assert stream.read() == b"hello"


def test_a_configuration_that_haproxy_refuses_never_reaches_it(fleet: Fleet) -> None:
    before = fleet.lb.run("cat /etc/haproxy/haproxy.cfg"), fleet.worker()
    fleet.project.write("templates/haproxy/haproxy.cfg.j2", "global\n    bogus on\n")
    done = fleet.project.fab("-H", fleet.lb.spec, "provision", status=1)
    assert "unknown keyword 'bogus'" in done.stdout
    assert (fleet.lb.run("cat /etc/haproxy/haproxy.cfg"), fleet.worker()) == before
    assert fleet.lb.http("/").status == 200


def test_a_configuration_that_does_not_work_out_is_told_and_the_old_one_serves(fleet: Fleet) -> None:
    ours = Path(__file__).parents[2] / "templates/haproxy/haproxy.cfg.j2"
    # sshd's port: HAProxy finds that out only when it listens.
    fleet.project.write("templates/haproxy/haproxy.cfg.j2", ours.read_text().replace("0.0.0.0:80", "0.0.0.0:22"))
    done = fleet.project.fab("-H", fleet.lb.spec, "provision", status=1)
    assert "HAProxy still uses its old configuration" in done.stdout
    assert "cannot bind socket" in done.stdout
    assert fleet.lb.http("/").status == 200
    (fleet.project.folder / "templates/haproxy/haproxy.cfg.j2").unlink()
    assert "reload haproxy" in fleet.provision_balancer().stdout
    assert fleet.lb.http("/").status == 200


def test_a_reload_drops_no_request(fleet: Fleet) -> None:
    workers = [fleet.worker()]
    with Load(fleet.lb.address, connections=32) as load:
        for number in range(3):
            load.wait_for(200)
            fleet.provision_balancer(balancer={"rate_limit": 1_000_000 - number})
            workers.append(fleet.worker())
        load.wait_for(200)
    assert load.failed == []
    assert len(set(workers)) == 4
    fleet.provision_balancer()


def test_in_maintenance_the_balancer_shows_the_page_even_of_an_app_that_is_stopped(fleet: Fleet) -> None:
    try:
        fleet.project.fab("maintenance.on", "--retry-after", "33")
        for vps in fleet.web:
            vps.run("supervisorctl stop all")
            # A question of the balancer's that began after that.
            vps.run("cd /var/log/nginx; tail -Fn0 hello.access.log | grep -qm1 hostsmith-health")
        assert {server["status"] for server in fleet.servers().values()} == {"UP"}
        for _ in range(4):
            answer = fleet.lb.http("/", headers={"X-Forwarded-For": "127.0.0.1"})
            assert (answer.status, answer.headers["retry-after"]) == (503, "33")
        for vps in fleet.web:
            vps.run("supervisorctl start all")
            vps.wait_for_site()
        fleet.project.fab("maintenance.on", "--allow", here(fleet.lb))
        assert set(fleet.answering(4)) == {hostname(vps) for vps in fleet.web}
    finally:
        fleet.project.fab("maintenance.off")


def test_requests_go_by_weight(fleet: Fleet) -> None:
    first, second = fleet.web
    roles = {"web": [{"host": first.spec, "weight": 3}, second.spec], "lb": [fleet.lb.spec]}
    fleet.provision_balancer(roles=roles)
    assert fleet.answering(20) == {hostname(first): 15, hostname(second): 5}
    fleet.provision_balancer(roles=roles, balancer={"algorithm": "leastconn"})
    with Load(fleet.lb.address, connections=8) as load:
        load.wait_for(200)
    assert load.answers[hostname(first)] > load.answers[hostname(second)] > 0
    fleet.provision_balancer()


def test_a_client_that_asks_too_often_is_answered_429(fleet: Fleet) -> None:
    fleet.provision_balancer(balancer={"rate_limit": 20})
    statuses = [fleet.lb.http("/").status for _ in range(40)]
    assert statuses[:20] == [200] * 20
    assert statuses[-1] == 429
    assert fleet.lb.http("/").headers["retry-after"] == "10"
    ask = f"import urllib.request as u; print(u.urlopen('http://{fleet.lb.address}/').status)"
    assert fleet.web[0].run(f'python3 -c "{ask}"').strip() == "200", "each client counts by itself"
    fleet.provision_balancer()
    assert fleet.lb.http("/").status == 200


def test_a_web_host_that_falls_silent_costs_no_visitor_a_page(fleet: Fleet) -> None:
    silent, _ = fleet.web
    with Load(fleet.lb.address, connections=16) as load, Load(fleet.lb.address, connections=8, path="/slow") as slow:
        slow.wait_for_everybody()
        # Nothing comes back from it any more, as from one without power, and nothing says so either.
        silent.run(f"ip route add blackhole {fleet.lb.address}")
        before = load.answers[hostname(silent)]
        for visitors in (load, slow):
            visitors.wait_for_everybody(limit=25)
        fleet.wait_until(silent, "DOWN")
        silent.run(f"ip route del blackhole {fleet.lb.address}")
        fleet.wait_until(silent, "UP")
        load.wait_for(200)
        assert load.answers[hostname(silent)] > before, "it is taken in again"
    assert load.failed == []
    assert slow.failed == []


def test_a_power_cut_costs_the_requests_in_flight_that_may_be_asked_once_only(fleet: Fleet) -> None:
    dying, other = fleet.web
    with Load(fleet.lb.address, connections=8, method="POST", path="/slow") as load:
        load.wait_for_everybody()
        fleet.wait_until_asked(dying)
        dying.sandbox.kill(dying.name)
        fleet.wait_until(dying, "DOWN")
        load.wait_for_everybody()
    assert 0 < len(load.failed) <= load.connections
    assert set(fleet.answering(10)) == {hostname(other)}
    dying.sandbox.start(dying.name)
    fleet.wait_until(dying, "UP")
    assert set(fleet.answering(10)) == {hostname(vps) for vps in fleet.web}


def test_a_host_that_is_drained_finishes_its_requests_and_gets_no_new_ones(fleet: Fleet) -> None:
    drained, other = fleet.web
    with Load(fleet.lb.address, connections=8) as load, Load(fleet.lb.address, connections=8, path="/slow") as slow:
        load.wait_for(100)
        fleet.project.fab("drain", "--host", drained.spec)
        assert fleet.servers()[drained.address]["status"] == "DRAIN"
        assert fleet.servers()[drained.address]["sessions"] == 0
        before = load.answers + slow.answers
        load.wait_for(200)
        slow.wait_for(8)
        assert (load.answers + slow.answers)[hostname(drained)] == before[hostname(drained)]
        # The last one that serves is not drained, or nobody would answer.
        done = fleet.project.fab("drain", "--host", other.spec)
        assert f"{other.address} is not drained: no other host of hello is serving" in done.stdout
        # Once more, in a group that fails after it: put back.
        fleet.project.fab("drain-in-vain", "--host", drained.spec, status=1)
        assert fleet.servers()[drained.address]["status"] == "UP"
        load.wait_for(200)
        assert (load.answers + slow.answers)[hostname(drained)] > before[hostname(drained)]
    assert load.failed == []
    assert slow.failed == []


def test_a_balancer_that_has_no_power_for_a_while_comes_back(fleet: Fleet) -> None:
    fleet.lb.sandbox.kill(fleet.lb.name)
    fleet.lb.sandbox.start(fleet.lb.name)
    for vps in fleet.web:
        fleet.wait_until(vps, "UP")
    assert set(fleet.answering(10)) == {hostname(vps) for vps in fleet.web}
