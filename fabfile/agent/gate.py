"""Gate for the deployers of an app: the agent as installed on the host.

sudo lets deployers run this and nothing else. The first line names the sender's protocol. That separates versions that
would misunderstand each other, but does not protect the host, since a sender may claim anything. The protection is that
each frame is checked, and anything unknown refused: see `deployers/rules.py`.
"""

from __future__ import annotations

import os
import re
import sys
from typing import BinaryIO, NoReturn

from .._version import __version__
from ..contract.controller import REFUSED
from ..contract.protocol import PROTOCOL, Greeting, read_greeting
from .deployers.rules import Allowed
from .main import main as serve

_LONGEST_LINE = 4096
# Bytes of a frame, when it is unpacked: the code of a release travels in one.
_LARGEST_FRAME = 256 << 20


def main(code: bytes = b"") -> None:
    """Serve one controller as an unprivileged user's.

    :param code: the installed agent, which the script on the host hands over since version 0.1.0. Not used any more;
        the script keeps doing it, so that either of the two may be of an earlier version.
    """
    if len(sys.argv) != 2 or not re.fullmatch("[a-z][a-z0-9-]{0,30}", sys.argv[1]):
        _refuse("expected the name of an app")
    os.environ.clear()
    # Root's own configuration and credentials, of git and others, are not for whoever a deployer names.
    os.environ["HOME"] = "/nonexistent"
    # What a deployer has it fill the memory with costs this run, and no app.
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    stdin = sys.stdin.buffer
    if mismatch := _mismatch(_greeting(stdin)):
        _refuse(mismatch)
    app = sys.argv[1]
    serve(stdin, app, Allowed(app).check, _LARGEST_FRAME)


def _greeting(stdin: BinaryIO) -> Greeting:
    """Read who the controller is; it may send a line for sudo first."""
    for _ in range(2):
        if found := read_greeting(stdin.readline(_LONGEST_LINE)):
            return found
    return _refuse("the other end is not hostsmith; this user is for `fab deploy` and the like, and has no shell")


def _mismatch(their: Greeting) -> str:
    """Say who has to upgrade when the two do not speak one protocol; nothing when they do."""
    if their.protocol == PROTOCOL:
        return ""
    both = f"this host's gate for deployers is of hostsmith {__version__}, your machine has {their.version or '0.1.0'}"
    if their.protocol < PROTOCOL:
        return f"{both}, which is too old for it: upgrade hostsmith on your machine to {__version__}"
    return (
        f"{both}, which is too new for it: have an admin run `fab provision` with hostsmith {their.version}, or "
        f"install {__version__} on your machine"
    )


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.exit(REFUSED)
