"""The key `tls`: what it accepts, what it makes of it, and what it says when it cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fabric import Config
from hostsmith.errors import SettingsError
from hostsmith.inventory.project import load_settings, settings_of
from hostsmith.openssh.host import Host
from hostsmith.settings.project import Settings
from hostsmith.settings.tls import Tls
from invoke.util import yaml


def make(tls: Any, **keys: Any) -> Tls:
    return Settings(**{"app": "blog", "domains": ["example.com"], "tls": tls, **keys}).tls


@pytest.mark.parametrize("tls", [True, {}, {"enabled": True}, {"email": "me@example.com"}])
def test_true_or_a_mapping_asks_lets_encrypt(tls: Any) -> None:
    found = make(tls)
    assert found.is_issued
    assert found.directory == "https://acme-v02.api.letsencrypt.org/directory"
    assert found.hsts_seconds == 31536000


@pytest.mark.parametrize("tls", [False, {"enabled": False}, {"enabled": False, "email": "me@example.com"}])
def test_it_can_be_off(tls: Any) -> None:
    assert not make(tls).enabled
    assert not Settings(app="blog").tls.enabled


def test_browsers_may_be_told_for_two_years() -> None:
    assert make({"hsts": 63_072_000}).hsts_seconds == 63_072_000


def test_other_authorities() -> None:
    staging = make({"staging": True})
    assert (staging.directory, staging.hsts_seconds) == ("https://acme-staging-v02.api.letsencrypt.org/directory", 0)
    assert make({"server": "https://ca.example.org/acme"}).directory == "https://ca.example.org/acme"


def test_nobody_is_asked_for_an_own_certificate() -> None:
    own = make({"certificate": "a.pem", "key": "a.key"}, domains=["example.com", "*.example.com"])
    assert own.enabled and not own.is_issued and own.hsts_seconds
    assert not make({"self_signed": True}).is_issued
    assert make({"self_signed": True}).hsts_seconds == 0, "browsers would lock people out"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls: yes please", "tls: found 'yes please', expected true, false, or a mapping such as"),
        ("tls: {mail: a@b.de}", "tls.mail: found an unknown key; did you mean email?"),
        ("tls: {email: me}", "tls.email: found 'me', expected an e-mail address"),
        ("tls: {server: http://ca.example.org}", "tls.server: found 'http://ca.example.org', expected a URL such as"),
        ("tls: {hsts: -1}", "tls.hsts: found -1, expected a number of seconds, 0 or more"),
        ("tls: {certificate: a.pem}", "tls: found `certificate` without `key`, expected both"),
        ("tls: {key: a.pem}", "tls: found `key` without `certificate`, expected both"),
        ("tls: {ca: a.pem}", "tls: found `ca` alone, expected `server` with `ca`, which is its root certificate"),
        ("tls: {staging: true, self_signed: true}", "tls: found `self_signed` and `staging`, expected one way"),
        ("tls: {certificate: a, key: b, server: 'https://x.example'}", "tls: found `certificate` and `server`, expect"),
        ("{tls: true, domains: []}", "tls: found no domains, expected the domains of the certificate; add"),
        (
            "{tls: true, domains: [example.com, '*.example.com']}",
            "tls: found the domain '*.example.com', expected domains without a wildcard: an authority issues a "
            "wildcard certificate only by DNS; use your own certificate: {certificate: FILE, key: FILE}",
        ),
        (
            "{tls: true, roles: {web: [web1, web2]}}",
            "tls: found 2 hosts in roles.web, expected one host for the domains: the authority checks any of "
            "them, and only one has the answer; use your own certificate: {certificate: FILE, key: FILE}, or add a "
            "balancer (roles.lb)",
        ),
        ("{tls: true, roles: {web: [web1, web2], lb: [lb1, lb2]}}", "tls: found 2 hosts in roles.lb, expected one"),
    ],
)
def test_what_cannot_work_is_told(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    (line,) = str(caught.value).splitlines()
    assert line.partition(": ")[2].startswith(problem)


@pytest.mark.parametrize(
    "tls", [{"certificate": "a.pem", "key": "b.pem"}, {"self_signed": True}, {"enabled": False, "email": "me@b.de"}]
)
def test_many_hosts_can_show_what_each_has_anyway(tls: Any) -> None:
    make(tls, roles={"web": ["web1", "web2"]})


def test_one_balancer_has_the_certificate_of_many_web_hosts() -> None:
    assert make(True, roles={"web": ["web1", "web2"], "lb": ["lb1"]}).is_issued


def test_a_variable_may_add_to_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABRIC_TLS_STAGING", "true")
    assert read(tmp_path, "tls: true").tls.staging
    assert not read(tmp_path, "tls: false").tls.enabled
    monkeypatch.delenv("FABRIC_TLS_STAGING")
    monkeypatch.setenv("FABRIC_TLS", "true")
    assert read(tmp_path, "{}").tls.is_issued


def test_a_sandbox_host_shows_a_self_signed_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostsmith.sandbox.lookup", lambda project, name: name == "sandbox-1" or None)
    real, sandboxed = Host.parse("web1"), Host.parse("root@sandbox-1")

    def on(host: Host, tls: Any) -> Tls:
        return settings_of(app="blog", domains=["example.com"], tls=tls).placed(tmp_path, {}).on(host).tls

    assert on(real, True).is_issued
    assert on(sandboxed, True).self_signed and on(sandboxed, True).enabled
    assert on(sandboxed, {"staging": True}).self_signed
    assert not on(sandboxed, False).enabled
    # These work there as anywhere.
    assert on(sandboxed, {"server": "https://ca.example.org/acme"}).is_issued
    assert on(sandboxed, {"certificate": "a.pem", "key": "b.pem"}).is_own


def read(folder: Path, text: str) -> Settings:
    """Settings of a project whose file says this besides what it must."""
    base = {"app": "blog", "domains": ["example.com"]}
    (folder / "fabric.yaml").write_text(yaml.safe_dump({**base, **yaml.safe_load(text)}))
    config = Config(lazy=True, project_location=folder)
    config.load_project()
    return load_settings(config)
