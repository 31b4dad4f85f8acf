"""uv does what pip would: it is told what the host's pip is told, and where it cannot be, pip does the work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hostsmith.hostkit.build import installers
from hostsmith.hostkit.build.installers import NotForUvError, Pip, Uv, pip_configuration, uv_environment


class Recorder:
    """Notes what is run, and runs nothing."""

    def __init__(self) -> None:
        self.argv: list[str] = []
        self.env: Mapping[str, str] = {}
        self.cwd = ""

    def __call__(
        self, argv: Sequence[str], *, cwd: str = "/", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        self.argv, self.env, self.cwd = list(argv), env or {}, cwd
        return subprocess.CompletedProcess(argv, 0, b"", b"")


def test_pips_configuration_is_told_to_uv() -> None:
    listing = "\n".join(
        [
            "global.index-url='https://user:word@index.example.org/simple'",
            "global.extra-index-url='https://one.example.org/simple\\nfile:///opt/two'",
            "global.find-links='/opt/a\\n/opt/b'",
            "global.cert='/etc/ssl/certs/ca-certificates.crt'",
            "global.proxy='http://proxy.example.org:3128'",
            "global.disable-pip-version-check='1'",
            "global.timeout='15'",
            "install.timeout='60'",
            "download.no-deps='true'",
            ":env:.retries='2'",
        ]
    )
    found = uv_environment(listing, "/cache")
    assert found["UV_DEFAULT_INDEX"] == "https://user:word@index.example.org/simple"
    assert found["UV_INDEX"] == "https://one.example.org/simple file:///opt/two"
    assert found["UV_FIND_LINKS"] == "/opt/a,/opt/b"
    assert found["SSL_CERT_FILE"] == "/etc/ssl/certs/ca-certificates.crt"
    assert found["HTTPS_PROXY"] == found["HTTP_PROXY"] == "http://proxy.example.org:3128"
    assert (found["UV_HTTP_TIMEOUT"], found["UV_HTTP_RETRIES"]) == ("60", "2")
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found["UV_CACHE_DIR"] == "/cache"


def test_uv_does_what_pip_does_where_nobody_says_anything() -> None:
    assert uv_environment("", "/cache") == {
        "UV_CACHE_DIR": "/cache",
        # Its default would make a file of the cache, which the next build writes to, the app's as well.
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_COMPILE_BYTECODE": "1",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


class TestConfiguration:
    """pip is asked for its configuration where there is one, and only there, since to start it takes its time."""

    @pytest.fixture
    def conf(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where this host's pip.conf would be; it has none, and the environment says nothing to pip."""
        monkeypatch.setattr(installers, "_PIP_FILES", (str(place / "pip.conf"),))
        for name in [name for name in os.environ if name.startswith(installers._PIP_VARIABLES)]:
            monkeypatch.delenv(name)
        return place / "pip.conf"

    def asked(self) -> list[str]:
        recorder = Recorder()
        pip_configuration(recorder, "/venv/bin/python")
        return recorder.argv

    def test_there_is_none(self, conf: Path) -> None:
        assert self.asked() == []

    def test_in_a_file_of_the_host(self, conf: Path) -> None:
        conf.write_text("")
        assert self.asked() == ["/venv/bin/python", "-m", "pip", "config", "list"]

    @pytest.mark.parametrize("name", ["PIP_INDEX_URL", "XDG_CONFIG_DIRS"])
    def test_by_a_variable(self, conf: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, "/elsewhere")
        assert self.asked()

    def test_the_places_are_those_that_pip_looks_at(self) -> None:
        """On this machine, by this Python's pip."""
        env = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
        argv = [sys.executable, "-m", "pip", "config", "debug"]
        told = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
        looked_at = re.search(r"^global:\n((?:  .*\n)*)", told, re.MULTILINE)
        assert looked_at
        assert tuple(re.findall(r"^  (\S+), exists:", looked_at.group(1), re.MULTILINE)) == installers._PIP_FILES


@pytest.mark.parametrize("name", ["constraint", "no-binary", "only-binary", "pre", "prefer-binary", "require-hashes"])
def test_what_uv_cannot_be_told_is_left_to_pip(name: str) -> None:
    with pytest.raises(NotForUvError, match=f"`{name}` in the host's configuration of pip"):
        uv_environment(f"install.{name}='1'", "/cache")


class TestFiles:
    """What a requirement file says besides its requirements."""

    def install(self, place: Path, text: str, **env: str) -> Recorder:
        (place / "requirements.txt").write_text(text)
        recorder = Recorder()
        Uv(recorder, "/opt/uv", env).install("/venv", [], [f"{place}/requirements.txt"], cwd=str(place))
        return recorder

    def test_uv_and_pip_get_the_same_files_in_the_same_folder(self, place: Path) -> None:
        found, pip = self.install(place, "flask\n"), Recorder()
        Pip(pip).install("/venv", [], [f"{place}/requirements.txt"], cwd=str(place))
        assert found.argv[-2:] == pip.argv[-2:] == ["-r", f"{place}/requirements.txt"]
        assert found.cwd == pip.cwd == str(place)
        assert "--require-hashes" not in found.argv

    @pytest.mark.parametrize(
        "text", ["six==1 --hash=sha256:a\n", "six==1 \\\n  --hash=sha256:a\n", "--require-hashes\n"]
    )
    def test_one_hash_means_that_all_are_checked_as_pip_has_it(self, place: Path, text: str) -> None:
        assert "--require-hashes" in self.install(place, text).argv

    def test_one_in_an_included_file_too(self, place: Path) -> None:
        (place / "more.txt").write_text("six==1 --hash=sha256:a\n")
        assert "--require-hashes" in self.install(place, "-r more.txt\n").argv

    @pytest.mark.parametrize("line", ["-i https://a.example.org/simple", "--index-url=https://a.example.org/simple"])
    def test_its_own_index_takes_the_place_of_the_hosts(self, place: Path, line: str) -> None:
        hosts = {
            "UV_DEFAULT_INDEX": "https://b.example.org",
            "UV_INDEX": "https://c.example.org",
            "UV_FIND_LINKS": "/d",
        }
        assert self.install(place, f"{line}\nsix\n", **hosts).env == {"UV_FIND_LINKS": "/d"}
        assert self.install(place, "six\n", **hosts).env == hosts

    @pytest.mark.parametrize(
        "line",
        ["--pre", "--prefer-binary", "--trusted-host a.example.org", "--use-feature=fast-deps",
         'six --config-settings="a=b"', "-r https://example.org/requirements.txt"],
    )  # fmt: skip
    def test_what_uv_passes_over_is_left_to_pip(self, place: Path, line: str) -> None:
        with pytest.raises(NotForUvError, match="in the requirements"):
            self.install(place, f"flask\n{line}\n")
