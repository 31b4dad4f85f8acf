"""The Procfile: the processes of the app, one `name: command` a line."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from ..errors import SettingsError
from ..printable import cut

# Characters that a command on one line cannot have; it can have a tab.
NO_COMMAND = re.compile("[\0-\x08\x0a-\x1f\ud800-\udfff]")
# The start script of a release takes `run` for any command.
PROCESS_NAME = re.compile(r"(?!run\Z)[A-Za-z][A-Za-z0-9_-]{0,62}")


def load_procfile(folder: Path) -> dict[str, str]:
    """Read `Procfile` in a folder; without one there are no processes.

    Blank lines and lines that begin with `#` are ignored.

    :returns: command by process name, in the order of the file.
    :raises SettingsError: with all invalid lines and their numbers.
    """
    try:
        lines = (folder / "Procfile").read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise SettingsError("Procfile: not UTF-8 text, expected lines `name: command`") from None
    except OSError as error:
        raise SettingsError(f"Procfile: cannot be read: {error.strerror}") from None
    commands: dict[str, str] = {}
    first_line: dict[str, int] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, command = (part.strip() for part in line.partition(":"))
        if not PROCESS_NAME.fullmatch(name) or not command or NO_COMMAND.search(command):
            problems.append(
                f"Procfile: line {number}: found {cut(line.strip())!r}, expected `name: command`, "
                "such as `web: gunicorn app:app`"
            )
        elif name in commands:
            problems.append(
                f"Procfile: line {number}: found {cut(name)!r} again, already on line {first_line[name]}, "
                "expected each process once"
            )
        else:
            commands[name] = command
            first_line[name] = number
    if problems:
        raise SettingsError("\n".join(problems))
    return commands


def role_of(process: str, roles: Container[str]) -> str:
    """Choose the role whose hosts run a process: the role of the same name, else `web`.

    :param roles: the existing roles.
    """
    return process if process in roles else "web"
