"""Real runs of `fab` in a project folder of a test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Fab:
    """A project folder in which `fab` is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "fabric.yaml") -> None:
        (self.folder / name).write_text(text)

    def run(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fabric", *args],
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def output(self, *args: str, **environ: str) -> list[str]:
        done = self.run(*args, **environ)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def error(self, *args: str, **environ: str) -> list[str]:
        """The lines of a run that ends with an error of ours, and nothing else."""
        done = self.run(*args, **environ)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()
