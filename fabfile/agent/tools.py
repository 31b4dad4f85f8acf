"""Programs that build virtualenvs and are no part of them: fetched once for all apps of a host, and kept."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence

from ..resources.base import ResourceError
from . import filesystem
from .builder import Builder
from .installers import Installer, NotForUvError, pip_configuration, uv_environment
from .runner import Runner

PLACE = "/opt/hostsmith"
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

    They are fetched by the user who builds, and are root's from then on. Nothing comes out of an app's cache, where
    what its requirements bring could have left something for the other apps.

    :param timeout: seconds that a single command may take.
    """

    def __init__(self, builder: Builder, timeout: float, place: str = PLACE) -> None:
        self._builder, self._timeout, self._place = builder, timeout, place

    def uv(self, python: str) -> str:
        """Path of uv.

        :param python: of a virtualenv that has pip.
        :raises CommandError: it cannot be had.
        """
        run = functools.partial(self._builder.run, timeout=min(self._timeout, _UV_TIMEOUT))
        pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        # Not from its source, which takes a compiler and many minutes.
        options = ["--no-cache-dir", "--only-binary=:all:", "--retries=1", f"--timeout={_INDEX_TIMEOUT}"]
        folder = self._kept("uv", [_UV], lambda folder: run([*pip, *options, f"--target={folder}", "--", _UV]))
        return f"{folder}/bin/uv"

    def library(self, name: str, packages: Sequence[str], venv: str, installer: Installer) -> str:
        """Folder from which a tool that is written in Python can be imported.

        :param packages: it, and what it needs.
        :param venv: a virtualenv, by whose Python it will be run.
        :param installer: to install them by, without a cache.
        :raises CommandError: it cannot be had.
        """
        version = self._builder.run([f"{venv}/bin/python", "-VV"]).stdout.decode()

        def install(folder: str) -> None:
            installer.install(venv, ["--target", folder, *packages])

        return self._kept(name, [*packages, version], install)

    def blank(self, python: str) -> str:
        """Folder of an empty virtualenv of an interpreter, for `blank.copy`.

        :raises CommandError: it cannot make virtualenvs, or is not there.
        """
        run = functools.partial(self._builder.run, timeout=self._timeout)
        made_of = [python, run([python, "-VV"]).stdout.decode()]
        return self._kept(f"venv-{_file_name(python)}", made_of, lambda folder: run([python, "-m", "venv", folder]))

    def interpreter(self, request: str, base: str) -> str:
        """Path of an interpreter that uv installs.

        :param request: which one, in uv's words.
        :param base: an interpreter that can make virtualenvs.
        :raises ResourceError: it, or uv, cannot be had.
        """
        run = functools.partial(self._builder.run, timeout=self._timeout)

        def install(folder: str) -> None:
            env = {"UV_PYTHON_INSTALL_DIR": folder, "UV_NO_CACHE": "1", "UV_NO_PROGRESS": "1"}
            run([uv, "python", "install", "--no-bin", "--", request], env={**_network(run, f"{pip}/bin/python"), **env})

        pip = self.blank(base)
        uv = self.uv(f"{pip}/bin/python")
        folder = self._kept(f"python-{_file_name(request)}", [request], install)
        found = sorted(glob.glob(f"{folder}/*/bin/python3"))
        if not found:
            raise ResourceError(f"found no interpreter in {folder}, where uv was to install Python {request}")
        return found[0]

    def _kept(self, name: str, made_of: Sequence[str], install: Callable[[str], object]) -> str:
        folder = f"{self._place}/{name}"
        key = hashlib.sha256("\0".join(made_of).encode()).hexdigest().encode()
        if filesystem.read(f"{folder}/{MARKER}") == key:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self._place, mode=0o755, exist_ok=True)
        os.mkdir(folder, 0o755)
        try:
            with self._builder.owning(folder):
                install(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        filesystem.sync_tree(folder)
        filesystem.write_atomic(f"{folder}/{MARKER}", key, mode=0o644)
        return folder


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-")
