"""What the main jobs cost on one disposable host, with pyinfra on the same host in the same run; `make bench`.

Prints seconds of whole processes, median, minimum and maximum, and how long pyinfra takes, beside us, to find nothing
to change in its 18 resources (benchmarks/peers). Interleaved, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path

from hostsmith.sandbox import Sandbox, lookup

HERE = Path(__file__).parent
FAB = Path(sys.executable).with_name("fab")
RUNS = int(os.environ.get("RUNS", "7"))


def main() -> int:
    """Run it all, and leave nothing but the cached base."""
    box = Sandbox(HERE)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            box.create("bench", progress=lambda text: print(text, file=sys.stderr))
            print(report(measure(folder)))
        finally:
            for host in box.hosts():
                box.destroy(host.name)
    return 0


def measure(folder: Path) -> dict[str, list[float]]:
    """Seconds of each run of each job."""
    target = lookup(HERE, "bench")
    assert target is not None
    project = folder / "project"
    shutil.copytree(HERE.parent / "examples" / "flask-hello", project)
    (project / "fabric.yaml").write_text('{"app": "hello", "health": {"path": "/healthz"}, "static": "static"}')
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(target.known_hosts, home / ".ssh" / "known_hosts")
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    fab = [str(FAB), "-i", target.key_filename, "-H", f"root@{target.address}"]
    pyinfra = prepare_pyinfra(folder, target.address, target.key_filename)

    def timed(argv: list[str], cwd: Path) -> float:
        start = time.perf_counter()
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return time.perf_counter() - start

    cold = timed([*fab, "provision"], project)
    first = timed([*fab, "deploy"], project)
    timed(pyinfra, folder)
    figures: dict[str, list[float]] = {"provision, bare host": [cold], "first deploy": [first]}
    jobs = {
        "pyinfra, nothing to change": (pyinfra, folder),
        "provision, nothing to change": ([*fab, "provision"], project),
        "deploy, same requirements": ([*fab, "deploy"], project),
        "rollback": ([*fab, "rollback"], project),
        "fab --list": ([str(FAB), "--list"], project),
    }
    for _ in range(RUNS):
        for name, (argv, cwd) in jobs.items():
            figures.setdefault(name, []).append(timed(argv, cwd))
    return figures


def prepare_pyinfra(folder: Path, address: str, key: str) -> list[str]:
    """Install pyinfra into a virtualenv of its own; returns its command."""
    venv.create(folder / "pyinfra", with_pip=True)
    pip = [str(folder / "pyinfra/bin/python"), "-m", "pip", "install", "--quiet", "pyinfra>=3.10,<4"]
    subprocess.run(pip, check=True)
    (folder / "peer.txt").write_text("peer\n")
    (folder / "site.j2").write_text("# {{ app }}\n")
    (folder / "logrotate.j2").write_text("/var/log/{{ app }}/*.log { daily\n }\n")
    shutil.copy(HERE / "peers" / "pyinfra_provision.py", folder)
    options = ["--user", "root", "--key", key, "--data", "ssh_strict_host_key_checking=accept-new", "-y"]
    return [str(folder / "pyinfra/bin/pyinfra"), *options, address, "pyinfra_provision.py"]


def report(figures: dict[str, list[float]]) -> str:
    """The figures as a table, and as JSON below it."""
    base = statistics.median(figures["pyinfra, nothing to change"])
    lines = [
        f"hostsmith {version('hostsmith')}, Python {platform.python_version()}, {os.cpu_count()} CPUs shared with "
        f"the host, {RUNS} runs",
        f"{'seconds':32}{'median':>8}{'min':>8}{'max':>8}",
    ]
    for name, runs in figures.items():
        median = statistics.median(runs)
        lines.append(f"{name:32}{median:8.2f}{min(runs):8.2f}{max(runs):8.2f}")
    ratio = base / statistics.median(figures["provision, nothing to change"])
    lines.append(f"pyinfra takes {ratio:.1f} times as long to find nothing to change")
    return "\n".join([*lines, "", json.dumps(figures)])


if __name__ == "__main__":
    sys.exit(main())
