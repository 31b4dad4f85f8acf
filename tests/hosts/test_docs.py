"""Every command in the docs, run as it stands there, on disposable hosts: README's own app with its secrets, and the
guide from its top.

What is different from a reader's machine: the addresses of the docs lead to sandbox hosts; the reader is called ada.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostsmith.sandbox import Sandbox, lookup

from tests.docs import ROOT, Block, Command, blocks, matches
from tests.hosts.conftest import FAB, Vps

# The addresses in the docs (RFC 5737), with the sandbox hosts that stand in for them.
HOSTS = {"203.0.113.7": "sandbox-1", "203.0.113.8": "sandbox-2"}

_SSH_CONFIG = """\
Host {name}
  HostName {target.address}
  IdentityFile {target.key_filename}
  UserKnownHostsFile {target.known_hosts}
"""


@dataclass
class Reader:
    """Somebody who follows a page in an empty folder.

    :param folder: where the reader is; `cd` changes it.
    :param home: the reader's home folder.
    """

    folder: Path
    home: Path
    addresses: dict[str, str]
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        target = lookup(self.folder, "sandbox-1")
        assert target is not None
        shutil.copy(f"{target.key_filename}.pub", self.home / ".ssh" / "id_ed25519.pub")
        targets = {name: lookup(self.folder, name) for name in self.addresses}
        config = self.home / ".ssh" / "config"
        config.write_text("".join(_SSH_CONFIG.format(name=name, target=target) for name, target in targets.items()))
        # OpenSSH looks for its files in the user's real home folder, whatever $HOME says; curl leaves out its meter of
        # progress on a terminal only.
        for program, options in (("ssh", f'-F "{config}"'), ("curl", "--no-progress-meter")):
            wrapper = self.home / "bin" / program
            wrapper.parent.mkdir(exist_ok=True)
            wrapper.write_text(f'#!/bin/sh\nexec {shutil.which(program)} {options} "$@"\n')
            wrapper.chmod(0o755)
        name, mail = "Ada", "ada@example.org"
        self.environment = {
            "PATH": f"{self.home / 'bin'}:{FAB.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LOGNAME": "ada",
            "USER": "ada",
            **{f"GIT_{who}_NAME": name for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": mail for who in ("AUTHOR", "COMMITTER")},
        }

    def read(self, page: list[Block]) -> None:
        """Do all that the page says, in its order."""
        for block in page:
            if "not run" in block.marks:
                continue
            if block.language == "console":
                self._run_block(block)
            elif block.file:
                self._write(block.file, self._here(block.text), block.is_added)

    def _write(self, name: str, text: str, is_added: bool) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if is_added else "") + text)

    def _run_block(self, block: Block) -> None:
        *first, last = block.commands()
        for command in first:
            self._run(block, command, 0)
        self._run(block, last, int(block.marks.get("exits", "0")))

    def _run(self, block: Block, command: Command, status: int) -> None:
        after = self.home / "folder"
        script = f"{self._here(command.text)}\nstatus=$?\npwd > {after}\nexit $status\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        told = f"{block}: $ {command.text}\n{done.stdout}"
        assert done.returncode == status, f"exit status {done.returncode}, expected {status}\n{told}"
        shown = [self._here(line) for line in command.output]
        printed = done.stdout.splitlines()
        assert matches(shown, printed), "\n".join(["the docs show:", *shown, "", "but it printed:", told])
        self.folder = Path(after.read_text().strip())

    def _here(self, text: str) -> str:
        """A text of the docs with the sandbox's hosts in it; curl knows them by address only."""
        for address, name in HOSTS.items():
            text = text.replace(f"http://{address}", f"http://{self.addresses.get(name, name)}").replace(address, name)
        return text


@pytest.fixture
def reader(bare: Vps, tmp_path: Path) -> Iterator[Callable[[int], Reader]]:
    """Makes a reader in an empty folder that has a sandbox of so many hosts, and takes the sandbox away again.

    The host `bare` is only there so that the base on which all hosts stand is in use when the page destroys its own.
    """
    with ExitStack() as stack:

        def make(count: int) -> Reader:
            folder = tmp_path / "project"
            folder.mkdir()
            sandbox = Sandbox(folder)
            stack.callback(sandbox.destroy)
            hosts = sandbox.up(count)
            return Reader(folder, tmp_path / "home", {host.name: host.address for host in hosts})

        yield make


def _write_the_readmes_app(ada: Reader) -> None:
    """What the README says that you have."""
    (ada.folder / "blog.py").write_text(
        "def app(environ, start_response):\n"
        '    start_response("200 OK", [("Content-Type", "text/plain")])\n'
        '    return [b"Hello from my blog\\n"]\n'
    )
    (ada.folder / "requirements.txt").write_text("")
    subprocess.run(["git", "init", "--quiet"], cwd=ada.folder, check=True)
    subprocess.run(["git", "add", "."], cwd=ada.folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "A blog"], cwd=ada.folder, env=ada.environment, check=True)


def test_the_readmes_own_app_is_live_after_its_commands(reader: Callable[[int], Reader]) -> None:
    ada = reader(1)
    _write_the_readmes_app(ada)
    ada.read(blocks(ROOT / "README.md"))


def test_the_guide_can_be_followed_from_its_top_to_its_end(reader: Callable[[int], Reader]) -> None:
    reader(2).read(blocks(ROOT / "docs" / "guide.md"))


def test_the_secrets_of_an_app_that_is_live(reader: Callable[[int], Reader]) -> None:
    ada = reader(1)
    # Where the page has the key, out of the reader's home; from an earlier run.
    shutil.rmtree("/tmp/ada", ignore_errors=True)
    _write_the_readmes_app(ada)
    ada.read([block for block in blocks(ROOT / "README.md") if block.file])
    script = "git add --all && git commit --quiet --message Deploy && fab provision deploy"
    subprocess.run(["sh", "-c", script], cwd=ada.folder, env=ada.environment, check=True)
    ada.read(blocks(ROOT / "docs" / "secrets.md"))
