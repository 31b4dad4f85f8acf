"""Package: what dpkg's own database says is installed. That apt installs is tried on real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.hostkit.programs import apt
from hostsmith.resources import Package, Reload, ResourceError

STATUS = """\
Package: nginx
Status: install ok installed
Priority: optional
Architecture: amd64
Version: 1:1.22.1-9+deb12u3
Provides: httpd, httpd-cgi (= 1.22), nginx-abi (= 1)
Conffiles:
 /etc/nginx/nginx.conf 0123456789abcdef
Description: small web server
 Package: not-a-package
 .
 Status: install ok installed

Package: removed
Status: deinstall ok config-files
Provides: something

Package: held
Status: hold ok installed
Architecture: all
Version: 3

Package: broken
Status: install reinstreq half-installed

Package: unpacked
Status: install ok unpacked

Package: libpq5
Status: install ok installed
Multi-Arch: same
"""


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "status"
    path.write_text(STATUS)
    return path


def missing(status: Path, *names: str) -> list[str]:
    return apt._not_among(set(apt._installed(str(status))), names)


def test_installed_ones_and_what_they_provide(status: Path) -> None:
    there = ["held", "httpd", "httpd-cgi", "libpq5", "nginx", "nginx-abi"]
    away = ["removed", "something", "broken", "unpacked", "not-a-package"]
    assert missing(status, *there, *away) == away


def test_names_with_an_architecture_a_version_or_a_release_as_apt_takes_them(status: Path) -> None:
    there = ["nginx:amd64", "nginx=1:1.22.1-9+deb12u3", "nginx:amd64=1:1.22.1-9+deb12u3", "nginx/stable-backports"]
    there += ["held:amd64", "held:all", "held:arm64=3"]
    away = ["nginx:i386", "nginx=1:1.22.1-9", "nginx:i386=1:1.22.1-9+deb12u3", "removed/stable", "held=4"]
    assert missing(status, *there, *away) == away


def test_a_description_that_is_not_utf8_is_no_problem(status: Path) -> None:
    status.write_bytes(STATUS.replace("small", "caf\xe9").encode("latin-1"))
    assert "nginx" in set(apt._installed(str(status)))


def test_a_host_that_is_not_debian_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="expected a Debian or Ubuntu host"):
        list(apt._installed(f"{tmp_path}/none"))


def test_packages_are_values() -> None:
    assert Package("git", "rsync") == Package("git", "rsync", max_age=86400)
    assert Package("git").describe() == "package git"
    assert list(Package("nginx", notify=Reload("nginx")).handlers()) == [Reload("nginx")]
