"""Software from package managers: the system's (apt, dnf, yum), and RubyGems."""

from __future__ import annotations

import re
import shlex

from invoke.context import Context
from invoke.runners import Result

from ..errors import PatchworkError
from .info import distro_family
from .util import run_script

# A name for a query of dpkg (deb-control(5), "Package"), with or without an architecture. Other arguments of apt
# (`name=version`, `name/suite`, a .deb file) are always passed to it.
_DEBIAN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?")

# $@ names. Prints those that are not installed; dpkg-query itself fails for a name that it has never seen.
_NOT_INSTALLED_DEB = """\
for name do
    case $(dpkg-query -W -f '${db:Status-Abbrev}' -- "$name" 2>/dev/null) in
        ?i*) ;;
        *) printf '%s\\n' "$name" ;;
    esac
done
"""

# Settings changed by the administrator are kept without a question from dpkg. The lock is waited for, because
# a new host's unattended upgrades hold it for a while. Lists that are old, or were never fetched, are the usual reason
# for a failure, so they are fetched then, and only then.
_INSTALL_DEB = """\
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get install -y -o DPkg::Lock::Timeout=120 \\
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- "$@" < /dev/null
}
install "$@" && exit
apt-get update -o DPkg::Lock::Timeout=120 < /dev/null && install "$@"
"""

_INSTALL_RPM = """\
if command -v dnf > /dev/null; then manager=dnf
elif command -v yum > /dev/null; then manager=yum
else echo 'found neither apt-get nor dnf nor yum on this host' >&2; exit 1
fi
for name do
    shift
    rpm -q --quiet -- "$name" || set -- "$@" "$name"
done
[ $# = 0 ] || "$manager" install -y -- "$@" < /dev/null
"""


def package(c: Context, *packages: str) -> None:
    """Install system packages that are not installed yet, with `apt-get` or else `dnf` or `yum`, by sudo.

    Installed packages are left alone, even when there is a newer version. All others are installed at once. Arguments
    other than plain names (`nginx=1.22*`, `/tmp/local.deb`) are passed to the package manager every time.

    :param packages: names; one string may hold several, with spaces between them.
    :raises PatchworkError: a name is invalid, or the package manager failed; with its message.
    """
    names = [name for words in packages for name in words.split()]
    for name in names:
        if name.startswith("-"):
            raise PatchworkError(f"package(): {name!r} is an option, expected the name of a package.")
    if not names:
        return
    debian = distro_family(c) == "debian"
    missing = _missing_on_debian(c, names) if debian else names
    if missing:
        script = _INSTALL_DEB if debian else _INSTALL_RPM
        doing = f"installing {', '.join(missing)}"
        run_script(c, c.sudo, script, *map(shlex.quote, missing), doing=doing, hide=c.config.run.hide)


def rubygem(c: Context, gem: str) -> Result:
    """Install a Ruby gem, by sudo, without its documentation.

    :param gem: a name, `name:version`, or a name and options of `gem install`, such as "rails -v 7.1".
    :raises PatchworkError: `gem` is missing or failed; with its message.
    """
    name, *options = shlex.split(gem) or [""]
    if not name or name.startswith("-"):
        raise PatchworkError(f"rubygem(): found {gem!r}, expected the name of a gem.")
    script = 'gem install -b --no-document "$@" < /dev/null'
    words = map(shlex.quote, [*options, name])
    return run_script(c, c.sudo, script, *words, doing=f"installing the gem {name}", hide=c.config.run.hide)


def _missing_on_debian(c: Context, names: list[str]) -> list[str]:
    plain = [name for name in names if _DEBIAN_NAME.fullmatch(name)]
    asked = run_script(c, c.run, _NOT_INSTALLED_DEB, *map(shlex.quote, plain), doing="asking dpkg what is installed")
    missing = asked.stdout.split()
    return [name for name in names if name in missing or name not in plain]
