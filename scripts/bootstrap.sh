#!/bin/sh
# Installs what a checkout needs: Debian packages (as root, and only those that are missing) and a virtualenv in .venv.
# What these packages would start stays stopped, and off at the next boot.
# usage: bootstrap.sh [EXTRA] [PACKAGE...]; EXTRA is a name of setup.cfg's extras_require, "-" for none.
set -eu
cd "$(dirname "$0")/.."
extra=${1:--}
[ $# -gt 0 ] && shift

say() { printf '\033[1m%s\033[0m\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || [ $# = 0 ] || die "The sandbox needs Linux; on $(uname -s) use a real server: make demo HOST=user@host"

missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
python=${PYTHON:-python3}
command -v "$python" >/dev/null || missing="$missing python3"
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    [ "$python" = python3 ] && missing="$missing python3-venv" || die "$python has no venv module: install it, or set PYTHON"
fi
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || die "Missing:$missing. Install them by this system's own means, or use a Debian or Ubuntu machine."
    [ "$(id -u)" = 0 ] || die "Missing:$missing. Install them first: sudo apt-get install$missing"
    say "Installing Debian packages:$missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # Tests use the programs alone: no service of these packages may take a port of this machine, now or at a boot.
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then
        policy=""
    else
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    # An old package list may name files that are gone: refresh it when the first try fails.
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 || {
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends $missing >/dev/null
    }
    [ -z "$policy" ] || rm -f $policy
    for package in $missing; do
        case $package in
            nginx* | haproxy | redis-server | postgresql)
                service=${package%-light}
                systemctl disable --quiet "$service" 2>/dev/null || update-rc.d "$service" disable || true
                ;;
        esac
    done
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "Found $("$python" --version), expected Python 3.10 or newer; name one with PYTHON=python3.x"

stamp=.venv/.installed-$extra
if [ ! -e "$stamp" ] || [ setup.cfg -nt "$stamp" ]; then
    say "Installing hostsmith into .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    target=.
    [ "$extra" = - ] || target=".[$extra]"
    .venv/bin/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check --editable "$target"
    touch "$stamp"
fi
