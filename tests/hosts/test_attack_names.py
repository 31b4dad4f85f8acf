"""Nothing that is there is taken over by its name, and nobody comes in, or to a service, as another app."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.hosts.conftest import Project, Vps
from tests.hosts.two_apps import ADMIN, SHOP, Apps

pytestmark = pytest.mark.attack

PERSON = "useradd -m -s /bin/bash -G sudo carol; echo 'carol ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/carol"
# What is there, by the name of the app that would take it, and what is said of it.
TAKEN = {
    "carol": (PERSON, "user carol"),
    "shadowers": ("groupadd --system shadowers", "group shadowers"),
    "daemon-x": ("useradd --system --shell /usr/sbin/nologin --home-dir /var/lib/x daemon-x", "user daemon-x"),
    "gone-admin": ("echo 'gone-admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/90-cloud", "/etc/sudoers.d/90-cloud"),
    "gone-group": ("echo '%gone-group ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/91-cloud", "/etc/sudoers.d/91-cloud"),
    "rotated": ("echo '/var/log/x.log { weekly }' > /etc/logrotate.d/rotated", "/etc/logrotate.d/rotated"),
    "site": ("echo '# of an admin' > /etc/nginx/sites-available/site", "/etc/nginx/sites-available/site"),
    "program": ("echo '; of an admin' > /etc/supervisor/conf.d/program.conf", "/etc/supervisor/conf.d/program.conf"),
    "logged": ("mkdir /var/log/logged && echo x > /var/log/logged/messages", "/var/log/logged"),
    "served": ("useradd -m erin && install -d -o erin /srv/served", "/srv/served"),
    "stored": ("mkdir /srv/stored && echo x > /srv/stored/of-an-admin", "/srv/stored"),
    "linked": ("mkdir /home/erin/data && ln -s /home/erin/data /srv/linked", "/srv/linked"),
}  # fmt: skip
STATE = (
    "getent passwd; getent group; find /etc /srv /var/log /home /var/lib/hostsmith -not -path '*/cache/*'"
    r" -not -name '*.log' -not -name '.heartbeat*' -not -path '*/shared/*' -printf '%p %u:%g %m %s %l\n' | sort"
)


def named(project: Project, app: str, **settings: Any) -> Project:
    project.settings(app=app, domains=[f"{app}.example.org"], **settings)
    return project


def test_what_is_there_is_nobodys_app_and_is_refused_before_anything_changes(apps: Apps) -> None:
    project, vps = apps.projects[ADMIN], apps.vps
    for prepare, _ in TAKEN.values():
        vps.run(prepare)
    before = vps.run(STATE)
    for app, (_, said) in TAKEN.items():
        done = named(project, app).fab("provision", status=1)
        assert said in done.stdout, (app, done.stdout)
        assert vps.run(STATE) == before, app


def test_an_app_cannot_log_in_by_ssh_with_a_key_that_it_has_put_into_its_home(apps: Apps) -> None:
    key = apps.key.with_suffix(".pub").read_text().strip()
    home = f"/srv/{SHOP}/shared"
    write = f"mkdir -p -m 700 {home}/.ssh && echo '{key}' > {home}/.ssh/authorized_keys"
    apps.vps.run(f'runuser -u {SHOP} -- sh -c "{write}"')
    refused = login(apps, SHOP)
    assert "Permission denied (publickey)" in refused.stderr, refused


def login(apps: Apps, user: str) -> subprocess.CompletedProcess[str]:
    """Log in by the key to do nothing but forward a port, which takes no shell."""
    options = ["-oBatchMode=yes", f"-oUserKnownHostsFile={apps.vps.target.known_hosts}", "-i", str(apps.key)]
    argv = ["ssh", *options, "-W", "127.0.0.1:80", f"{user}@{apps.vps.address}"]
    return subprocess.run(argv, input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, timeout=60, check=False)


CONNECT = "exec 3<>/dev/tcp/{host}/{port} && printf '{ask}' >&3 && head -1 <&3"


def says(vps: Vps, user: str, port: int, ask: str, host: str = "127.0.0.1") -> str:
    """What a service answers to a line of a user's; empty when it does not get through."""
    script = CONNECT.format(host=host, port=port, ask=f"{ask}\\r\\n")
    return vps.run(f'cd / && runuser -u {user} -- timeout 10 bash -c "{script}" 2>/dev/null || true').strip()


