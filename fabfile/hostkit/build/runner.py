"""What runs a program to its end for whoever builds: as root, or as the user who builds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol


class Runner(Protocol):
    """`system.run`, or one who does it as another user."""

    def __call__(
        self, argv: Sequence[str], *, cwd: str = "/", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, and raise `CommandError` when it fails."""
