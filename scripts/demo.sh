#!/bin/sh
# Puts examples/flask-hello on a disposable host on this machine, or on HOST=user@host, and asks it over HTTP.
set -eu
cd "$(dirname "$0")/.."
host=${HOST:-}
root=$(pwd)
PATH=$root/.venv/bin:$PATH
export PATH

if [ -n "$host" ]; then
    sh scripts/bootstrap.sh - git
else
    [ "$(uname -s)" = Linux ] || {
        echo "The sandbox needs Linux; on $(uname -s) use a real server: make demo HOST=user@host" >&2
        exit 1
    }
    [ "$(id -u)" = 0 ] || {
        echo "The sandbox boots hosts, which takes root: sudo make demo, or use a real server: make demo HOST=user@host" >&2
        exit 1
    }
    sh scripts/bootstrap.sh - git debootstrap systemd-container nftables iproute2 openssh-client gpgv
fi

cd examples/flask-hello
if [ -n "$host" ]; then
    fab -H "$host" provision deploy --dirty
    exec python "$root/scripts/ask.py" "$host"
fi
fab sandbox.up
fab provision deploy --dirty
exec python "$root/scripts/ask.py" sandbox-1
