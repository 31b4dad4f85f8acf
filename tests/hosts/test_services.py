"""Services that an app asks for by name: it can use them, nobody else can, and its data and passwords stay."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostsmith.inventory import placement
from hostsmith.inventory.project import settings_of
from hostsmith.sandbox import Sandbox

from tests.docs import ROOT, blocks
from tests.hosts.conftest import HERE, Project, Vps, make_project

KINDS = ["postgres", "mysql", "redis", "memcached", "files"]
PORTS = {"postgres": 5432, "mysql": 3306, "redis": 6379, "memcached": 11211}
KEPT = "/var/lib/hostsmith/hello/services.json"
REQUIREMENTS = "gunicorn\npsycopg[binary]\npymysql\nredis\n"


def with_app(project: Project, **settings: Any) -> Project:
    shutil.copy(HERE / "services_app.py", project.folder / "hello.py")
    project.write("requirements.txt", REQUIREMENTS)
    project.settings(**settings)
    project.commit("an app that uses services")
    return project


@pytest.fixture(scope="module")
def image(
    boot: Callable[..., Vps], sandbox: Sandbox, provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An image of a host on which all services of the app hello were set up by `fab provision`."""
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("image"), vps)
    project.settings(services=KINDS)
    project.fab("provision")
    sandbox.snapshot(vps.name, "services")
    sandbox.destroy(vps.name)
    return "services"


