"""Cron entries: their schedules, and the process that runs them.

Each release with entries has a copy of this file, so it imports nothing of hostsmith's.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# Of each field: name, first and last value, and names of values.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)
_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXPECTED = f"five fields such as `0 3 * * *`, or one of {', '.join(_SHORT)}"
# Minutes within which a missed run, such as during a switch, is caught up on.
_CATCH_UP = 60


@dataclass(frozen=True)
class Schedule:
    """The schedule of an entry, as cron(8) reads it.

    :param fields: the values of minute, hour, day of the month, month and day of the week, Sunday being 0.
    :param either: whether one of the two days is enough: true when both are restricted.
    """

    fields: tuple[frozenset[int], ...]
    either: bool

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Parse a schedule.

        :raises ValueError: it is not valid, with the wrong part.
        """
        words = _SHORT.get(text.strip().lower(), text).split()
        if len(words) != len(_FIELDS):
            raise ValueError(f"{len(words)} fields")
        values = [_values(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
        weekdays = frozenset(day % 7 for day in values[4])
        return cls((*values[:4], weekdays), not words[2].startswith("*") and not words[4].startswith("*"))

    def matches(self, moment: time.struct_time) -> bool:
        """Whether it is due in the minute of a local time."""
        minutes, hours, days, months, weekdays = self.fields
        day, weekday = moment.tm_mday in days, (moment.tm_wday + 1) % 7 in weekdays
        is_day = (day or weekday) if self.either else (day and weekday)
        return moment.tm_min in minutes and moment.tm_hour in hours and moment.tm_mon in months and is_day


def _values(word: str, name: str, first: int, last: int, names: list[str]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.lower().split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/([0-9]{1,3}))?", part)
        if match is None or (match[1] == "*" and match[2]):
            raise ValueError(f"{part!r} as {name}")
        step = int(match[3] or 1)
        if match[1] == "*":
            low, high = first, last
        else:
            low = _value(match[1], part, name, first, names)
            # `5/10` means every tenth from 5 on.
            high = _value(match[2], part, name, first, names) if match[2] else (last if match[3] else low)
        if not first <= low <= high <= last or step < 1:
            raise ValueError(f"{part!r} as {name}, which goes from {first} to {last}")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _value(word: str, part: str, name: str, first: int, names: list[str]) -> int:
    if word in names:
        # Months begin with 1, days of the week with 0.
        return names.index(word) + first
    if not re.fullmatch("[0-9]{1,2}", word):
        raise ValueError(f"{part!r} as {name}")
    return int(word)


class Scheduler:
    """Runs entries when they are due; after a stop signal, waits for those that are running.

    :param entries: by name, each with its schedule and its command for the shell.
    :param folder: for the time of the last check, and the locks of the entries; outlives the release.
    """

    def __init__(self, entries: dict[str, tuple[Schedule, str]], folder: str) -> None:
        self._entries, self._folder = entries, folder
        self._stopping = threading.Event()
        self._runs: list[threading.Thread] = []
        self._print_lock = threading.Lock()

    def stop(self, *_: object) -> None:
        """Stop starting entries; a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Run until stopped, and until running entries have ended."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._say("cron", f"{len(self._entries)} entries: {', '.join(self._entries)}")
        while not self._stopping.is_set():
            self.look(int(time.time()) // 60)
            self._stopping.wait(60 - time.time() % 60)
        self._runs = [run for run in self._runs if run.is_alive()]
        if self._runs:
            self._say("cron", f"waiting for {len(self._runs)} that are still running")
        for run in self._runs:
            run.join()

    def look(self, now: int) -> None:
        """Start the entries that became due since the last check, once each.

        :param now: the present minute, since 1970.
        """
        since = max(min(self._looked(now), now), now - _CATCH_UP)
        minutes = [time.localtime(minute * 60) for minute in range(since + 1, now + 1)]
        # Recorded first: if this is killed in between, an entry is missed rather than run twice.
        self._note(now)
        for name, (schedule, command) in self._entries.items():
            if any(schedule.matches(minute) for minute in minutes):
                self._start(name, command)

    def _looked(self, now: int) -> int:
        try:
            with open(f"{self._folder}/looked", encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return now

    def _note(self, now: int) -> None:
        path = f"{self._folder}/looked"
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(str(now))
        os.replace(f"{path}.new", path)

    def _start(self, name: str, command: str) -> None:
        # The run inherits the lock, and holds it as long as any of its processes lives.
        lock = os.open(f"{self._folder}/{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            self._say(name, "skipped, since the previous run has not ended")
            return
        begin = time.monotonic()
        self._say(name, "started")
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            # Stop signals are for the scheduler, not for the entry.
            start_new_session=True,
        )
        os.close(lock)
        thread = threading.Thread(target=self._follow, args=(name, process, begin))
        thread.start()
        self._runs = [run for run in self._runs if run.is_alive()] + [thread]

    def _follow(self, name: str, process: subprocess.Popen[bytes], begin: float) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._say(name, line.decode("utf-8", "replace").rstrip("\r\n"))
        status = process.wait()
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        self._say(name, f"ended with {how} after {time.monotonic() - begin:.1f} s")

    def _say(self, name: str, text: str) -> None:
        with self._print_lock:
            sys.stdout.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {name}: {text}\n")
            sys.stdout.flush()


def main(path: str) -> None:
    """Run the entries of a file: {name: {"schedule": ..., "command": ...}}."""
    with open(path, encoding="utf-8") as file:
        entries = {
            name: (Schedule.parse(entry["schedule"]), entry["command"]) for name, entry in json.load(file).items()
        }
    scheduler = Scheduler(entries, f"{os.environ['HOME']}/.cron")
    signal.signal(signal.SIGTERM, scheduler.stop)
    scheduler.run()


if __name__ == "__main__":
    main(sys.argv[1])
