"""Linux distribution of a host, by os-release(5)."""

from __future__ import annotations

import shlex

from invoke.context import Context

from .util import run_script

NAMES = ("fedora", "rhel", "centos", "ubuntu", "debian")
"""The distributions that have a name here; any other is "other"."""

FAMILIES = {"debian": ("debian", "ubuntu"), "redhat": ("rhel", "centos", "fedora")}
"""The members of each family."""

# /etc wins over /usr/lib. The *-release files are older than os-release.
_OS_RELEASE = """\
for file in /etc/os-release /usr/lib/os-release; do
    [ ! -r "$file" ] || exec cat -- "$file"
done
for name in fedora centos; do
    [ ! -e "/etc/$name-release" ] || echo "ID=$name"
done
"""


def distro_name(c: Context) -> str:
    """Return the distribution: "fedora", "rhel", "centos", "ubuntu", "debian" or "other"."""
    return name_of(_os_release(c))


def distro_family(c: Context) -> str:
    """Return the distribution's family, "debian" or "redhat", by ID or ID_LIKE; else "other"."""
    return family_of(_os_release(c))


def name_of(os_release: str) -> str:
    """Return the distribution's name, by the text of its os-release file."""
    return next((name for name in _values(os_release, "ID") if name in NAMES), "other")


def family_of(os_release: str) -> str:
    """Return the distribution's family, by the text of its os-release file."""
    for name in [*_values(os_release, "ID"), *_values(os_release, "ID_LIKE")]:
        for family, members in FAMILIES.items():
            if name in members:
                return family
    return "other"


def _os_release(c: Context) -> str:
    return run_script(c, c.run, _OS_RELEASE, doing="reading /etc/os-release").stdout


def _values(os_release: str, key: str) -> list[str]:
    lines = [line.removeprefix(f"{key}=") for line in os_release.splitlines() if line.startswith(f"{key}=")]
    try:
        return " ".join(shlex.split(" ".join(lines))).split()
    except ValueError:  # an unbalanced quote: invalid by os-release(5), but not fatal
        return []