ROGUE = """\
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 11211))
server.listen()
open("/tmp/rogue-listens", "w")
server.settimeout(60)
server.accept()
open("/tmp/rogue-was-reached", "w")
"""


@pytest.fixture(scope="module")
def serviced(apps: Apps) -> Apps:
    """The two apps, the first of which has a memcached and a Redis on the host, the second a Redis; no firewall."""
    unguarded: dict[str, Any] = {"hardening": {"firewall": False}}
    shop, admin = apps.projects[SHOP], apps.projects[ADMIN]
    shop.settings(app=SHOP, services=["memcached", "redis"], **unguarded)
    shop.fab("provision")
    admin.settings(app=ADMIN, domains=["admin.example.org"], services={"redis": {"port": 6380}}, **unguarded)
    admin.fab("provision")
    return apps


def test_an_app_of_a_version_without_marks_is_adopted_unless_its_user_can_do_more_than_an_app(apps: Apps) -> None:
    project, vps = apps.projects[SHOP], apps.vps
    unmarked = f"usermod --comment '' {SHOP}; rm /var/lib/hostsmith/{SHOP}/names.json"
    vps.run(f"{unmarked}; usermod --append --groups sudo {SHOP}")
    assert (
        f"the user {SHOP} exists on this host, but was not created for the app"
        in project.fab("provision", status=1).stdout
    )
    vps.run(f"gpasswd --delete {SHOP} sudo")
    project.fab("provision")
    assert vps.run(f"getent passwd {SHOP}").split(":")[4] == f"app {SHOP}"
    assert f"/etc/logrotate.d/{SHOP}" in vps.run(f"cat /var/lib/hostsmith/{SHOP}/names.json")


def test_an_apps_memcached_is_reached_by_that_app_and_by_no_other_user(serviced: Apps) -> None:
    reached = {user: says(serviced.vps, user, 11211, "version") for user in (SHOP, "root")}
    assert all(answer.startswith("VERSION") for answer in reached.values()), reached
    others = (ADMIN, "www-data", "nobody", "deploy", "hostsmith-build", "redis-shop")
    assert {user: says(serviced.vps, user, 11211, "version") for user in others} == dict.fromkeys(others, "")


def test_nobody_answers_in_the_place_of_a_memcached_that_does_not_run(serviced: Apps) -> None:
    vps = serviced.vps
    vps.run("systemctl stop memcached-shop")
    vps.run(f"cd / && systemd-run --quiet --unit rogue --property User={ADMIN} python3 -c '{ROGUE}'")
    vps.wait_for_file("/tmp/rogue-listens")
    assert says(vps, SHOP, 11211, "get session") == ""
    assert vps.run("ls /tmp/rogue-was-reached 2>/dev/null; systemctl stop rogue; true") == ""
    vps.run("systemctl start memcached-shop")


def test_a_memcached_is_guarded_again_after_a_boot_and_after_nftables_was_emptied(serviced: Apps) -> None:
    vps = serviced.vps
    vps.run("systemctl restart nftables")
    assert says(vps, ADMIN, 11211, "version") == ""
    vps.sandbox.kill(vps.name)
    vps.sandbox.start(vps.name)
    vps.wait_for_site()
    assert says(vps, ADMIN, 11211, "version") == ""
    assert says(vps, SHOP, 11211, "version").startswith("VERSION")
    # Which a boot brings, too.
    confined = "systemctl show -P ProtectKernelModules nginx; systemctl show -P RestrictSUIDSGID supervisor"
    assert vps.run(confined) == "yes\nyes\n"


