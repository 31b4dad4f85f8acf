"""Names that no app may have: what every host has already, or a package brings and takes as it finds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.settings import Settings
from hostsmith.settings.reserved import is_reserved
from pydantic import ValidationError

BASE = Path("/usr/share/base-passwd")


def base_names() -> list[str]:
    """Users and groups that each Debian has from its first moment on."""
    lines = [line for name in ("passwd.master", "group.master") for line in (BASE / name).read_text().splitlines()]
    return sorted({line.partition(":")[0] for line in lines})


def test_each_user_and_group_of_debian_is_reserved() -> None:
    assert "root" in base_names()
    # An app's name has no underscore.
    assert [name for name in base_names() if not is_reserved(name) and "_" not in name] == []


@pytest.mark.parametrize(
    "name",
    ["messagebus", "polkitd", "systemd-network", "sshd", "crontab", "docker", "lxd", "libvirt", "kvm", "wheel", "sudo"]
    + ["nginx", "haproxy", "postgres", "redis", "mysql", "memcache", "certbot", "supervisor", "fail2ban", "hostsmith"]
    + ["hostsmith-build", "default", "cron", "private", "journal", "ubuntu", "debian", "admin"],
)
def test_no_app_has_the_name_of_what_a_host_or_a_package_has(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(app=name)


@pytest.mark.parametrize("name", ["blog", "shop-admin", "mailer", "rooted", "my-nginx", "systemdoctor"])
def test_names_that_only_resemble_one_are_free(name: str) -> None:
    assert Settings(app=name).app == name
