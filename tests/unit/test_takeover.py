"""What earlier versions have written on hosts: this one loads it, goes on from it, and works beside it."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import hostsmith
import pytest
from hostsmith import __version__
from hostsmith.agent.owed import Owed
from hostsmith.connection import pack
from hostsmith.contract import wire
from hostsmith.contract.protocol import PROTOCOL, Greeting, greeting, read_greeting
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.resources import Reload, Restart
from hostsmith.resources.front.balancer import ReloadHaproxy
from hostsmith.resources.front.nginx import ReloadNginx
from hostsmith.resources.hardening.firewall import LoadFirewall
from hostsmith.resources.release.live import GoBack
from local_host import LocalHost

# Every handler and every undo that version 0.1.0 could write down, by its own code, in its own files.
WRITTEN: dict[str, Any] = json.loads((Path(__file__).parent / "written_by_0_1_0.json").read_text())
# The commands that version 0.1.0 has installed on hosts, but for the path of the agent's zip.
GATE_OF_0_1_0 = """\
#!/usr/bin/python3 -I
# Written by hostsmith: what deployers may run as root, with the name of their app.
import os, sys
with open("{path}", "rb") as file: data = code = file.read()
# A copy, which a provision that goes on at the same time does not change.
fd = os.memfd_create("hostsmith")
while data: data = data[os.write(fd, data):]
sys.path.insert(0, "/proc/self/fd/%d" % fd)
from hostsmith.agent.gate import main
main(code)
"""
BACKUP_OF_0_1_0 = """\
#!/usr/bin/python3 -I
# Written by hostsmith: backs up what a plan names; its argument is the plan's path.
import sys
sys.path.insert(0, "{path}")
from hostsmith.agent.scheduled import main
main(sys.argv[1])
"""


def journal_of_0_1_0() -> list[dict[str, Any]]:
    lines = (line.removeprefix("#:") for line in WRITTEN["hostsmith.conf"] if line.startswith("#:"))
    found: list[dict[str, Any]] = json.loads("".join(lines))
    return found


class TestWhatVersion010HasWritten:
    """Class paths are of before the modules were moved into packages."""

    def test_handlers_that_are_owed_are_known(self, tmp_path: Path) -> None:
        (tmp_path / "owed.json").write_text(json.dumps(WRITTEN["owed.json"]))
        owed = Owed(str(tmp_path))
        assert owed.unknown == []
        assert owed.handlers == [
            Reload("ssh"),
            Restart("supervisor"),
            ReloadNginx(),
            ReloadHaproxy(),
            LoadFirewall(),
        ]

    @pytest.mark.parametrize("entry", journal_of_0_1_0(), ids=lambda entry: entry["step"]["$type"].rpartition(":")[2])
    def test_each_undo_in_the_journal_is_known_and_does_the_same_at_boot(self, entry: dict[str, Any]) -> None:
        step = wire.load(entry["step"])
        assert (step.describe(), step.at_boot()) == (entry["name"], entry["boot"])

    def test_a_release_goes_back_with_its_health_check(self) -> None:
        (step,) = (entry["step"] for entry in journal_of_0_1_0() if entry["step"]["$type"].endswith(":GoBack"))
        found = wire.load(step)
        assert isinstance(found, GoBack)
        assert found.live.health == HealthCheck("/healthz", "localhost", ((200, 399),), 60)

    def test_what_its_journal_has_is_put_back(self, host: LocalHost, place: Path) -> None:
        (place / "changed").write_text("in doubt\n")
        (place / "made").write_text("in doubt\n")
        (place / "link").symlink_to("in doubt")
        paths = {"/etc/hello": "changed", "/etc/none": "made", "/etc/link": "link"}
        text = "\n".join(WRITTEN["hostsmith.conf"][:2])
        entries = [entry for entry in journal_of_0_1_0() if entry["name"] in paths and "Removed" not in str(entry)]
        assert len(entries) == 3
        text = f"{WRITTEN['hostsmith.conf'][0]}\n#:{json.dumps(entries)}\n"
        for path, name in paths.items():
            text = text.replace(path, str(place / name))
        (host.journal_path).write_text(text)
        host.recover()
        assert (place / "changed").read_text() == "before\n"
        assert not (place / "made").exists()
        assert (place / "link").readlink() == Path("target")
        assert not host.journal

    def test_every_name_in_the_table_leads_to_a_module_that_is_there(self) -> None:
        package = Path(hostsmith.__file__).parent
        for old, new in wire._MOVED.items():
            path = package.joinpath(*new.split("."))
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), (old, new)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent as it is installed on hosts."""
    path = tmp_path_factory.mktemp("installed") / "agent.zip"
    path.write_bytes(pack.agent_zip())
    return path


def installed(script: str, agent: Path) -> Path:
    """Install a command beside the agent."""
    program = agent.parent / "command"
    program.write_text(script.replace(pack.GATE_CODE, "{path}").replace("{path}", str(agent)))
    return program


