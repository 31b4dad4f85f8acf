"""What the main jobs cost on one disposable host, with pyinfra on the same host in the same run; `make bench`.

Prints seconds of whole processes, median, minimum and maximum, and how long pyinfra takes, beside us, to find nothing
to change in its 18 resources (benchmarks/peers). Interleaved, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from common import FAB, HERE, PYINFRA, Bench, heading
from hostsmith.sandbox import Sandbox, lookup

RUNS = int(os.environ.get("RUNS", "7"))


def main() -> int:
    """Run it all, and leave nothing but the cached base."""
    box = Sandbox(HERE)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            box.create("bench", progress=lambda text: print(text, file=sys.stderr))
            print(report(measure(Path(scratch))))
        finally:
            for host in box.hosts():
                box.destroy(host.name)
    return 0


def measure(folder: Path) -> dict[str, list[float]]:
    """Seconds of each run of each job."""
    target = lookup(HERE, "bench")
    assert target is not None
    bench = Bench(folder, target)
    bench.know_hosts()
    project, peers = bench.project(), bench.peers()
    (project / "fabric.yaml").write_text('{"app": "hello", "health": {"path": "/healthz"}, "static": "static"}')
    fab = [*bench.fab, "-H", f"root@{target.address}"]
    pyinfra = bench.pyinfra(bench.installed(PYINFRA), [target.address])

    def timed(argv: list[str], cwd: Path) -> float:
        cost, _ = bench.run(argv, cwd)
        return cost.seconds

    cold = timed([*fab, "provision"], project)
    first = timed([*fab, "deploy"], project)
    timed(pyinfra, peers)
    figures: dict[str, list[float]] = {"provision, bare host": [cold], "first deploy": [first]}
    jobs = {
        "pyinfra, nothing to change": (pyinfra, peers),
        "provision, nothing to change": ([*fab, "provision"], project),
        "deploy, same requirements": ([*fab, "deploy"], project),
        "rollback": ([*fab, "rollback"], project),
        "fab --list": ([str(FAB), "--list"], project),
    }
    for _ in range(RUNS):
        for name, (argv, cwd) in jobs.items():
            figures.setdefault(name, []).append(timed(argv, cwd))
    return figures


def report(figures: dict[str, list[float]]) -> str:
    """The figures as a table, and as JSON below it."""
    base = statistics.median(figures["pyinfra, nothing to change"])
    lines = [heading(f"{RUNS} runs"), f"{'seconds':32}{'median':>8}{'min':>8}{'max':>8}"]
    for name, runs in figures.items():
        median = statistics.median(runs)
        lines.append(f"{name:32}{median:8.2f}{min(runs):8.2f}{max(runs):8.2f}")
    ratio = base / statistics.median(figures["provision, nothing to change"])
    lines.append(f"pyinfra takes {ratio:.1f} times as long to find nothing to change")
    return "\n".join([*lines, "", json.dumps(figures)])


if __name__ == "__main__":
    sys.exit(main())
