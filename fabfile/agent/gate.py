"""The way in for the deployers of an app: the agent as it is installed on the host, for data that its sender chose.

sudo lets them run this and nothing else. What comes on standard input looks as if it came from an admin, who says which
version of the code is to serve; but that is only compared with the one that is installed here, and then each frame is
checked.
"""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from typing import BinaryIO, NoReturn

from ..contract.controller import REFUSED
from ..contract.fingerprint import fingerprint
from .deployers.rules import Allowed
from .main import main as serve

_LONGEST_LINE = 4096
# Bytes of a frame, when it is unpacked: the code of a release travels in one.
_LARGEST_FRAME = 256 << 20


def main(code: bytes) -> None:
    """Serve one controller as an unprivileged user's.

    :param code: the agent that is installed, as a zip file.
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
    if _version(stdin) != _installed(code):
        _refuse(
            "the host's gate for deployers is of another version of hostsmith than yours; have an admin run "
            "`fab provision` with yours, or install the one that the admin has"
        )
    app = sys.argv[1]
    serve(stdin, app, Allowed(app).check, _LARGEST_FRAME)


def _version(stdin: BinaryIO) -> str:
    """The version of the code that the controller wants to be served by; it may send a line for sudo first."""
    for _ in range(2):
        line = stdin.readline(_LONGEST_LINE)
        if found := re.fullmatch(rb"hostsmith(?: /.*/(\w+))?\n", line):
            return (found[1] or b"").decode("ascii")
    return _refuse("found no hostsmith at the other end; this user is for `fab deploy` and its like, and has no shell")


def _installed(code: bytes) -> str:
    """The version that is installed; nobody is to be kept out by this."""
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        return fingerprint((name, archive.read(name)) for name in archive.namelist())


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.exit(REFUSED)
