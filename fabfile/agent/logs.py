"""Logs on the host: last lines with timestamps, and new lines."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO

from ..contract import events
from ..hostkit.app.layout import Layout

# Name of the web server's logs, besides the app's processes.
NGINX = "nginx"
_CHUNK = 65536
# Limit in bytes of one log's part, since an app may write an endless line.
_MOST = 16 << 20
# Seconds between two checks.
_PAUSE = 0.2
# Seconds for which a renamed file is still read: nginx writes to it until it reopens its logs.
_LINGER = 10.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?P<fraction>[.,]\d{1,6})?\d*\s?(?P<zone>Z|[+-]\d\d:?\d\d)?"
# 2026-11-21T04:54:11Z, [2026-11-21 04:54:11 +0000] of gunicorn, 2026-11-21 04:54:11,123 of Python, and
# 2026/11/21 04:54:11 of nginx's errors.
_ISO = re.compile(rf"\[?(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}")
# The common log format, of nginx's access log: 203.0.113.7 - - [21/Nov/2026:04:54:11 +0000]
_COMMON = re.compile(rf"[^\[]{{1,200}}\[(?P<day>\d\d)/(?P<month>\w{{3}})/(?P<year>\d{{4}}):{_CLOCK}\]")


def last(app: str, names: Sequence[str], lines: int) -> dict[str, Any]:
    """Return the last lines of the current logs.

    :param names: processes of the app, and `NGINX`.
    :returns: "lines", each as [time, name, text], and "marks", from which `follow` continues.
    """
    found: list[tuple[float, str, str]] = []
    # Of logs that are not live now, `follow` shows only new lines.
    marks = {str(entry.st_ino): entry.st_size for _, _, entry in _files(app, names)}
    for name in names:
        for path in _current(app, name):
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                texts = [_text(line) for line in last_lines(file, lines)]
                entry = os.fstat(file.fileno())
                marks[str(entry.st_ino)] = file.tell()
                found += [(at, name, text) for at, text in zip(times(texts, entry.st_mtime), texts, strict=True)]
    return {"lines": found, "marks": marks}


def follow(app: str, names: Sequence[str], marks: dict[str, int]) -> None:
    """Send new lines of logs as events "log" with `name` and `text`, until interrupted.

    That includes logs of later releases, from their first line on, and the successors of rotated files.

    :param marks: as `last` returned them.
    """
    with Following({int(inode): position for inode, position in marks.items()}) as following:
        while True:
            for name, data in following.news(_files(app, names)):
                events.emit("log", name=name, text=_text(data))
            time.sleep(_PAUSE)


def _files(app: str, names: Sequence[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield all log files: name, path and status."""
    for name in names:
        for path in sorted(path for pattern in _patterns(app, name) for path in glob.glob(pattern)):
            with contextlib.suppress(FileNotFoundError):
                yield name, path, os.stat(path)


def _patterns(app: str, name: str) -> list[str]:
    # With the digits of a release's id, since there may be a process `web-admin` besides `web`.
    release = "[0-9]" * 8 + "-" + "[0-9]" * 6 + "-*"
    return _nginx(app) if name == NGINX else [Layout(app).log(release, name)]


def _current(app: str, name: str) -> list[str]:
    layout = Layout(app)
    live = layout.live()
    if name == NGINX:
        return _nginx(app)
    return [layout.log(live, name)] if live else []


def _nginx(app: str) -> list[str]:
    return [f"/var/log/nginx/{app}.{kind}.log" for kind in ("access", "error")]


class Following:
    """Files that are read as they grow, identified by inode, since rotation reuses their names.

    :param marks: read positions by inode.
    """

    def __init__(self, marks: dict[int, int]) -> None:
        self._marks = marks
        self._open: dict[int, _Growing] = {}

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *exc: object) -> None:
        for file in self._open.values():
            file.close()

    def news(self, files: Iterator[tuple[str, str, os.stat_result]]) -> Iterator[tuple[str, bytes]]:
        """Yield new complete lines of these files, and of recently renamed ones, with the name."""
        now = time.monotonic()
        for name, path, entry in files:
            # Most belong to old releases and never grow: they are not kept open.
            if entry.st_ino not in self._open and entry.st_size != self._marks.get(entry.st_ino, 0):
                with contextlib.suppress(FileNotFoundError):
                    self._take_up(name, path)
            if entry.st_ino in self._open:
                self._open[entry.st_ino].seen = now
        for inode, file in list(self._open.items()):
            if data := file.whole_lines():
                yield file.name, data
            elif now - file.seen > _LINGER:
                file.close()
                del self._open[inode]

    def _take_up(self, name: str, path: str) -> None:
        file = _Growing(name, path)
        self._open[file.inode] = file
        file.start(self._marks.pop(file.inode, 0))


class _Growing:
    """One file that is read as it grows."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.seen = time.monotonic()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self.inode = os.fstat(self._file.fileno()).st_ino
        self._rest = b""

    def start(self, position: int) -> None:
        self._file.seek(position)

    def whole_lines(self) -> bytes:
        """Read what has been added, up to the last end of a line."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            # Rotated by copying and truncating.
            self._file.seek(0)
            self._rest = b""
        data = self._rest + self._file.read(_CHUNK)
        lines, newline, self._rest = data.rpartition(b"\n")
        if len(self._rest) >= _MOST:
            # Too long for a line: shown in pieces.
            self._rest = b""
            return data
        return lines + newline

    def close(self) -> None:
        self._file.close()


def last_lines(file: BinaryIO, lines: int) -> list[bytes]:
    """Read the last lines of a file, and leave it at its end."""
    end = position = file.seek(0, os.SEEK_END)
    data = b""
    while position and data.count(b"\n") <= lines and len(data) < _MOST:
        size = min(_CHUNK, position)
        position -= size
        file.seek(position)
        data = file.read(size) + data
    file.seek(end)
    found = data.removesuffix(b"\n").split(b"\n") if data else []
    return found[max(0, len(found) - lines) :]


def times(lines: Sequence[str], written: float) -> list[float]:
    """Return the time of each line in seconds since 1970.

    Never before the line above it: a line without a timestamp has the time of that one, and the first lines that of
    the first timestamp.

    :param written: time of the last change of the file, used when no line has a timestamp.
    """
    stamps = [stamp(line) for line in lines]
    now = next((at for at in stamps if at is not None), written)
    found = []
    for at in stamps:
        now = max(now, at or now)
        found.append(now)
    return found


def stamp(line: str) -> float | None:
    """Parse the timestamp at the beginning of a line, in seconds since 1970; by default in the host's time zone."""
    match = _ISO.match(line) or _COMMON.match(line)
    if match is None:
        return None
    month, zone = match["month"], match["zone"]
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
        day, hour, minute, second = (int(match[part]) for part in ("day", "hour", "minute", "second"))
        at = datetime(int(match["year"]), number, day, hour, minute, second, tzinfo=_zone(zone) if zone else None)
        return at.timestamp() + float(f"0.{(match['fraction'] or '.0')[1:]}")
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    if text == "Z":
        return timezone.utc
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _text(data: bytes) -> str:
    """Decode bytes for JSON; reversible with the same error handler."""
    return data.decode("utf-8", "surrogateescape")
