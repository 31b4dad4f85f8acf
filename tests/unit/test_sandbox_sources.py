"""Whatever way a machine writes its apt sources, a base gets the archive's own ones, for the asked suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox import sources
from hostsmith.sandbox.sources import Entry

DEBIAN = 'ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
UBUNTU = "ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n"

DEB822 = """\
# made by an installer
Types: deb deb-src
URIs: http://mirror.example.org/debian/
Suites: bookworm bookworm-updates bookworm-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJ
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example.org/debian
Suites: bookworm bookworm-updates
Components: main
"""

ONE_LINE = """\
deb http://near.example.org/ubuntu/ noble main restricted # the archive
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/u.gpg] http://near.example.org/ubuntu noble-updates main
deb http://security.example.org/ubuntu noble-security main
deb-src http://near.example.org/ubuntu noble main
# deb http://commented.example.org/ubuntu noble main
deb http://flat.example.org/repo ./
"""

THIRD_PARTIES = """\
deb [signed-by=/etc/apt/keyrings/h.gpg] https://apt.vendor.example bookworm main
deb https://download.docker.example/linux/debian bookworm stable
deb http://apt.postgres.example/pub/repos/apt bookworm-pgdg main
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    return tmp_path


def write(etc: Path, release: str, **files: str) -> None:
    (etc / "os-release").write_text(release)
    for name, text in files.items():
        (etc / "apt/sources.list.d" / name.replace("_", ".")).write_text(text)


def test_deb822_sources_of_the_machine_are_taken_for_its_own_suite(etc: Path) -> None:
    write(etc, DEBIAN, debian_sources=DEB822, vendor_list=THIRD_PARTIES)
    plan = sources.plan(None, etc)
    assert (plan.distribution, plan.suite, plan.mirror) == ("debian", "bookworm", "http://mirror.example.org/debian")
    assert plan.components == ("main", "non-free-firmware")
    assert plan.signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert [(entry.uris, entry.suites) for entry in plan.entries] == [
        (("http://mirror.example.org/debian",), ("bookworm", "bookworm-updates")),
        (("http://mirror.example.org/debian-security",), ("bookworm-security",)),
    ]


def test_another_suite_of_the_distribution_comes_from_the_same_mirror(etc: Path) -> None:
    write(etc, DEBIAN, debian_sources=DEB822)
    plan = sources.plan("trixie", etc)
    assert plan.mirror == "http://mirror.example.org/debian"
    assert [suite for entry in plan.entries for suite in entry.suites] == [
        "trixie",
        "trixie-updates",
        "trixie-security",
    ]


def test_unstable_has_no_pockets(etc: Path) -> None:
    write(etc, DEBIAN, debian_sources=DEB822)
    assert [entry.suites for entry in sources.plan("sid", etc).entries] == [("sid",)]


def test_one_line_sources_of_an_ubuntu_machine(etc: Path) -> None:
    write(etc, UBUNTU)
    (etc / "apt/sources.list").write_text(ONE_LINE)
    plan = sources.plan(None, etc)
    assert (plan.distribution, plan.suite) == ("ubuntu", "noble")
    assert plan.mirror == "http://near.example.org/ubuntu"
    assert plan.entries[1].options == {
        "Architectures": "amd64 arm64",
        "Signed-By": "/usr/share/keyrings/u.gpg",
    }
    assert sources.plan("jammy", etc).entries[2].suites == ("jammy-security",)


def test_a_mirror_list_in_a_file_is_followed(etc: Path) -> None:
    mirrors = etc / "mirrors.list"
    mirrors.write_text("# ours first\nhttps://near.example.org/debian\thigh\nhttps://far.example.org/debian\n")
    stanza = f"Types: deb\nURIs: mirror+file://{mirrors}\nSuites: bookworm bookworm-updates\nComponents: main\n"
    write(etc, DEBIAN, debian_sources=stanza)
    assert sources.plan(None, etc).entries[0].uris == (
        "https://near.example.org/debian",
        "https://far.example.org/debian",
    )


def test_sources_that_say_stable_mean_the_machine_s_suite(etc: Path) -> None:
    write(etc, DEBIAN, a_list="deb http://mirror.example.org/debian stable main\n")
    assert sources.plan(None, etc).entries == (Entry(("http://mirror.example.org/debian",), ("bookworm",), ("main",)),)


def test_a_source_written_out_says_the_same_when_read_again(etc: Path) -> None:
    write(etc, DEBIAN, debian_sources=DEB822)
    plan = sources.plan(None, etc)
    write(etc, DEBIAN, debian_sources=plan.deb822())
    assert sources.plan(None, etc) == plan
    assert "\n -----BEGIN PGP" in plan.deb822()


def test_a_suite_of_the_other_distribution_comes_from_its_own_archive(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = etc / "ubuntu.gpg"
    keyring.touch()
    monkeypatch.setitem(sources._KEYRINGS, "ubuntu", str(keyring))
    write(etc, DEBIAN, debian_sources=DEB822)
    # Which archive that is, debootstrap knows.
    (etc / "scripts").mkdir()
    (etc / "scripts" / "noble").write_text(
        "case $ARCH in\n  amd64|i386)\n    default_mirror http://archive.example.org/ubuntu ;;\n"
        "  *)\n    default_mirror http://ports.example.org/ubuntu ;;\nesac\nmirror_style release\n"
    )
    monkeypatch.setattr(sources, "_SCRIPTS", etc / "scripts")
    plan = sources.plan("noble", etc, architecture="amd64")
    assert (plan.distribution, plan.mirror) == ("ubuntu", "http://archive.example.org/ubuntu")
    assert plan.signed_by == str(keyring)
    assert sources.plan("noble", etc, architecture="arm64").mirror == "http://ports.example.org/ubuntu"


def test_a_machine_without_sources_takes_the_mirror_of_debootstrap(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(etc, DEBIAN)
    keyring, program = etc / "debian.gpg", etc / "debootstrap"
    keyring.touch()
    program.write_text('#!/bin/sh\nDEF_MIRROR="http://archive.example.org/debian"\n')
    monkeypatch.setitem(sources._KEYRINGS, "debian", str(keyring))
    monkeypatch.setattr(sources, "_PROGRAM", program)
    plan = sources.plan("bookworm", etc)
    assert [entry.uris for entry in plan.entries] == [
        ("http://archive.example.org/debian",),
        ("http://archive.example.org/debian-security",),
    ]


def test_missing_keys_of_the_other_distribution_say_what_to_install(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources._KEYRINGS, "ubuntu", str(etc / "not-there.gpg"))
    write(etc, DEBIAN, debian_sources=DEB822)
    with pytest.raises(SandboxError, match="noble is an Ubuntu suite.*apt-get install ubuntu-keyring"):
        sources.plan("noble", etc)


def test_an_unknown_suite_names_those_there_are(etc: Path) -> None:
    write(etc, DEBIAN, debian_sources=DEB822)
    with pytest.raises(SandboxError, match="no Debian or Ubuntu suite is called 'nobel'.*bookworm.*noble"):
        sources.plan("nobel", etc)
    with pytest.raises(SandboxError, match=r"is called '\.\./sid'"):
        sources.plan("../sid", etc)


def test_a_machine_that_is_neither_asks_for_a_suite(etc: Path) -> None:
    write(etc, "ID=fedora\n")
    with pytest.raises(SandboxError, match="this machine runs fedora, .* --suite bookworm"):
        sources.plan(None, etc)
