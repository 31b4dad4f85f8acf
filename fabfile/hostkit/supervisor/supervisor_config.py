"""What supervisord may be told of a release, read so strictly that supervisord can read nothing else in it."""

from __future__ import annotations

import re

from ..app.layout import Layout
from ..linux import filesystem

# A line each, without the continuations, the inline comments and the expansions that supervisord knows.
_LINE = re.compile(
    r"(?P<comment>[;#][ -~]*)?|\[(?P<section>[a-z]+:[!-~]+)\]|(?P<key>[a-z_]+)=(?P<value>[!-~]*( [!-~]+)*)"
)
_PROCESS = r"[A-Za-z][A-Za-z0-9_-]*"
_NUMBER, _FLAG = "[0-9]{1,9}", "true|false"
_INSTANCES = "[0-9]{1,3}"
# What one program may be told besides what must be.
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
    """Whether a configuration has supervisord run processes of this release, as the app's user, and nothing else.

    :param group: the supervisor group that they must be.
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
    """The sections with their values; None when a line is not of the kind that is allowed, or is there twice."""
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
    # Several of a program have a number each, which supervisord writes into their names.
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
    """How many programs a configuration has of which there is to be one or more."""
    return len(re.findall(r"^\[program:", text, re.MULTILINE)) - len(re.findall("^numprocs=0$", text, re.MULTILINE))


def longest(config: str, option: str, default: float) -> float:
    """The largest value that an option, in seconds, has in a file.

    :param default: when it is not there.
    """
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    return max(map(float, re.findall(rf"^{option}=([0-9]+)$", text, re.MULTILINE)), default=default)


def stop_seconds(config: str) -> dict[str, float]:
    """How long each process of a file has to end when it is asked to, by its name."""
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    found = {}
    for section in re.split(r"^\[program:", text, flags=re.MULTILINE)[1:]:
        name = re.search(r"^process_name=([^.\n]+)", section, re.MULTILINE)
        seconds = re.search(r"^stopwaitsecs=([0-9]+)$", section, re.MULTILINE)
        # What supervisord takes when nothing is said.
        found[name[1] if name else section.partition("]")[0]] = float(seconds[1]) if seconds else 10.0
    return found


def users(config: str) -> set[str]:
    """Those who run the programs of a file."""
    text = (filesystem.read(config) or b"").decode("utf-8", "replace")
    sections = re.split(r"^\[program:", text, flags=re.MULTILINE)[1:]
    found = [re.search(r"^user=(.+)$", section, re.MULTILINE) for section in sections]
    return {each[1] if each else "root" for each in found}


def process_of(name: str) -> str:
    """The process that one of supervisord's is an instance of: `worker` for `worker.2`."""
    return name.partition(".")[0]
