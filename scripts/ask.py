"""Last line of the demo: the release that answers over HTTP."""

from __future__ import annotations

import re
import sys
import urllib.request
from pathlib import Path

from hostsmith.openssh.host import Host
from hostsmith.sandbox import lookup


def main(spec: str) -> int:
    """Print "<url> is up: release <id>".

    :param spec: the host as given to `fab -H`.
    :returns: exit status.
    """
    host = Host.parse(spec)
    target = lookup(Path.cwd(), host.host)
    address = target.address if target else host.host
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
        text = response.read().decode()
    found = re.search(r"Hello from (\d{8}-\d{6}-[0-9a-z-]+)!", text)
    if not found:
        sys.stderr.write(f"{url} answered, but not as the example does: {text[:200]!r}\n")
        return 1
    sys.stdout.write(f"{url} is up: release {found.group(1)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
