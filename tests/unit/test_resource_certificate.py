"""When a certificate is issued, for which domains, and what is left when it is not; certbot is a stand-in here."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hostsmith.hostkit.linux import system
from hostsmith.hostkit.programs import certbot, certificates
from hostsmith.resources import File, Handler, Validated
from hostsmith.resources.front.certificate import Certificate
from local_host import LocalHost

# Keeps what certbot keeps; refuses any domain with "refused" in it.
CERTBOT = """\
#!/usr/bin/env python3
import os, subprocess, sys
argv = sys.argv[1:]
value = lambda flag: argv[argv.index(flag) + 1]
domains = [argv[n + 1] for n, word in enumerate(argv) if word == "--domain"]
open("{folder}/asked", "a").write(" ".join(domains) + "\\n")
if refused := [domain for domain in domains if "refused" in domain]:
    print(f"\\n  Domain: {{refused[0]}}\\n  Type:   dns\\n  Detail: no such name\\n")
    sys.exit(1)
live = f"{folder}/live/" + value("--cert-name")
os.makedirs(live, exist_ok=True)
os.makedirs("{folder}/renewal", exist_ok=True)
subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-subj", "/CN=x", "-addext", "subjectAltName=" + ",".join("DNS:" + domain for domain in domains),
    "-keyout", live + "/privkey.pem", "-out", live + "/fullchain.pem"], check=True, capture_output=True)
with open("{folder}/renewal/" + value("--cert-name") + ".conf", "w") as file:
    file.write("authenticator = webroot\\nserver = " + value("--server") + "\\n")
"""
ANSWERS = "location /.well-known/acme-challenge/ {}\n"


@dataclass(frozen=True)
class Count(Handler):
    """Adds what the configuration says at that moment to a file, as a server that is reloaded reads it."""

    configuration: str

    def describe(self) -> str:
        return "reload"

    def run(self) -> None:
        with open(f"{self.configuration}.read", "a", encoding="utf-8") as file:
            file.write(Path(self.configuration).read_text())


class Host:
    """A host with a certbot and a server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.local = folder, LocalHost(folder)
        self.configuration = folder / "site.conf"
        self.configuration.write_text("old\n")

    def converge(self, *domains: str, **changes: Any) -> Any:
        reload = Count(str(self.configuration))
        first = Validated("site", (File(str(self.configuration), ANSWERS),), notify=reload)
        values: dict[str, Any] = {
            "redirected": (), "server": "https://ca.example.org", "email": None, "challenge": ("--webroot",),
            "configuration": str(self.configuration), "first": first, "notify": reload, **changes,
        }  # fmt: skip
        return self.local.converge(Certificate("blog", domains, **values))

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def reloads(self) -> list[str]:
        path = Path(f"{self.configuration}.read")
        return path.read_text().splitlines() if path.exists() else []

    @property
    def names(self) -> frozenset[str] | None:
        found = certificates.found(certbot.certificate("blog"))
        return found.names if found else None


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    program = tmp_path / "bin" / "certbot"
    program.parent.mkdir()
    program.write_text(CERTBOT.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setitem(system._ENVIRONMENT, "PATH", f"{program.parent}:{system.PATH}")
    monkeypatch.setattr(certbot, "FOLDER", str(tmp_path))
    return Host(tmp_path)


def test_it_is_issued_once_and_again_for_other_domains(host: Host) -> None:
    assert host.converge("a.example").summary == "issued for a.example"
    assert host.names == {"a.example"}
    assert host.converge("a.example").states == ["ok"]
    assert host.converge("a.example", "b.example").summary == "a.example -> a.example, b.example"
    # One that is gone could not be renewed with.
    assert host.converge("b.example").summary == "a.example, b.example -> b.example"
    assert host.asked == ["a.example", "a.example b.example", "b.example"]


def test_before_the_first_one_the_server_is_told_to_answer_the_authority(host: Host) -> None:
    host.converge("a.example")
    assert host.reloads[0] == ANSWERS.strip()
    host.converge("a.example", "b.example")
    assert len(host.reloads) == 3, "then only once for each new certificate, to show it"


def test_a_run_that_was_killed_may_not_have_told_the_server(host: Host) -> None:
    host.configuration.write_text(ANSWERS)
    host.converge("refused.example")
    assert host.reloads == [ANSWERS.strip()]


def test_when_it_is_refused_everything_is_as_it_was_and_the_reasons_are_told(host: Host) -> None:
    outcome = host.converge("a.example", "refused.example", notify=())
    assert not outcome.ok
    assert outcome.error.splitlines() == [
        "https://ca.example.org issued no certificate for a.example, refused.example",
        "refused.example: dns: no such name",
        "The names must resolve to this host, and its port 80 must be open to everybody.",
    ]
    assert host.configuration.read_text() == "old\n"
    assert host.reloads == [ANSWERS.strip(), "old"]
    host.converge("a.example")
    host.converge("a.example", "refused.example")
    assert host.names == {"a.example"}


@pytest.mark.parametrize(
    "change", [{"server": "https://other.example.org"}, {"challenge": ("--standalone", "--http-01-port", "8402")}]
)
def test_one_that_would_be_renewed_in_another_way_is_issued_anew(host: Host, change: dict[str, Any]) -> None:
    host.converge("a.example")
    assert host.converge("a.example", **change).states == ["changed", "ran"]


def test_names_that_are_only_redirected_are_left_out_as_long_as_dns_does_not_know_them(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dns(error: int | None) -> None:
        def look_up(name: str, port: int) -> list[str]:
            if error is not None:
                raise socket.gaierror(error, "no")
            return ["203.0.113.7"]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    dns(socket.EAI_NONAME)
    first = host.converge("a.example", redirected=("www.a.example",))
    assert first.notes == ["the certificate is without www.a.example, which is not in DNS"]
    assert host.converge("a.example", redirected=("www.a.example",)).states == ["ok"]
    dns(None)
    assert host.converge("a.example", redirected=("www.a.example",)).states == ["changed", "ran"]
    # DNS that does not answer says nothing against what is there.
    dns(socket.EAI_AGAIN)
    assert host.converge("a.example", redirected=("www.a.example",)).states == ["ok"]
    assert host.names == {"a.example", "www.a.example"}


def test_a_refused_name_that_is_only_redirected_can_be_left_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, port: ["203.0.113.7"])
    outcome = host.converge("a.example", redirected=("www.refused.example",))
    assert "www.refused.example is included to be redirected; `www_redirect: false` leaves it out." in outcome.error
