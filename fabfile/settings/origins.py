"""Where values come from that do not stand in the settings themselves: they are made up once, or told by a command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Generated:
    """A value that is made up once, and stays.

    :param length: of letters and digits.
    """

    length: int


@dataclass(frozen=True)
class FromCommand:
    """A value that a command on this machine prints, such as a password manager's.

    :param argv: the program with its arguments; no shell.
    """

    argv: tuple[str, ...]
