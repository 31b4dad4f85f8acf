"""Package: what dpkg's own database says is installed. That apt installs is tried on real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.agent import apt
from hostsmith.resources import Package, Reload, ResourceError

STATUS = """\
Package: nginx
Status: install ok installed
Priority: optional
Architecture: amd64
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


def test_installed_ones_and_what_they_provide(status: Path) -> None:
    assert sorted(apt._installed(str(status))) == ["held", "httpd", "httpd-cgi", "libpq5", "nginx", "nginx-abi"]


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
