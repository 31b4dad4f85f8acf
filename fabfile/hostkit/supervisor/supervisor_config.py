"""Strict check and reading of a release's supervisord configuration."""

from __future__ import annotations

import re

from ..app.layout import Layout
from ..linux import filesystem

# One line each, without supervisord's continuations, inline comments and expansions: it can read nothing else in it.
_LINE = re.compile(
    r"(?P<comment>[;#][ -~]*)?|\[(?P<section>[a-z]+:[!-~]+)\]|(?P<key>[a-z_]+)=(?P<value>[!-~]*( [!-~]+)*)"
)
_PROCESS = r"[A-Za-z][A-Za-z0-9_-]*"
_NUMBER, _FLAG = "[0-9]{1,9}", "true|false"
_INSTANCES = "[0-9]{1,3}"
# Optional settings of a program.
_OPTIONS = {
    "autostart": _FLAG,
    "autorestart": "true|false|unexpected",
    "startsecs": _NUMBER,
    "startretries": _NUMBER,
    "stopsignal": "TERM|HUP|INT|QUIT|KILL|USR1|USR2",
    "stopwaitsecs": _NUMBER,
    "stopasgroup": _FLAG,
    "killasgroup": _FLAG,
    "redirect_stderr": _FLAG,
    "stdout_logfile_maxbytes": _NUMBER,
    "stdout_logfile_backups": _NUMBER,
    "priority": _NUMBER,
}


def is_of_release(text: str, layout: Layout, release: str, group: str) -> bool:
    """Whether a configuration runs only processes of this release, as the app's user.

    :param group: the supervisor group of the processes.
    """
    sections = _sections(text)
    if sections is None:
        return False
    for name, values in sections.items():
        kind, _, rest = name.partition(":")
        process = rest.removeprefix(f"{group}-")
        if kind == "program" and rest == f"{group}-{process}" and re.fullmatch(_PROCESS, process):
            if not _is_program(values, layout, release, process):
                return False
        elif (kind, rest) != ("group", group) or not _are_programs(values, group):
            return False
    return True


def _sections(text: str) -> dict[str, dict[str, str]] | None:
    """Parse the sections with their values; None when a line is not allowed, or repeated."""
    sections: dict[str, dict[str, str]] = {}
    values: dict[str, str] | None = None
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        if found["section"]:
            if found["section"] in sections:
                return None
            values = sections[found["section"]] = {}
        elif found["key"]:
            if values is None or found["key"] in values:
                return None
            values[found["key"]] = found["value"]
    return sections


def _is_program(values: dict[str, str], layout: Layout, release: str, process: str) -> bool:
    values = dict(values)
    # supervisord numbers several instances of a program, in their names.
    numbers = {key: values.pop(key, None) for key in ("numprocs", "numprocs_start")}
    several = numbers["numprocs"] is not None
    if several and not (re.fullmatch(_INSTANCES, numbers["numprocs"] or "") and numbers["numprocs_start"] == "1"):
        return False
    if not several and numbers["numprocs_start"] is not None:
        return False
    required = {
        "process_name": f"{process}.%(process_num)d" if several else process,
        "command": f"{layout.release(release)}/start {process}",
        "user": layout.app,
        "stdout_logfile": layout.log(release, process),
    }
    others = {key: value for key, value in values.items() if key not in required}
    return all(values.get(key) == value for key, value in required.items()) and all(
        key in _OPTIONS and re.fullmatch(_OPTIONS[key], value) for key, value in others.items()
    )


def _are_programs(values: dict[str, str], group: str) -> bool:
    names = values.get("programs", "").split(",")
    return set(values) == {"programs"} and all(re.fullmatch(rf"{re.escape(group)}-{_PROCESS}", name) for name in names)


def programs(text: str) -> int:
    """Count the programs of a configuration with one or more instances."""
    return len(re.findall(r"^\[program:", text, re.MULTILINE)) - len(re.findall("^numprocs=0$", text, re.MULTILINE))


def longest(config: str, option: str, default: float) -> float:
    """Return the largest value in seconds of an option in a file.

    :param default: value when the option is missing.
    """
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    return max(map(float, re.findall(rf"^{option}=([0-9]+)$", text, re.MULTILINE)), default=default)


def stop_seconds(config: str) -> dict[str, float]:
    """Return the seconds that each process of a file gets to end after the stop signal, by name."""
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    found = {}
    for section in re.split(r"^\[program:", text, flags=re.MULTILINE)[1:]:
        name = re.search(r"^process_name=([^.\n]+)", section, re.MULTILINE)
        seconds = re.search(r"^stopwaitsecs=([0-9]+)$", section, re.MULTILINE)
        # 10 is supervisord's default.
        found[name[1] if name else section.partition("]")[0]] = float(seconds[1]) if seconds else 10.0
    return found


def users(config: str) -> set[str]:
    """Return the users who run the programs of a file."""
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    sections = re.split(r"^\[program:", text, flags=re.MULTILINE)[1:]
    found = [re.search(r"^user=(.+)$", section, re.MULTILINE) for section in sections]
    return {each[1] if each else "root" for each in found}


def process_of(name: str) -> str:
    """Return the process name of an instance: `worker` for `worker.2`."""
    return name.partition(".")[0]
