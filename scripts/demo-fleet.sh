#!/bin/sh
# Puts examples/fleet on three disposable hosts on this machine, and asks the balancer until both web hosts answered.
set -eu
cd "$(dirname "$0")/.."
PATH=$(pwd)/.venv/bin:$PATH
export PATH

[ "$(uname -s)" = Linux ] || {
    echo "The sandbox needs Linux; this is $(uname -s)" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || {
    echo "The sandbox boots hosts, which takes root: sudo make demo-fleet" >&2
    exit 1
}
sh scripts/bootstrap.sh - git debootstrap systemd-container nftables iproute2 openssh-client gpgv

ask="$(pwd)/scripts/ask_balancer.py"
cd examples/fleet
fab sandbox.up --count 3 provision deploy --dirty
exec python "$ask" sandbox-3