@pytest.fixture(scope="module")
def own(
    boot: Callable[..., Vps], sandbox: Sandbox, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """An app that has its services on its own host, live."""
    vps = boot(image)
    project = with_app(make_project(tmp_path_factory.mktemp("own"), vps), services=KINDS)
    project.fab("deploy")
    yield project
    sandbox.destroy(vps.name)


def passwords(vps: Vps) -> list[str]:
    """The passwords that were made up on a host."""
    return vps.run(f'grep -oP \'"password": "\\K[^"]+\' {KEPT}').split()


def count(project: Project, service: str) -> int:
    """How often the app has written to a service, this time included."""
    answer = project.vps.http(f"/{service}")
    assert answer.status == 200, answer.body
    return int(answer.body.split()[0])


@pytest.mark.parametrize("service", KINDS)
def test_the_app_writes_and_reads_by_what_its_environment_says(own: Project, service: str) -> None:
    place = "/srv/hello/shared/files" if service == "files" else "127.0.0.1"
    assert own.vps.http(f"/{service}").body.endswith(f" at {place}")
    before = count(own, service)
    assert count(own, service) == before + 1


def test_data_and_passwords_outlive_a_deploy_and_a_provision_which_changes_nothing(own: Project) -> None:
    before, data = passwords(own.vps), {service: count(own, service) for service in KINDS}
    assert own.json("provision")["hosts"][0]["counts"]["changed"] == 0
    deployed = own.fab("deploy").stdout
    assert {service: count(own, service) - 1 for service in KINDS} == data
    assert passwords(own.vps) == before
    assert len(set(before)) == len(KINDS)
    assert not [password for password in before if password in deployed]


def test_a_command_has_the_variables_of_the_app_and_no_password_is_told(own: Project) -> None:
    # Set anew, since that could tell it.
    own.vps.run("runuser -u postgres -- psql -c \"ALTER ROLE hello PASSWORD 'other-word'\"")
    told = own.fab("provision").stdout
    use = "env && python -c 'import hello; print(hello.postgres(), hello.redis())'"
    told += own.fab("run", "--", use).stdout
    assert told.count("at 127.0.0.1") == 2
    told += own.fab("plan").stdout + own.vps.run("cat /var/log/postgresql/*.log; journalctl --no-pager")
    assert "CONFIG_PG_PASSWORD=***" in told and "DATABASE_URL=***" in told
    assert not [password for password in passwords(own.vps) if password in told]
    assert count(own, "postgres")
    assert own.vps.run(f"stat -c '%a %U' {KEPT}") == "600 root\n"


def test_beside_the_app_services_listen_on_loopback_alone(own: Project) -> None:
    listening = [line.split()[3].rpartition(":") for line in own.vps.run("ss -Hltn").splitlines()]
    theirs = [(address, int(port)) for address, _, port in listening if int(port) in PORTS.values()]
    assert {port for _, port in theirs} == set(PORTS.values())
    assert all(address.startswith(("127.", "[::1]")) for address, _ in theirs), theirs


def test_another_app_on_the_host_gets_no_further_than_its_own_database(own: Project) -> None:
    own.settings(app="shop", domains=["shop.example.com"], services={"postgres": {"extensions": ["citext"]}})
    own.fab("provision")
    own.settings(services=KINDS)
    sql = "SELECT datname FROM pg_database WHERE has_database_privilege('shop', datname, 'CONNECT')"
    reached = own.vps.run(f'runuser -u postgres -- psql -At -c "{sql}"').split()
    assert "shop" in reached and "hello" not in reached
    assert "citext" in own.vps.run("runuser -u postgres -- psql -d shop -c '\\dx'")


def test_a_port_that_another_has_is_told_with_the_line_to_write(own: Project) -> None:
    own.settings(app="shop", domains=["shop.example.com"], services=["redis"])
    told = own.fab("provision", status=1).stdout
    assert "port 6379 of this host is in use by redis-server@hello.service" in told
    assert "services: {redis: {port: 6380}}" in told
    own.settings(services=KINDS)


@pytest.mark.parametrize("service", ["postgres", "mysql", "redis", "files"])
def test_a_dump_comes_back_into_a_service_that_was_emptied(own: Project, service: str) -> None:
    settings = settings_of(app="hello", services=KINDS)
    (kind,) = [each for each in placement.services(settings) if each.name == service]
    restore = kind.restore()
    assert restore is not None
    before = count(own, service)

    def run(*commands: list[str], where: str = "") -> None:
        for argv in commands:
            own.vps.run(f"cd / && {shlex.join(argv)} {where}")

    run(kind.backup(), where="> /root/dump")
    run(*kind.clear())
    assert count(own, service) == 1
    run(*restore.prepare)
    run(restore.load, where="< /root/dump")
    # What is loaded is not there before it changes places.
    assert count(own, service) == 2
    run(*restore.swap)
    assert count(own, service) == before + 1
    run(kind.check())


def test_services_that_were_never_set_up_are_told_by_a_deploy(provisioned: Project) -> None:
    with_app(provisioned, services=["postgres", "redis"])
    told = provisioned.fab("deploy", status=1).stderr
    assert "postgres and redis of hello: not set up on its host yet" in told
    assert "fab provision" in told
    assert "+ DATABASE_URL" not in provisioned.fab("plan").stdout  # nothing is live yet


class Fleet:
    """An app on one host, with its services on another."""

    def __init__(self, project: Project, app: Vps, services: Vps, other: Vps) -> None:
        self.project, self.app, self.services, self.other = project, app, services, other


@pytest.fixture(scope="module")
def fleet(
    boot: Callable[..., Vps],
    sandbox: Sandbox,
    image: str,
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    app, services, other = boot(provisioned_image), boot(image), boot(image)
    kinds = [kind for kind in KINDS if kind != "files"]
    project = with_app(make_project(tmp_path_factory.mktemp("fleet"), app))
    roles = {"web": [app.spec], "db": [services.spec], "cache": [services.spec]}
    project.works_on(roles, services, services=kinds)
    project.fab("provision", "deploy")
    yield Fleet(project, app, services, other)
    for vps in (app, services, other):
        sandbox.destroy(vps.name)


def reached(vps: Vps, address: str) -> list[int]:
    """The ports of the services that a host reaches at an address."""
    code = f"""
import socket
for port in {sorted(PORTS.values())}:
    try:
        socket.create_connection(("{address}", port), timeout=1)
        print(port)
    except OSError:
        pass
"""
    return [int(port) for port in vps.run("python3 -", stdin=code).split()]


def test_an_app_uses_services_on_a_host_of_their_own(fleet: Fleet) -> None:
    for service in PORTS:
        answer = fleet.app.http(f"/{service}")
        assert answer.body.endswith(f"at {fleet.services.address}"), answer.body


def test_a_host_that_is_none_of_the_apps_does_not_reach_them(fleet: Fleet) -> None:
    assert reached(fleet.app, fleet.services.address) == sorted(PORTS.values())
    assert reached(fleet.other, fleet.services.address) == []


def test_without_the_firewall_a_database_still_refuses_other_hosts(fleet: Fleet) -> None:
    fleet.services.run("nft delete table inet hostsmith")
    try:
        url = f"postgresql://hello:{passwords(fleet.services)[0]}@{fleet.services.address}/hello"
        assert "no pg_hba.conf entry" in fleet.other.run(f"psql '{url}' -c 'SELECT 1' 2>&1", ok=False)
    finally:
        fleet.services.run("nft -f /etc/hostsmith/firewall.nft")


def test_provision_of_all_hosts_changes_nothing_again(fleet: Fleet) -> None:
    hosts = fleet.project.json("provision")["hosts"]
    assert [host["counts"]["changed"] for host in hosts] == [0, 0]


def test_hosts_are_listed_with_the_services_on_them(fleet: Fleet) -> None:
    (web, db) = fleet.project.json("hosts")
    assert web["services"] == ["nginx"]
    assert db["services"] == [kind for kind in KINDS if kind != "files"]


def test_services_on_a_host_of_their_own_are_backed_up_and_restored(fleet: Fleet) -> None:
    # The app's user comes from the app's hosts, and from the database's own for this alone.
    fleet.services.run("mariadb hello -e 'CREATE DEFINER=hello@`" + fleet.app.address + "` PROCEDURE p() SELECT 1'")
    before = {service: count_of(fleet, service) for service in ("postgres", "mysql", "redis")}
    archive = fleet.project.json("backup", "--to", "backups")["archive"]
    for service in before:
        count_of(fleet, service)
    fleet.project.fab("restore", archive, "--yes")
    assert {service: count_of(fleet, service) - 1 for service in before} == before


def count_of(fleet: Fleet, service: str) -> int:
    return int(fleet.app.http(f"/{service}").body.split()[0])


def test_deployers_deploy_an_app_whose_database_is_on_a_host_of_its_own(fleet: Fleet) -> None:
    project = fleet.project
    key = Path(f"{fleet.app.target.key_filename}.pub").read_text().strip()
    deployers = {"user": "deploy", "keys": [key]}
    roles = {"web": [fleet.app.spec], "db": [fleet.services.spec], "cache": [fleet.services.spec]}
    services = [kind for kind in KINDS if kind != "files"]
    project.settings(roles=roles, services=services, deployers=deployers)
    project.fab("provision")
    by_gate = {role: [spec.replace("root@", "deploy@") for spec in specs] for role, specs in roles.items()}
    project.settings(roles=by_gate, services=services, deployers=deployers)
    project.commit("by the gate")
    project.fab("deploy")
    assert fleet.app.http("/postgres").status == 200


def test_a_service_of_the_projects_own_as_the_docs_have_it(own: Project) -> None:
    (module, fabfile) = [block for block in blocks(ROOT / "docs" / "services.md") if block.language == "python"]
    own.write("beanstalk.py", module.text)
    own.write("fabfile.py", fabfile.text)
    own.settings(services=[*KINDS, "beanstalk"])
    own.commit("a queue")
    own.fab("provision", "deploy")
    environment = own.fab("run", "--", "env").stdout
    assert "QUEUE_URL=beanstalk://127.0.0.1:11300" in environment
    assert "beanstalk" not in own.fab("doctor").stdout
    own.vps.run("systemctl stop beanstalkd")
    assert "beanstalk: beanstalk: exit status 3" in own.fab("doctor", status=1).stdout
    own.fab("services.clear", "beanstalk", "--yes")
    own.vps.run("systemctl is-active beanstalkd")


def test_a_service_that_is_not_asked_for_cannot_be_emptied(own: Project) -> None:
    told = own.fab("services.clear", "oracle", status=2).stderr
    assert "found oracle, expected one of the services in the settings: postgres" in told
    # There is nobody to ask here.
    assert "pass --yes" in own.fab("services.clear", "redis", status=2).stderr
