"""An example on a host of its own, put there by the commands of its README."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from hostsmith.sandbox import Sandbox, lookup

from tests.docs import blocks
from tests.hosts.conftest import EXAMPLES, Project, Vps
from tests.hosts.test_docs import Reader


@contextmanager
def followed(example: str, folder: Path, files: Mapping[str, str] = MappingProxyType({})) -> Iterator[Project]:
    """A copy of an example in a folder, with a sandbox of its own, after all that its README says was done.

    :param files: what the copy has besides.
    """
    project, home = folder / "project", folder / "home"
    shutil.copytree(EXAMPLES / example, project, ignore=shutil.ignore_patterns("__pycache__", ".hostsmith"))
    sandbox = Sandbox(project)
    try:
        (host,) = sandbox.up(1)
        target = lookup(project, host.name)
        assert target is not None
        found = Project(project, home, Vps(host.name, target, sandbox), names_hosts=False)
        # Each session is then a line in the journal.
        found.vps.run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/log.conf && systemctl restart ssh")
        reader = Reader(project, home, {host.name: host.address})
        shutil.copy(target.known_hosts, home / ".ssh" / "known_hosts")
        for name, text in files.items():
            found.write(name, text)
        found.git("init", "--quiet")
        found.commit("the example")
        reader.read(blocks(EXAMPLES / example / "README.md"))
        yield found
    finally:
        sandbox.destroy()
