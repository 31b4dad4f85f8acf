"""What HTTPS promises: certificates come and are renewed by themselves, and no visitor notices how.

The authority is a real one: Caddy's ACME server, on a host of its own, which asks the site by HTTP as Let's Encrypt
does.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hostsmith.sandbox import Sandbox, lookup

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load

APP = """\
def app(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/own-headers":
        headers += [("X-Frame-Options", "DENY"), ("Strict-Transport-Security", "max-age=7")]
    start_response("200 OK", headers)
    return [environ.get("HTTP_X_FORWARDED_PROTO", "").encode()]
"""
CADDYFILE = """\
{
    skip_install_trust
}
acme.example {
    tls internal
    acme_server
}
"""
ROOT = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
SITE, OTHER, BALANCED = "hello.example", "blog.example", "balanced.example"


class Authority:
    """An ACME server on a host of its own."""

    def __init__(self, vps: Vps, folder: Path) -> None:
        self.vps = vps
        self.root = folder / "root.pem"
        vps.run("apt-get -qq update && apt-get -qq -y install caddy 2>&1")
        vps.run(f"echo '{vps.address} acme.example' >> /etc/hosts")
        vps.run("cat > /etc/caddy/Caddyfile && systemctl restart caddy", stdin=CADDYFILE)
        vps.wait_for_file(ROOT)
        self.root.write_text(vps.run(f"cat {ROOT}"))

    def knows(self, vps: Vps, *names: str) -> None:
        """Let the authority and a host find each other, and that host by these names."""
        lines = f"{self.vps.address} acme.example\n{vps.address} {' '.join(names)}\n"
        for host in (self.vps, vps):
            host.run("cat >> /etc/hosts", stdin=lines)

    @property
    def settings(self) -> dict[str, Any]:
        """For the key `tls`."""
        return {"server": "https://acme.example/acme/local/directory", "ca": str(self.root)}


@dataclass
class Site:
    """A host with a site, an authority that would give it certificates, and a visitor who trusts it."""

    project: Project
    vps: Vps
    authority: Authority
    root: Path

    def provision(self, *arguments: str, status: int = 0, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Bring the host to settings with these changes."""
        self.project.settings(**{"domains": [SITE], "tls": self.authority.settings, **changes})
        return self.project.fab("provision", *arguments, status=status)

    def changed(self) -> list[str]:
        """What one more provision changes."""
        (report,) = self.project.json("provision")["hosts"]
        return [result["resource"] for result in report["results"] if result["state"] != "ok"]

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.root)

    def get(self, url: str) -> tuple[int, dict[str, str], str]:
        """Ask as a browser would that finds every name at this host; redirects are not followed."""
        place = urllib.parse.urlsplit(url)
        name = place.hostname or ""
        connection = http.client.HTTPConnection(self.vps.address, timeout=30)
        if place.scheme == "https":
            plain = socket.create_connection((self.vps.address, 443), timeout=30)
            connection.sock = self.context().wrap_socket(plain, server_hostname=name)
        with contextlib.closing(connection):
            connection.request("GET", place.path or "/", headers={"Host": name, "Connection": "close"})
            answer = connection.getresponse()
            headers = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, headers, answer.read().decode()

    def status_as(self, name: str) -> int:
        """Ask by HTTP, and call the host by any name."""
        with contextlib.closing(http.client.HTTPConnection(self.vps.address, timeout=30)) as connection:
            connection.request("GET", "/", headers={"Host": name})
            with connection.getresponse() as response:
                return response.status

    def visit(self) -> tuple[int, str]:
        """Come by HTTP, and go where one is led."""
        status, headers, body = self.get(f"http://{SITE}/")
        if status == 301:
            status, headers, body = self.get(headers["location"])
        return status, body

    def certificate(self, name: str = SITE) -> dict[str, Any]:
        """The certificate that is shown for a name, which must be a trusted one."""
        plain = socket.create_connection((self.vps.address, 443), timeout=30)
        with self.context().wrap_socket(plain, server_hostname=name) as connection:
            found = connection.getpeercert()
        assert found is not None
        return {"serial": found["serialNumber"], "names": {name for _, name in found["subjectAltName"]}}

    def shake_hands(self, *options: str) -> str:
        """What OpenSSL's client says of a connection."""
        argv = ["openssl", "s_client", "-connect", f"{self.vps.address}:443", "-servername", SITE, *options]
        done = subprocess.run(argv, input="", capture_output=True, text=True, errors="replace", check=False)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def authority(
    boot: Callable[..., Vps], sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Authority]:
    vps = boot()
    yield Authority(vps, tmp_path_factory.mktemp("authority"))
    sandbox.destroy(vps.name)