def test_an_apps_redis_sees_neither_data_nor_password_of_another(serviced: Apps) -> None:
    vps = serviced.vps
    pid = {app: vps.run(f"systemctl show -P MainPID redis-server@{app}").strip() for app in (SHOP, ADMIN)}
    assert len({vps.run(f"stat -c %u /proc/{each}").strip() for each in pid.values()} | {"redis"}) == 3
    attempts = f"""
    data: os.listdir(root + "/var/lib/redis/{ADMIN}")
    password: read(root + "/etc/hostsmith/redis-{ADMIN}.conf")
    """
    # As that server's user, in what it sees of the host.
    found = serviced.probe("redis-shop", attempts, root="")
    assert set(found.values()) == {"PermissionError"}, found
    seen = vps.run(f"ls /proc/{pid[SHOP]}/root/var/lib/redis /proc/{pid[SHOP]}/root/etc/redis").split()
    assert {name for name in seen if not name.endswith(":")} == {SHOP, f"redis-{SHOP}.conf"}
    read_password = f"sed -n 's/^requirepass //p' /etc/hostsmith/redis-{SHOP}.conf"
    told = vps.run(f'REDISCLI_AUTH="$({read_password})" redis-cli CONFIG SET dir /var/lib/redis/{ADMIN} 2>&1')
    assert "OK" not in told


@pytest.fixture
def cache_host(boot: Callable[..., Vps], provisioned_image: str) -> Iterator[Vps]:
    """A host that never had a firewall."""
    vps = boot(provisioned_image)
    vps.run("systemctl disable --quiet --now hostsmith-firewall; rm -r /etc/hostsmith; nft flush ruleset")
    yield vps
    vps.sandbox.destroy(vps.name)


def test_a_service_listens_for_others_behind_a_firewall_or_not_at_all(apps: Apps, cache_host: Vps) -> None:
    project, vps = apps.projects[SHOP], cache_host
    roles = {"web": [apps.vps.spec], "cache": [vps.spec]}
    project.works_on(roles, vps, app=SHOP, services=["memcached", "redis"])
    for_all = "ss -Hltn | awk '{print $4}' | grep -v '^127\\|^\\[::1\\]' | grep -c ':11211$\\|:6379$' || true"
    # A container that may have none.
    vps.run(
        "mv /usr/sbin/nft /usr/sbin/nft.kept; printf '#!/bin/sh\\nexit 1\\n' > /usr/sbin/nft; chmod +x /usr/sbin/nft"
    )
    done = project.fab("provision", "--role", "cache", status=1)
    assert "would listen for other hosts, and there is no firewall" in done.stdout
    assert vps.run(for_all) == "0\n"
    # A provision that stops half-way.
    vps.run("mv /usr/sbin/nft.kept /usr/sbin/nft; mv /usr/bin/redis-server /usr/bin/redis-server.kept")
    project.fab("provision", "--role", "cache", status=1)
    assert vps.run(f"nft list table inet hostsmith | grep -c 'policy drop'; {for_all}") == "1\n1\n"
    vps.run("mv /usr/bin/redis-server.kept /usr/bin/redis-server; systemctl reset-failed")
    project.fab("provision")
    # An address lets in all who are on that host: of these, the app alone gets so far.
    found = {user: says(apps.vps, user, 11211, "version", vps.address)[:7] for user in (SHOP, ADMIN, "www-data")}
    assert found == {SHOP: "VERSION", ADMIN: "", "www-data": ""}


def test_a_setuid_program_gives_an_app_no_more_rights(apps: Apps) -> None:
    apps.vps.run("install -m 4755 /usr/bin/id /usr/local/bin/id-as-root")
    project = apps.projects[SHOP]
    assert project.fab("run", "--", "id-as-root", "-un").stdout.strip() == SHOP
    assert "NoNewPrivs:\t1" in apps.vps.run(f"cat /proc/{apps.pid(SHOP)}/status")
