"""A host reaches apt's and pip's registries as this machine does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostsmith.sandbox import inherit
from hostsmith.sandbox.inherit import pip_options, resolv_conf


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PIP_") or name in ("XDG_CONFIG_HOME", "SSL_CERT_FILE"):
            monkeypatch.delenv(name)


@pytest.fixture
def pip_conf(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, dict[str, str]]], str]:
    """The /etc/pip.conf that a host gets, given pip's settings here."""

    def make(options: dict[str, dict[str, str]]) -> str:
        monkeypatch.setattr(inherit, "pip_options", lambda: options)
        return "".join(file.data.decode() for file in inherit._pip_file("10.77.0.1"))

    return make


def test_pip_s_files_and_environment_in_pip_s_own_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc, home = tmp_path / "etc", tmp_path / "home"
    for path, text in {
        etc / "pip.conf": "[global]\nindex-url = https://a.example/simple\ntimeout = 5\n",
        home / ".config/pip/pip.conf": "[global]\nindex_url = https://b.example/simple\n[install]\nretries = 9\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert pip_options(etc, home) == {
        "global": {"index-url": "https://b.example/simple", "timeout": "5"},
        "install": {"retries": "9"},
    }
    monkeypatch.setenv("PIP_INDEX_URL", "https://c.example/simple")
    monkeypatch.setenv("PIP_RETRIES", "2")
    assert pip_options(etc, home) == {
        "global": {"index-url": "https://c.example/simple", "timeout": "5", "retries": "2"},
        "install": {},
    }


def test_a_host_gets_where_packages_come_from_and_nothing_else(
    tmp_path: Path, pip_conf: Callable[[dict[str, dict[str, str]]], str]
) -> None:
    (tmp_path / "wheels").mkdir()
    text = pip_conf(
        {
            "global": {
                "index-url": "https://user:word@localhost:8080/simple",
                "find-links": f"{tmp_path}/wheels /no/such/folder https://w.example",
                "extra-index-url": "file:///no/such/index",
                "cert": "/somewhere/bundle.pem",
                "target": "/srv/elsewhere",
                "require-virtualenv": "yes",
            },
            "install": {"user": "yes"},
        }
    )
    assert text.split() == [
        *("[global]", "index-url", "=", "https://user:word@10.77.0.1:8080/simple"),
        *("find-links", "=", f"{tmp_path}/wheels", "https://w.example"),
        *("cert", "=", "/etc/ssl/certs/ca-certificates.crt"),
    ]


def test_no_settings_give_no_file(pip_conf: Callable[[dict[str, dict[str, str]]], str]) -> None:
    assert pip_conf({"global": {"user": "yes"}}) == ""


def test_local_indexes_are_shown_to_the_host_with_the_files_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mirror/simple", "mirror/packages", "wheels"):
        (tmp_path / name).mkdir(parents=True)
    options = {
        "index-url": f"file://{tmp_path}/mirror/simple",
        "find-links": f"{tmp_path}/wheels /usr/share /etc file:///no/such / relative",
    }
    monkeypatch.setattr(inherit, "pip_options", lambda: {"global": options})
    assert inherit.binds() == [tmp_path / "mirror", tmp_path / "wheels"]


def test_name_servers_behind_a_local_resolver_are_found(tmp_path: Path) -> None:
    etc, run = tmp_path / "etc", tmp_path / "run"
    etc.mkdir()
    (run / "systemd/resolve").mkdir(parents=True)
    (etc / "resolv.conf").write_text("# stub\nnameserver 127.0.0.53\nsearch example.org\n")
    (run / "systemd/resolve/resolv.conf").write_text("nameserver 192.0.2.53\nsearch example.org\n")
    assert resolv_conf(etc, run) == "nameserver 192.0.2.53\nsearch example.org\n"
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 198.51.100.53\n")
    assert resolv_conf(etc, run) == "nameserver 198.51.100.53\n"


def test_a_machine_with_no_name_server_to_share_gives_public_ones(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver ::1\n")
    assert resolv_conf(tmp_path, tmp_path).startswith("nameserver 9.9.9.9\n")


def test_only_certificates_that_a_base_lacks_are_added() -> None:
    def pem(word: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{word}\n-----END CERTIFICATE-----"

    bundle = f"# a comment\r\n{pem('AAAA')}\n".replace("\n", "\r\n")
    assert inherit.missing_certificates(bundle, {pem("AAAA"), pem("BBBB")}) == [pem("BBBB")]