@pytest.fixture(scope="module")
def booted(
    boot: Callable[..., Vps],
    sandbox: Sandbox,
    deployed_image: str,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    vps = boot(deployed_image)
    # Not by www.blog.example.
    authority.knows(vps, SITE, f"www.{SITE}", OTHER)
    project = make_project(tmp_path_factory.mktemp("https"), vps)
    project.write("hello.py", APP)
    project.settings(domains=[SITE])
    project.commit("an app that says how visitors come")
    vps.wait_for_site()
    project.fab("provision", "deploy")
    yield Site(project, vps, authority, authority.root)
    sandbox.destroy(vps.name)


@pytest.fixture
def plain(booted: Site) -> Site:
    """The site by HTTP, on a host that has never had a certificate."""
    booted.provision(tls=False)
    booted.vps.run("rm -rf /etc/letsencrypt/live /etc/letsencrypt/archive /etc/letsencrypt/renewal")
    return booted


@pytest.fixture
def site(booted: Site) -> Site:
    """The site by HTTPS, with a certificate of the authority."""
    booted.provision()
    return booted


def test_a_certificate_that_is_not_given_leaves_the_site_as_it_was(plain: Site) -> None:
    before = plain.vps.run("cat /etc/nginx/sites-enabled/*")
    done = plain.provision(status=1, tls={**plain.authority.settings, "server": "https://acme.example/gone"})
    assert f"https://acme.example/gone issued no certificate for {SITE}, www.{SITE}" in done.stdout
    assert "The names must resolve to this host, and its port 80 must be open to everybody." in done.stdout
    assert plain.vps.run("cat /etc/nginx/sites-enabled/*") == before
    assert plain.get(f"http://{SITE}/")[0] == 200


def test_one_provision_turns_https_on_and_no_visitor_notices(plain: Site) -> None:
    before = plain.vps.sessions()
    with Load(SITE, connections=8, visit=plain.visit) as load:
        load.wait_for(20)
        plain.provision()
        load.wait_for(50)
    assert load.failed == []
    assert load.answers["http"] and load.answers["https"], "the app knows how they came"
    assert plain.vps.sessions() - before == 2, "one for provision, one to ask"
    assert plain.changed() == []


def test_in_maintenance_a_certificate_comes_all_the_same_and_the_page_is_shown_by_https(plain: Site) -> None:
    plain.project.fab("maintenance.on", "--retry-after", "60")
    try:
        plain.provision()
        assert plain.get(f"http://{SITE}/")[0] == 301
        status, headers, body = plain.get(f"https://{SITE}/")
        assert (status, headers["retry-after"]) == (503, "60")
        assert SITE in body
    finally:
        plain.project.fab("maintenance.off")
    assert plain.visit() == (200, "https")


def test_http_leads_to_https(site: Site) -> None:
    for asked, led_to in {
        f"http://{SITE}/a?b": f"https://{SITE}/a?b",
        f"http://www.{SITE}/a": f"https://{SITE}/a",
        f"https://www.{SITE}/a": f"https://{SITE}/a",
    }.items():
        status, headers, _ = site.get(asked)
        assert (status, headers["location"]) == (301, led_to.replace("?b", "") if "?" in asked else led_to)
    assert site.certificate()["names"] == {SITE, f"www.{SITE}"}


def test_browsers_are_told_to_come_by_https_only(site: Site) -> None:
    assert site.get(f"https://{SITE}/")[1]["strict-transport-security"] == "max-age=31536000"
    assert site.get(f"https://{SITE}/static/site.css")[1]["strict-transport-security"] == "max-age=31536000"
    own = site.get(f"https://{SITE}/own-headers")[1]
    assert (own["strict-transport-security"], own["x-frame-options"]) == ("max-age=7", "DENY")
    assert "strict-transport-security" not in site.get(f"http://{SITE}/")[1]


def test_modern_protocols_alone(site: Site) -> None:
    old = ("-cipher", "DEFAULT@SECLEVEL=0")
    assert "protocol version" in site.shake_hands("-tls1_1", *old)
    assert "protocol version" in site.shake_hands("-tls1", *old)
    assert "TLSv1.2" in site.shake_hands("-tls1_2")
    assert "TLSv1.3" in site.shake_hands("-tls1_3")
    assert "handshake failure" in site.shake_hands("-tls1_2", "-cipher", "AES128-SHA")
    assert "ALPN protocol: h2" in site.shake_hands("-alpn", "h2,http/1.1")
    argv = ["curl", "-sS", "--http2", "--cacert", str(site.root), "--resolve", f"{SITE}:443:{site.vps.address}"]
    done = subprocess.run([*argv, "-w", " %{http_version}", f"https://{SITE}/"], capture_output=True, text=True)
    assert done.stdout == "https 2"


def test_a_name_that_is_no_sites_gets_no_sites_certificate(site: Site) -> None:
    found = site.shake_hands("-servername", "evil.example")
    assert "self-signed by hostsmith" in found
    assert SITE not in found.replace("-servername", "")


def test_a_release_goes_live_and_back_by_https(site: Site) -> None:
    site.project.commit("by HTTPS")
    site.project.fab("deploy")
    site.project.fab("rollback")
    assert site.visit() == (200, "https")


def test_a_domain_more_is_in_the_certificate_and_no_visitor_notices(site: Site) -> None:
    with Load(SITE, connections=8, visit=site.visit) as load:
        load.wait_for(20)
        done = site.provision(domains=[SITE, OTHER])
        load.wait_for(50)
    assert load.failed == []
    # DNS does not know www.blog.example, which would only be redirected.
    assert f"the certificate is without www.{OTHER}, which is not in DNS" in done.stdout
    assert site.certificate(OTHER)["names"] == {SITE, f"www.{SITE}", OTHER}
    assert site.changed() == []
    site.provision()
    assert site.certificate()["names"] == {SITE, f"www.{SITE}"}, "it could not be renewed with a domain that is gone"


def test_a_certificate_that_is_not_given_leaves_the_one_before(site: Site) -> None:
    before = site.certificate()
    gone = {**site.authority.settings, "server": "https://acme.example/gone"}
    done = site.provision(status=1, domains=[SITE, OTHER], tls=gone)
    assert f"issued no certificate for {SITE}, {OTHER}, www.{SITE}" in done.stdout
    assert site.certificate() == before
    assert site.visit() == (200, "https")


def test_certbots_timer_renews_and_the_new_certificate_is_shown(site: Site) -> None:
    assert site.vps.infra.service("certbot.timer").is_enabled
    assert site.vps.infra.service("certbot.timer").is_running
    before = site.certificate()
    with Load(SITE, connections=8, visit=site.visit) as load:
        load.wait_for(20)
        # What the timer starts. The authority's certificates last for hours, so they are always due.
        site.vps.run("systemctl start certbot.service")
        load.wait_for(20)
    assert load.failed == []
    after = site.certificate()
    assert after["names"] == before["names"]
    assert after["serial"] != before["serial"]
    assert site.changed() == []


def test_an_own_certificate_is_shown_and_its_key_is_read_by_root_alone(site: Site) -> None:
    folder = site.project.folder
    names = f"DNS:{SITE},DNS:*.{SITE}"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-subj", "/CN=own", "-addext", f"subjectAltName={names}",
         "-keyout", folder / "own.key", "-out", folder / "own.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    done = site.provision(tls={"certificate": "own.pem", "key": "own.key"}, domains=[SITE, f"*.{SITE}"])
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    own = Site(site.project, site.vps, site.authority, folder / "own.pem")
    assert own.visit() == (200, "https")
    assert own.certificate(f"any.{SITE}")["names"] == {SITE, f"*.{SITE}"}
    assert own.changed() == []
    assert site.vps.run("stat -c '%a %U' /etc/ssl/hostsmith/hello.own.pem.key") == "600 root\n"


def test_https_can_be_turned_off_again(site: Site) -> None:
    site.provision(tls=False)
    assert site.get(f"http://{SITE}/")[0] == 200
    assert site.changed() == []


@pytest.fixture
def balanced(boot: Callable[..., Vps], sandbox: Sandbox, authority: Authority, booted: Site) -> Iterator[Site]:
    """A balancer with the host of the other tests behind it."""
    lb = boot()
    authority.knows(lb, BALANCED, f"www.{BALANCED}")
    booted.project.works_on({"web": [booted.vps.spec], "lb": [lb.spec]}, lb)
    yield Site(booted.project, lb, authority, authority.root)
    booted.project.names_hosts = True
    sandbox.destroy(lb.name)


def test_behind_a_balancer_it_is_the_balancer_that_has_the_certificate(balanced: Site, booted: Site) -> None:
    roles = {"web": [booted.vps.spec], "lb": [balanced.vps.spec]}
    balanced.provision(roles=roles, domains=[BALANCED], health={"path": "/"})
    assert [host["counts"]["changed"] for host in balanced.project.json("provision")["hosts"]] == [0, 0]
    balanced.project.commit("balanced")
    balanced.project.fab("deploy")

    def visit() -> tuple[int, str]:
        status, headers, body = balanced.get(f"http://{BALANCED}/")
        assert (status, headers["location"]) == (301, f"https://{BALANCED}/")
        status, headers, body = balanced.get(f"https://{BALANCED}/")
        assert headers["strict-transport-security"] == "max-age=31536000"
        return status, body

    # Begun now, and not gone on with until the end of the test.
    slow = socket.create_connection((balanced.vps.address, 80), timeout=30)
    slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
    before = balanced.certificate(BALANCED)
    assert before["names"] == {BALANCED, f"www.{BALANCED}"}
    assert balanced.get(f"https://www.{BALANCED}/a")[1]["location"] == f"https://{BALANCED}/a"
    for name in (f"www.{BALANCED}.", f"{BALANCED.upper()}:80"):
        assert balanced.status_as(name) == 301
    for name in ("evil.example", f"evil.{BALANCED}", f"{BALANCED}.evil.example", f"{BALANCED}@evil.example"):
        assert balanced.status_as(name) in (400, 404), "nobody is sent to a name that is not the site's"
    assert "protocol version" in balanced.shake_hands("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert "ALPN protocol: h2" in balanced.shake_hands("-alpn", "h2,http/1.1")
    with Load(BALANCED, connections=8, visit=visit) as load:
        load.wait_for(20)
        balanced.vps.run("systemctl start certbot.service")
        load.wait_for(20)
    assert load.failed == []
    assert set(load.answers) == {"https"}
    assert balanced.certificate(BALANCED)["serial"] != before["serial"]
    with slow, slow.makefile("rb") as answer:
        assert b" 408 " in answer.readline(), "it is cut off"


def test_true_is_enough_in_the_sandbox_whose_certificate_is_self_signed(booted: Site, tmp_path: Path) -> None:
    project = make_project(tmp_path, booted.vps)
    project.names_hosts = False
    project.settings(domains=[SITE], tls=True, roles={"web": ["root@sandbox-1"]})
    project.commit("by HTTPS")
    try:
        done = project.fab("sandbox.up", "provision", "deploy")
        assert f"the certificate of {SITE}, www.{SITE} is self-signed: browsers warn of it" in done.stdout
        target = lookup(project.folder, "sandbox-1")
        assert target is not None
        argv = ["curl", "-sS", "--insecure", "--location", "--resolve", f"{SITE}:80:{target.address}"]
        argv += ["--resolve", f"{SITE}:443:{target.address}", "-w", "%{url_effective}", f"http://{SITE}/"]
        shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert project.live() in shown
        assert shown.endswith(f"https://{SITE}/")
        assert [host["counts"]["changed"] for host in project.json("provision")["hosts"]] == [0]
    finally:
        Sandbox(project.folder).destroy()
