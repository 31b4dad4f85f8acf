"""What many hosts cost, with pyinfra and Ansible on the same hosts in the same run; `make bench-fleet`.

First: how long each takes to find nothing to change on HOSTS hosts, interleaved, so that a machine that slows down
slows all of them. All three look at the same 18 resources (benchmarks/peers), and `fab provision` at the 12 of the
example. Each must say itself that nothing changed, and a script that knows none of them looks at the hosts.

Then: an all-or-nothing deploy to the first 1, 5, 10, ... hosts, after which each must serve the new release.

    HOSTS=16 SIZES=1,5,10,25,50 RUNS=5 .venv/bin/python benchmarks/fleet.py     or QUICK=1: 2 hosts, one run
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import HERE, PYINFRA, Bench, Cost, as_json, heading, median
from hostsmith.sandbox import Sandbox, lookup

QUICK = bool(os.environ.get("QUICK"))
HOSTS = int(os.environ.get("HOSTS", "2" if QUICK else "16"))
SIZES = [int(size) for size in os.environ.get("SIZES", "1,2" if QUICK else "1,5,10,25,50").split(",") if size]
RUNS = int(os.environ.get("RUNS", "1" if QUICK else "5"))
OURS, SAME, PEER, ANSIBLE = "fab provision", "hostsmith, same 18", "pyinfra", "ansible"
_IMAGE = "done"
_BOOT = 180  # seconds that the sites have to answer after their hosts were booted

Figures = dict[str, list[Cost]]


def main() -> int:
    """Run it all, and leave nothing but the cached base."""
    box = Sandbox(HERE)
    if box.hosts() or box.images():  # a killed run's
        box.destroy()
    head = heading(f"{RUNS} runs")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            fleet = prepared(box, Path(scratch))
            looks = fleet.look(HOSTS) if HOSTS else {}
            deploys = fleet.deploy(SIZES)
        finally:
            box.destroy()
    tables = [table(figures) for table, figures in ((look_table, looks), (deploy_table, deploys)) if figures]
    print(head, *tables, as_json({**looks, **deploys}), sep="\n\n")
    return 0


@dataclass(frozen=True)
class Job:
    """A command, and what it prints, so many times for each host, when it changes nothing.

    :param sign: a regular expression.
    """

    argv: list[str]
    cwd: Path
    sign: str
    times: int = 1

    def unchanged(self, output: str, hosts: int) -> bool:
        """Whether it has changed nothing on any of so many hosts."""
        return len(re.findall(self.sign, output)) == self.times * hosts


class Fleet:
    """Hosts that begin as copies of one, on which all that is measured has been done once."""

    def __init__(self, box: Sandbox, bench: Bench) -> None:
        self._box, self._bench = box, bench
        self._project, self._peers = bench.project(), bench.peers()
        self._pyinfra = bench.installed(PYINFRA)
        self._ansible = bench.installed("ansible-core>=2.19,<2.20") / "ansible-playbook"

    def look(self, count: int) -> Figures:
        """The cost of finding nothing to change on so many hosts."""
        addresses = self._up(count)
        jobs = self.jobs(addresses)
        figures: Figures = {name: [] for name in jobs}
        for run in range(RUNS + 1):
            for name, job in jobs.items():
                cost, output = self._bench.run(job.argv, job.cwd)
                if not job.unchanged(output, count):
                    sys.exit(f"{name}: expected that nothing changed on {count} hosts\n{output}")
                say(f"{name}, {count} hosts: {cost}{'' if run else ', not counted'}")
                if run:  # in the first round the hosts' disks are read
                    figures[name].append(cost)
        self.verify(addresses)
        return figures

    def deploy(self, sizes: Sequence[int]) -> Figures:
        """The cost of a deploy to so many hosts, for each of the sizes."""
        figures: Figures = {}
        for size in sizes:
            addresses = self._up(size)
            self.write_settings(addresses)
            for _ in range(RUNS):
                cost, output = self._bench.run([*self._bench.fab, "deploy", "--json"], self._project)
                release = json.loads(output)["release"]
                served = {fetched(address) for address in addresses}
                if len(served) != 1 or release not in served.pop():
                    sys.exit(f"expected {release} on all of {size} hosts, found {served}\n{output}")
                say(f"deploy, {size} hosts: {cost}")
                figures.setdefault(f"deploy {size}", []).append(cost)
        return figures

    def jobs(self, addresses: Sequence[str]) -> dict[str, Job]:
        """What is compared, for these hosts."""
        self.write_settings(addresses)
        key = self._bench.target.key_filename
        known = f"-o UserKnownHostsFile={self._bench.target.known_hosts}"
        access = f"[all:vars]\nansible_user=root\nansible_ssh_private_key_file={key}\nansible_ssh_common_args={known}\n"
        (self._peers / "hosts.ini").write_text("\n".join([*addresses, access]))
        ansible = [str(self._ansible), "--forks", str(len(addresses)), "ansible_provision.yml"]
        return {
            OURS: Job([*self._bench.fab, "provision"], self._project, r": +0 changed, \d+ unchanged"),
            SAME: Job([*self._bench.fab, "resources"], self._peers, r": +0 changed, 18 unchanged"),
            PEER: Job(self._bench.pyinfra(self._pyinfra, addresses), self._peers, "No changes\n", times=18),
            ANSIBLE: Job(ansible, self._peers, r"ok=18 +changed=0 "),
        }

    def write_settings(self, addresses: Sequence[str]) -> None:
        """Make these the hosts of the projects."""
        web = {"roles": {"web": [f"root@{address}" for address in addresses]}}
        app = {"app": "hello", "static": "static", "workers": 1, "health": {"path": "/healthz"}}
        (self._project / "fabric.yaml").write_text(json.dumps({**app, **web}))
        (self._peers / "fabric.yaml").write_text(json.dumps({"app": "peer", "processes": {"web": "true"}, **web}))

    def do_once(self, address: str) -> None:
        """Have one host do all that is measured."""
        for name, job in self.jobs([address]).items():
            say(f"{name}, for the first time")
            self._bench.run(job.argv, job.cwd)
        self._bench.run([*self._bench.fab, "deploy"], self._project)

    def verify(self, addresses: Sequence[str]) -> None:
        """Look at the hosts without any of the tools."""
        script = (self._peers / "verify.sh").read_text()
        target = self._bench.target
        options = ["-i", target.key_filename, "-oBatchMode=yes", f"-oUserKnownHostsFile={target.known_hosts}"]
        for address in addresses:
            argv = ["ssh", *options, f"root@{address}", "sh -s"]
            done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{address} is not as it should be:\n{done.stderr}")

    def _up(self, count: int) -> list[str]:
        """The addresses of so many hosts, all of which serve their site."""
        for number in range(len(self._box.hosts()), count):
            self._box.create(f"clone-{number + 1}", image=_IMAGE)
            say(f"{number + 1} hosts")
        addresses = [host.address for host in self._box.hosts()[:count]]
        self._bench.know_hosts()
        deadline = time.monotonic() + _BOOT
        for address in addresses:
            while not fetched(address):
                if time.monotonic() > deadline:
                    sys.exit(f"{address} did not serve its site within {_BOOT} s")
                time.sleep(0.2)
        return addresses


def prepared(box: Sandbox, folder: Path) -> Fleet:
    """An image to copy hosts from, made by doing all that is measured on one host."""
    first = box.create("first", progress=say)
    target = lookup(HERE, first.name)
    assert target is not None
    bench = Bench(folder, target)
    bench.know_hosts()
    fleet = Fleet(box, bench)
    fleet.do_once(first.address)
    fleet.verify([first.address])
    box.snapshot(first.name, _IMAGE)
    box.destroy(first.name)
    return fleet


def fetched(address: str) -> str:
    """The page of a host's site; nothing when it has none yet."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def look_table(figures: Figures) -> str:
    """The cost of finding nothing to change, and how many times ours the others take."""
    lines = [f"nothing to change, {HOSTS} hosts", f"{'':24}{'seconds':>8}{'min':>8}{'max':>8}{'CPU s':>8}{'MB':>6}"]
    for name, costs in figures.items():
        seconds = [cost.seconds for cost in costs]
        middle = median(costs)
        spread = f"{middle.seconds:8.2f}{min(seconds):8.2f}{max(seconds):8.2f}"
        lines.append(f"{name:24}{spread}{middle.cpu:8.2f}{middle.memory:6.0f}")
    for peer in (PEER, ANSIBLE):
        ratios = [median(figures[peer]).seconds / median(figures[ours]).seconds for ours in (OURS, SAME)]
        lines.append(f"{peer} takes {ratios[0]:.1f} times as long as {OURS}, {ratios[1]:.1f} times as {SAME}")
    return "\n".join(lines)


def deploy_table(figures: Figures) -> str:
    """The cost of a deploy, and the share of one host in it."""
    lines = [f"{'deploy to so many hosts':24}{'seconds':>8}{'a host':>8}{'CPU s':>8}{'a host':>8}{'MB':>6}"]
    middles = [median(costs) for costs in figures.values()]
    for size, cost in zip(SIZES, middles, strict=True):
        shares = f"{cost.seconds:8.2f}{cost.seconds / size:8.2f}{cost.cpu:8.2f}{cost.cpu / size:8.3f}"
        lines.append(f"{size:<24}{shares}{cost.memory:6.0f}")
    if len(SIZES) > 1:
        low, high, more = middles[0], middles[-1], SIZES[-1] - SIZES[0]
        seconds, cpu = (high.seconds - low.seconds) / more, (high.cpu - low.cpu) / more
        memory = (high.memory - low.memory) / more
        lines.append(f"each further host adds {seconds:.2f} s, {cpu:.3f} s of the controller's CPU, {memory:.2f} MB")
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
