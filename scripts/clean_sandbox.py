"""Removal of all disposable hosts that this checkout has made."""

from __future__ import annotations

import sys
from pathlib import Path

from hostsmith.errors import HostsmithError
from hostsmith.sandbox import Sandbox, abandoned, remove_unused_bases

FOLDERS = ("examples/*", "tests/hosts/workers/*", "benchmarks")


def main() -> int:
    """Remove them, with those whose project folder is gone, such as a test's temporary one.

    :returns: exit status.
    """
    root = Path(__file__).parent.parent
    try:
        folders = [folder for pattern in FOLDERS for folder in root.glob(pattern) if folder.is_dir()]
        for sandbox in [*map(Sandbox, folders), *abandoned()]:
            sandbox.destroy()
        remove_unused_bases()
    except HostsmithError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("no sandbox hosts of this checkout are left\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
