"""What the agent finds out by itself, where Debian has a program for it: on a host it says the same as that program."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostsmith.connection import pack

from tests.hosts.conftest import Vps

CODE = "/tmp/agent.zip"


@pytest.fixture(scope="module")
def vps(boot: Callable[..., Vps], provisioned_image: str) -> Iterator[Vps]:
    machine = boot(provisioned_image)
    machine.run(f"base64 -d > {CODE}", stdin=base64.b64encode(pack.agent_zip()).decode())
    yield machine
    machine.sandbox.destroy(machine.name)


def told(vps: Vps, package: str, module: str, expression: str) -> Any:
    """What an expression comes to on the host, with a module of the host kit that can start no program there."""
    program = f"""
import json, subprocess, sys
sys.path.insert(0, {CODE!r})
from hostsmith.hostkit.{package} import {module}
subprocess.Popen = None
print(json.dumps({expression}))
"""
    return json.loads(vps.run("python3 -I -", stdin=program))


def test_systemd_says_of_all_units_what_systemctl_shows(vps: Vps) -> None:
    # One is masked, one has changed on the disk, one is an alias, one is not there, one may have no type in its name.
    vps.run("systemctl mask --quiet certbot.timer; touch /lib/systemd/system/nginx.service")
    listed = vps.run("systemctl list-units --all --plain --no-legend; systemctl list-unit-files --no-legend")
    units = sorted({name for line in listed.splitlines() if "@." not in (name := line.split()[0])})
    units = [name for name in units if name[0] != "-"] + ["sshd.service", "nothing.service", "nginx"]
    assert len(units) > 100
    names = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
    shown = vps.run(f"xargs -d '\\n' systemctl show --property={','.join(names)} --", stdin="\n".join(units))
    found = told(vps, "linux", "systemd", f"[systemd.properties(unit, *{names}) for unit in {units}]")
    for unit, one, text in zip(units, found, shown.strip().split("\n\n"), strict=True):
        assert one == dict(line.split("=", 1) for line in text.splitlines()), unit
    assert {"masked", "not-found"} <= {one["LoadState"] for one in found}
    assert found[-1]["NeedDaemonReload"] == "yes"


def test_what_is_installed_is_what_dpkg_says(vps: Vps) -> None:
    query = "dpkg-query --show --showformat '${Package} ${Status}\\n'"
    rows = [line.split() for line in vps.run(query).splitlines()]
    installed = {name for name, _, error, status in rows if (error, status) == ("ok", "installed")}
    assert len(installed) > 150
    names = sorted(name for name, *_ in rows) + ["nothing-of-this-name", "awk", "mail-transport-agent"]
    missing = told(vps, "programs", "apt", f"apt.missing({names})")
    assert missing == [name for name in names if name not in installed and name != "awk"]


def test_the_version_of_the_hosts_python_is_what_it_says(vps: Vps) -> None:
    assert told(vps, "build", "virtualenv", "virtualenv.python_version('python3')") == vps.run("python3 -VV").strip()
    error = vps.run(
        f"""python3 -I -c "import sys; sys.path.insert(0, '{CODE}'); from hostsmith.hostkit.build import virtualenv
virtualenv.python_version('python3.99')" 2>&1""",
        ok=False,
    )
    assert "the interpreter 'python3.99' is missing on this host" in error
