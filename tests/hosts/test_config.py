"""`fab config.*`: variables that are set on the hosts, in releases like any other; made-up values that are the same on
all of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import Project, Vps, make_project

APP = """\
import os
import sys

if "BROKEN" in os.environ:
    sys.exit(f"cannot work with {os.environ['BROKEN']}")


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get(environ["PATH_INFO"].strip("/"), "nothing").encode()]
"""
BASE = {"FROM_FILE": "one", "SHADOWED": "of the settings", "SESSION_KEY": {"generate": 40}}


@dataclass
class Pair:
    """A project whose role `web` has two hosts."""

    project: Project
    hosts: tuple[Vps, Vps]

    def settings(self, environment: dict[str, Any]) -> None:
        roles = {"web": [vps.spec for vps in self.hosts]}
        health = {"path": "/", "timeout": 10}
        self.project.settings(
            roles=roles, static={}, workers=1, drain_timeout=1, health=health, environment=environment
        )

    def fab(self, *arguments: str, stdin: str | None = None, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.project.argv(*arguments),
            cwd=self.project.folder,
            env=self.project.env(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def served(self, name: str) -> list[str]:
        """What the app has for a variable on each host."""
        return [vps.http(f"/{name}").body for vps in self.hosts]

    def live(self) -> list[str]:
        return [vps.run("readlink /srv/hello/current").strip() for vps in self.hosts]

    def origins(self) -> dict[str, str]:
        """Where each variable is from, the same on both hosts."""
        first, second = json.loads(self.fab("config.get", "--json").stdout)["hosts"].values()
        assert first == second
        return {name: each["from"] for name, each in first.items()}


@pytest.fixture(scope="module")
def pair(boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    first, second = boot(deployed_image), boot(deployed_image)
    for vps in (first, second):
        vps.wait_for_site()
    project = make_project(tmp_path_factory.mktemp("pair"), first)
    with (project.home / ".ssh" / "known_hosts").open("a") as file:
        file.write(Path(second.target.known_hosts).read_text())
    project.names_hosts = False
    found = Pair(project, (first, second))
    found.settings(BASE)
    project.write("hello.py", APP)
    project.write("requirements.txt", "")
    project.commit("an app that tells its environment")
    project.fab("provision", "deploy")
    yield found
    for vps in (first, second):
        vps.sandbox.destroy(vps.name)


def test_a_value_from_standard_input_is_live_stays_and_is_not_shown(pair: Pair) -> None:
    before = pair.project.json("releases")
    done = pair.fab("config.set", "API_TOKEN=-", "MODE=fast mode", stdin="planted-t0ken\n")
    assert pair.served("API_TOKEN") == ["planted-t0ken"] * 2
    assert pair.served("MODE") == ["fast mode"] * 2
    after = pair.project.json("releases")
    for label, rows in after.items():
        new, old = rows[-1], before[label][-1]
        assert (new["revision"], new["subject"]) == (old["revision"], "config.set API_TOKEN, MODE")
    for vps in pair.hosts:
        modes = vps.run("stat -Lc '%a %U:%G' /srv/hello/current/env /srv/hello/current/config.json").split("\n")
        assert modes[:2] == ["640 root:hello", "600 root:root"]
        assert vps.run("readlink -f /srv/hello/current/venv").startswith("/srv/hello/venvs/")
    pair.fab("deploy")
    assert pair.served("API_TOKEN") == ["planted-t0ken"] * 2
    listing = pair.fab("config.get")
    assert re.search(r"^API_TOKEN +config.set$", listing.stdout, re.MULTILINE)
    assert re.search(r"^FROM_FILE +settings$", listing.stdout, re.MULTILINE)
    assert "planted-t0ken" not in done.stdout + done.stderr + listing.stdout
    assert pair.fab("config.get", "API_TOKEN").stdout == "planted-t0ken\n"


def test_what_is_set_wins_over_the_settings_until_it_is_unset(pair: Pair) -> None:
    pair.fab("config.set", "SHADOWED=of config.set")
    assert pair.served("SHADOWED") == ["of config.set"] * 2
    assert pair.origins()["SHADOWED"] == "config.set"
    assert "nothing to do" in pair.fab("plan").stdout
    pair.fab("config.unset", "SHADOWED")
    assert pair.served("SHADOWED") == ["of the settings"] * 2
    assert pair.origins()["SHADOWED"] == "settings"
    done = pair.fab("config.unset", "SHADOWED", status=2)
    assert "found SHADOWED, expected variables that `config.set` has set" in done.stderr


def test_a_rollback_brings_the_old_values_back_and_the_next_deploy_keeps_them(pair: Pair) -> None:
    pair.fab("config.set", "PLAN=first")
    pair.fab("config.set", "PLAN=second")
    pair.fab("rollback")
    assert pair.served("PLAN") == ["first"] * 2
    pair.fab("deploy")
    assert pair.served("PLAN") == ["first"] * 2


def test_values_with_which_the_app_is_not_well_never_go_live(pair: Pair) -> None:
    before = pair.live()
    done = pair.fab("config.set", "BROKEN=planted-s3cret", status=1)
    assert pair.live() == before
    assert "cannot work with ***" in done.stdout
    assert "planted-s3cret" not in done.stdout + done.stderr
    assert "BROKEN" not in pair.origins()
    pair.fab("deploy")
    assert "BROKEN" not in pair.origins()


def test_a_value_that_is_set_already_is_no_new_release(pair: Pair) -> None:
    pair.fab("config.set", "SAME=value")
    before = pair.live()
    assert "nothing to change" in pair.fab("config.set", "SAME=value").stdout
    assert pair.live() == before


def test_an_editor_changes_several_and_leaves_nothing_behind(pair: Pair) -> None:
    pair.fab("config.set", "GOES=away", "STAYS=here")
    editor = pair.project.folder.parent / "editor"
    editor.write_text(
        '#!/bin/sh\nstat -c \'%a %n\' "$1" "$(dirname "$1")" > "$0.seen"\n'
        "sed -i '/^GOES/d' \"$1\"; printf 'COMES: |\\n  two\\n  lines\\n' >> \"$1\"\n"
    )
    editor.chmod(0o755)
    pair.project.environment["EDITOR"] = str(editor)
    pair.fab("config.edit")
    assert (pair.served("GOES"), pair.served("STAYS")) == (["nothing"] * 2, ["here"] * 2)
    assert pair.served("COMES") == ["two\nlines\n"] * 2
    file, folder = Path(f"{editor}.seen").read_text().splitlines()
    assert file.startswith("600 ")
    assert folder.startswith("700 ")
    assert not Path(folder.partition(" ")[2]).exists()


def test_a_generated_value_is_the_same_on_all_hosts_and_stays(pair: Pair) -> None:
    first, second = pair.served("SESSION_KEY")
    assert first == second
    assert re.fullmatch(r"[A-Za-z0-9]{40}", first)
    pair.settings({**BASE, "LATER_KEY": {"generate": 20}})
    pair.project.commit("one more")
    pair.fab("deploy", "--host", pair.hosts[1].spec)
    pair.fab("deploy", "--host", pair.hosts[0].spec)
    assert pair.served("SESSION_KEY") == [first] * 2
    later = pair.served("LATER_KEY")
    assert later[0] == later[1]
    for vps in pair.hosts:
        assert vps.run("stat -c '%a %U:%G' /srv/hello/generated.json").strip() == "600 root:root"
    assert first not in pair.fab("config.get").stdout
    assert pair.fab("config.get", "SESSION_KEY").stdout == f"{first}\n"


def test_a_host_that_joins_gets_the_values_of_the_others(pair: Pair) -> None:
    pair.fab("deploy")
    pair.fab("config.set", "JOINED=from the others")
    key = pair.served("SESSION_KEY")[0]
    second = pair.hosts[1]
    second.run("supervisorctl stop all; rm -rf /srv/hello/releases /srv/hello/current /srv/hello/generated.json")
    pair.fab("provision", "deploy", "--host", second.spec)
    assert second.http("/JOINED").body == "from the others"
    assert second.http("/SESSION_KEY").body == key
    done = pair.fab("config.set", "ANOTHER=value", status=1)
    assert "the hosts have different releases" in done.stderr
    pair.fab("deploy")
    assert pair.served("JOINED") == ["from the others"] * 2


def test_mistakes_are_told_without_the_value(pair: Pair) -> None:
    for arguments, problem in (
        (["config.set"], "there is nothing to set"),
        (["config.set", "planted-s3cret=x"], "invalid variable name"),
        (["config.set", "A", "B=planted-s3cret"], "A: cannot ask for the value without a terminal"),
        (["config.set", "A=@/nowhere"], "A: /nowhere: No such file"),
        (["config.get", "NOWHERE"], "there is no variable NOWHERE"),
    ):
        done = pair.fab(*arguments, status=2)
        assert problem in done.stderr
        assert "planted-s3cret" not in done.stdout + done.stderr