def run(script: str, agent: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run an installed command as the host would."""
    argv = [sys.executable, "-I", str(installed(script, agent)), *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=60, check=False)


def answered(script: str, agent: Path, first: bytes, **frame: Any) -> dict[str, Any]:
    """Ask an installed gate one thing; what it answers."""
    argv = [sys.executable, "-I", str(installed(script, agent)), "shop"]
    data = zlib.compress(json.dumps(frame).encode())
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"%s%d\n%s" % (first, len(data), data))
        process.stdin.flush()
        # Whoever hangs up before the answer has come interrupts it.
        events = (json.loads(line.removeprefix(b"\x1e")) for line in process.stdout)
        found: dict[str, Any] = next(event for event in events if event["event"] == "done")
        process.stdin.close()
    assert process.returncode == 0
    return found


class TestInstalledCommands:
    """They load the agent by the names of two modules, and may be older than the agent beside them, or newer."""

    @pytest.mark.parametrize("script", [GATE_OF_0_1_0, pack.GATE_SCRIPT], ids=["0.1.0", "now"])
    def test_a_gate_serves(self, agent: Path, script: str) -> None:
        found = answered(
            script, agent, greeting("/run/x", "0.2.0"), op="ask", query="releases", arguments={"app": "shop"}
        )
        assert found["answer"]["records"] == []

    @pytest.mark.parametrize("script", [BACKUP_OF_0_1_0, pack.BACKUP_SCRIPT], ids=["0.1.0", "now"])
    def test_a_scheduled_backup_begins(self, agent: Path, tmp_path: Path, script: str) -> None:
        # As version 0.1.0 wrote it.
        plan = {"app": "shop", "to": str(tmp_path / "none"), "keep": 2, "environment": True, "parts": []}
        (tmp_path / "plan.json").write_text(json.dumps({**plan, "hostsmith": "0.1.0"}))
        done = run(script, agent, str(tmp_path / "plan.json"))
        assert done.returncode == 1
        assert done.stderr.startswith(b"no backup of shop: ")

    def test_a_new_command_beside_the_agent_of_0_1_0_passes_what_that_expects(self) -> None:
        # Its gate's main had one argument that had to be given.
        (call,) = [
            node
            for node in ast.walk(ast.parse(pack.GATE_SCRIPT))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "main"
        ]
        assert len(call.args) == 1


class TestTheFirstLine:
    """Who speaks, so that the gate can say who has to upgrade."""

    def mismatch(self, agent: Path, line: bytes) -> str:
        done = run(pack.GATE_SCRIPT, agent, "shop", stdin=line)
        assert done.returncode == 98
        (text,) = done.stderr.decode().splitlines()
        return text

    def test_it_is_read_as_it_was_made(self) -> None:
        assert read_greeting(greeting("/run/hostsmith/0a1b", "0.2.0.dev0")) == Greeting("0.2.0.dev0", PROTOCOL)
        assert read_greeting(b"hostsmith /run/hostsmith/0a1b\n") == Greeting("", 0)

    @pytest.mark.parametrize(
        "line", [b"", b"\n", b"hostsmith /run/x 1/1", b"hostsmith /a b c 1/1\n", b"hostsmith /a \x1b/1\n", b"ssh\n"]
    )
    def test_what_no_hostsmith_sends_is_none(self, line: bytes) -> None:
        assert read_greeting(line) is None

    def test_another_version_of_the_same_protocol_is_served(self, agent: Path) -> None:
        first = f"hostsmith /run/hostsmith/x 77.1/{PROTOCOL}\n".encode()
        assert answered(pack.GATE_SCRIPT, agent, first, op="ask", query="releases", arguments={"app": "shop"})["ok"]

    def test_a_machine_of_0_1_0_is_told_to_upgrade(self, agent: Path) -> None:
        told = self.mismatch(agent, b"hostsmith /run/hostsmith/0a1b2c\n")
        assert (
            f"your machine has 0.1.0, which is too old for it: upgrade hostsmith on your machine to {__version__}"
            in told
        )

    def test_a_machine_of_a_later_protocol_is_told_that_an_admin_must_provision(self, agent: Path) -> None:
        told = self.mismatch(agent, f"hostsmith /run/hostsmith/0a1b2c 77.1/{PROTOCOL + 1}\n".encode())
        assert "too new for it: have an admin run `fab provision` with hostsmith 77.1, or install" in told

    def test_the_gate_of_0_1_0_takes_it_for_another_version_and_says_who_has_to_upgrade(self) -> None:
        # What that gate looked for; see its `_version`.
        found = re.fullmatch(rb"hostsmith(?: /.*/(\w+))?\n", greeting(pack.code_folder(), "0.2.0.dev0"))
        assert found is not None
        assert found[1] == b"%d" % PROTOCOL


def test_the_installed_agent_says_which_version_it_is(agent: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(agent.read_bytes())) as archive:
        assert __version__.encode() in archive.read("hostsmith/_version.py")
