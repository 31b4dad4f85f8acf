"""Answers of both web hosts through the balancer of examples/fleet."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from hostsmith.sandbox import lookup

_HOSTS = 2
_TIMES = 4
_LIMIT = 30.0  # seconds: HAProxy checks a host a few times before it is up


def main(name: str) -> int:
    """Print the answers.

    :param name: the balancer's name in the sandbox.
    :returns: exit status.
    """
    target = lookup(Path.cwd(), name)
    if target is None:
        sys.stderr.write(f"there is no sandbox host {name} here; `fab sandbox.up --count 3` boots it\n")
        return 1
    url = f"http://{target.address}/"
    deadline, found = time.monotonic() + _LIMIT, set[str]()
    while len(found) < _HOSTS:
        if time.monotonic() > deadline:
            hosts = ", ".join(found) or "no host"
            sys.stderr.write(f"{url}: found answers of {hosts}, expected {_HOSTS} hosts to answer in turn\n")
            return 1
        if answer := _ask(url):
            found.add(answer.split()[0])
        time.sleep(0.2)
    for _ in range(_TIMES):
        sys.stdout.write(f"{url} {_ask(url)}\n")
    return 0


def _ask(url: str) -> str:
    """Get the answer; empty when no host is up behind the balancer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return str(response.read().decode().strip())
    except urllib.error.HTTPError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
