"""Programs that build virtualenvs and are no part of them: fetched once for all apps of a host, and kept."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
from collections.abc import Callable, Sequence

from ...contract.base import ResourceError
from ..linux import filesystem
from .builder import NAME, Builder
from .installers import Installer, NotForUvError, pip_configuration, uv_environment
from .runner import Runner

PLACE = "/opt/hostsmith"
# The host's own, by which its distribution runs its programs.
PYTHON = "/usr/bin/python3"
WHEELS = ("--only-binary", ":all:")
_UV = "uv>=0.9,<1"
# Seconds for fetching uv, and for an index to answer: pip waits longer, and tries more often.
_UV_TIMEOUT, _INDEX_TIMEOUT = 300, 15
# In what is whole.
MARKER = ".hostsmith-complete"


# What counts for a download that is not from an index.
_NETWORK = ("SSL_CERT_FILE", "SSL_CLIENT_CERT", "HTTP_PROXY", "HTTPS_PROXY", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES")


def _network(run: Runner, python: str) -> dict[str, str]:
    """What the host's pip is told of proxies and certificates."""
    try:
        found = uv_environment(pip_configuration(run, python), "")
    except NotForUvError:
        return {}
    return {name: value for name, value in found.items() if name in _NETWORK}


class Tools:
    """The tools of a host.

    Root's interpreter fetches them, by a user who runs nothing that an app brings, and they are root's from then on.
    What they are made of is in the name of their folder: none takes the place of another, which may be in use.

    :param timeout: seconds that a single command may take.
    """

    def __init__(self, timeout: float, place: str = PLACE) -> None:
        self._builder, self._timeout, self._place = Builder(NAME), timeout, place
        self.run: Runner = functools.partial(self._builder.run, timeout=timeout)
        self._blanks: dict[str, str] = {}

    def python(self) -> str:
        """Path of an interpreter that has pip, and that no app has had a say in.

        :raises CommandError: it cannot be had.
        """
        return f"{self.blank(PYTHON)}/bin/python"

    def uv(self) -> str:
        """Path of uv.

        :raises CommandError: it cannot be had.
        """
        run = functools.partial(self._builder.run, timeout=min(self._timeout, _UV_TIMEOUT))
        pip = [self.python(), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        # Not from its source, which takes a compiler and many minutes.
        options = ["--no-deps", "--no-cache-dir", *WHEELS, "--retries=1", f"--timeout={_INDEX_TIMEOUT}"]
        folder = self._kept("uv", [_UV], lambda folder: run([*pip, *options, f"--target={folder}", "--", _UV]))
        return f"{folder}/bin/uv"

    def library(self, name: str, packages: Sequence[str], installer: Installer) -> str:
        """Folder from which `python` can import a tool that is written in Python.

        :param packages: it, and what it needs.
        :param installer: to install them by, as the user of `run`.
        :raises CommandError: it cannot be had.
        """
        blank = self.blank(PYTHON)

        def install(folder: str) -> None:
            # No code of theirs is run to install them.
            installer.install(blank, ["--target", folder, *WHEELS, *packages])

        return self._kept(name, [*packages, blank], install)

    def blank(self, python: str) -> str:
        """Folder of an empty virtualenv of an interpreter, for `blank.copy`.

        :param python: one of root's.
        :raises CommandError: it cannot make virtualenvs, or is not there.
        """
        if python not in self._blanks:
            made_of = [python, self.run([python, "-VV"]).stdout.decode()]
            name = f"venv-{_file_name(os.path.basename(python))}"
            self._blanks[python] = self._kept(name, made_of, lambda folder: self.run([python, "-m", "venv", folder]))
        return self._blanks[python]

    def interpreter(self, request: str) -> str:
        """Path of an interpreter that uv installs.

        :param request: which one, in uv's words.
        :raises ResourceError: it, or uv, cannot be had.
        """

        def install(folder: str) -> None:
            env = {"UV_PYTHON_INSTALL_DIR": folder, "UV_NO_CACHE": "1", "UV_NO_PROGRESS": "1"}
            argv = [uv, "python", "install", "--no-bin", "--", request]
            self.run(argv, env={**_network(self.run, self.python()), **env})

        uv = self.uv()
        folder = self._kept(f"python-{_file_name(request)}", [request], install)
        found = sorted(glob.glob(f"{folder}/*/bin/python3"))
        if not found:
            raise ResourceError(f"found no interpreter in {folder}, where uv was to install Python {request}")
        return found[0]

    def _kept(self, name: str, made_of: Sequence[str], install: Callable[[str], object]) -> str:
        key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:32]
        folder = f"{self._place}/{name}-{key}"
        if filesystem.read(f"{folder}/{MARKER}") == key.encode():
            return folder
        # Nobody has been told of one that is not whole. It is made in its place, which its scripts hold.
        filesystem.remove_tree(folder)
        filesystem.make_folder(folder)
        try:
            with self._builder.owning(folder):
                install(folder)
        except BaseException:
            filesystem.remove_tree(folder)
            raise
        filesystem.sync_tree(folder)
        filesystem.write_atomic(f"{folder}/{MARKER}", key.encode(), mode=0o644)
        return folder


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-")[:40]
