"""Mutation testing: which faults in the code the unit tests see.

Each fault is written into a copy of the checkout with a separate virtualenv, where the tests run that
tests/mutants.toml names for the file. Results are kept in .mutants, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mutate import Place, change, mutated, places

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".mutants"
_EXPECTED = 90  # percent


@dataclass(frozen=True)
class Fault:
    """A fault, and what became of it.

    :param state: seen, slow (the tests did not end: seen, too) or survived.
    """

    subject: str
    place: Place
    old: str
    new: str
    state: str


class Notes:
    """Results of earlier runs; a fault that survived is tried again when its tests have changed."""

    def __init__(self) -> None:
        self._path = WORK / "seen.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self._known = {fault: (state, tests) for fault, state, tests in map(json.loads, lines)}

    def get(self, fault: str, tests: str) -> str | None:
        state, by = self._known.get(fault, (None, ""))
        return state if by == tests or state in ("seen", "slow") else None

    def add(self, fault: str, state: str, tests: str) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps([fault, state, tests]) + "\n")


class Copy:
    """A copy of the checkout, whose tests import what is in it."""

    def __init__(self, number: int) -> None:
        self.folder = WORK / str(number)
        self._edits = 0
        self.folder.mkdir(exist_ok=True)
        keep = ["--filter=:- .gitignore", "--exclude=/.git", "--exclude=/.ci"]
        subprocess.run(["rsync", "-a", "--delete", *keep, f"{ROOT}/", f"{self.folder}/"], check=True)
        environment = {**os.environ, "PYTHON": sys.executable}
        subprocess.run(["sh", "scripts/bootstrap.sh", "dev"], cwd=self.folder, env=environment, check=True)
        self._python = str(self.folder / ".venv/bin/python")
        found = subprocess.run(
            [self._python, "-I", "-c", "import hostsmith; print(hostsmith.__file__)"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert found == str(self.folder / "fabfile/__init__.py"), f"the tests would load {found}"

    def try_out(self, place: Place, text: str, tests: list[str], limit: float) -> str:
        path = self.folder / place.file
        before = path.read_text()
        try:
            self._write(path, text)
            return self.run(tests, limit)
        finally:
            self._write(path, before)

    def run(self, tests: list[str], limit: float) -> str:
        """Run tests until the first that fails; what hangs is ended with all that it started."""
        argv = [self._python, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
        process = subprocess.Popen(
            argv, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            return "slow"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        # 5: a file without tests would see nothing.
        assert status != 5, f"no tests in {tests}"
        return "seen" if status else "survived"

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # Python compares the age of bytecode by whole seconds: no two edits have the same.
        self._edits += 1
        moment = time.time() - 1_000_000 + self._edits * 2
        os.utime(path, (moment, moment))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="as many faults of each subject, and not all")
    parser.add_argument("--seed", type=int, default=0, help="another one takes another sample")
    parser.add_argument("--only", help="a subject, or a file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=600, help="after which no further fault is tried")
    options = parser.parse_args()

    table = tomllib.loads((ROOT / "tests/mutants.toml").read_text())
    tests = {file: names for subject in table["subject"] for file, names in _files(subject).items()}
    WORK.mkdir(exist_ok=True)
    copies: SimpleQueue[Copy] = SimpleQueue()
    for number in range(options.jobs):
        copies.put(Copy(number))
    chosen = [pair for subject in table["subject"] for pair in _chosen(subject, options)]
    notes, end = Notes(), time.monotonic() + options.minutes * 60
    limits = _limits(copies, notes, {tuple(tests[place.file]) for _, place in chosen})

    def judge(subject: str, place: Place) -> Fault | None:
        names = tests[place.file]
        before, text = (ROOT / place.file).read_text(), mutated(ROOT, place)
        if text is None:
            return None
        old, new = change(before, text)
        key = f"{place.file} {_digest(text.encode())}", _digest(*((ROOT / name).read_bytes() for name in names))
        state = notes.get(*key)
        if state is None:
            if time.monotonic() > end:
                return None
            copy = copies.get()
            try:
                state = copy.try_out(place, text, names, limits[tuple(names)])
            finally:
                copies.put(copy)
            notes.add(key[0], state, key[1])
            if state != "seen":
                _say(f"{state}: {place.file}: {old}  ->  {new or '(nothing)'}")
        return Fault(subject, place, old, new, state)

    with ThreadPoolExecutor(options.jobs) as pool:
        faults = [fault for fault in pool.map(lambda pair: judge(*pair), chosen) if fault]
    return _report(faults, table.get("survivor", []))


def _files(subject: dict[str, Any]) -> dict[str, list[str]]:
    """Files of a subject, each with its tests."""
    found: dict[str, list[str]] = {}
    for pattern, names in subject["files"].items():
        tests = [path.relative_to(ROOT) for name in names for path in sorted(ROOT.glob(f"tests/unit/{name}"))]
        for path in sorted(ROOT.glob(pattern)):
            found.setdefault(str(path.relative_to(ROOT)), [str(test) for test in dict.fromkeys(tests)])
    return found


def _chosen(subject: dict[str, Any], options: argparse.Namespace) -> Iterable[tuple[str, Place]]:
    """The faults of a subject to be tried, in a random order, so that any beginning of them is a fair sample."""
    files = [file for file in _files(subject) if options.only in (None, subject["name"], file)]
    found = [place for file in files for place in places(ROOT, file)]
    random.Random(options.seed).shuffle(found)  # noqa: S311
    return [(subject["name"], place) for place in found[: options.sample]]


def _limits(copies: SimpleQueue[Copy], notes: Notes, sets: set[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Check that the tests pass without a fault, and limit them to a multiple of the time that they took."""
    found = [path for folder in ("fabfile", "templates", "tests/unit") for path in (ROOT / folder).rglob("*")]
    digest = _digest(*(path.read_bytes() for path in sorted(found) if path.suffix in (".py", ".j2")))

    def limit(names: tuple[str, ...]) -> float:
        known = notes.get(" ".join(names), digest)
        if known is None:
            copy, start = copies.get(), time.monotonic()
            assert copy.run(list(names), 1800) == "survived", f"fails without a fault: {' '.join(names)}"
            copies.put(copy)
            known = str(round(time.monotonic() - start))
            notes.add(" ".join(names), known, digest)
        return 60 + 5 * float(known)

    with ThreadPoolExecutor(copies.qsize()) as pool:
        return dict(zip(sets, pool.map(limit, sets), strict=True))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def _report(faults: list[Fault], known: list[dict[str, str]]) -> int:
    """Print what became of the faults; 1 if too many survived, or one of which nobody said why."""
    explained = {(row["file"], row["old"], row["new"]): row for row in known}
    bad = False
    for subject in dict.fromkeys(fault.subject for fault in faults):
        mine = [fault for fault in faults if fault.subject == subject]
        left = [fault for fault in mine if fault.state == "survived"]
        rows = [explained.get((fault.place.file, fault.old, fault.new)) for fault in left]
        by_hosts = sum(1 for row in rows if row and "host_test" in row)
        harmless = sum(1 for row in rows if row and "same" in row)
        judged = len(mine) - harmless
        seen = len(mine) - len(left) + by_hosts
        percent = 100 * seen / judged if judged else 100
        slow = sum(1 for fault in mine if fault.state == "slow")
        _say(
            f"{subject}: {seen} of {judged} faults seen ({percent:.1f} %), {slow} of them by not ending, "
            f"{by_hosts} by tests on hosts; {harmless} more change nothing"
        )
        for fault, row in zip(left, rows, strict=True):
            if row is None:
                where = f"{fault.place.file} ({fault.place.operator})"
                _say(f"  not explained: {where}\n    - {fault.old}\n    + {fault.new}")
        bad |= percent < _EXPECTED or None in rows
    return int(bad)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
