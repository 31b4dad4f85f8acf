"""Builds in an attacker's shoes: what requirements bring, an interpreter of a deployer's, and packages that are
namesakes of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import Project
from tests.hosts.two_apps import ADMIN, SHOP, Apps

pytestmark = pytest.mark.attack

# A package that looks around while it is built, and tells what it found by what it installs.
BACKEND = """\
import json, os, zipfile

def build_wheel(folder, config=None, metadata=None):
    tried = {}
    for name in ("/srv/APP/current/env", "/srv/APP/shared", "/srv/APP/shared/secret"):
        try:
            os.listdir(name) if name.endswith("shared") else open(name).read()
            tried[name] = "done"
        except OSError as error:
            tried[name] = type(error).__name__
    ids = {"users": os.getresuid(), "groups": [*os.getresgid(), *os.getgroups()]}
    told = {**ids, "home": os.environ["HOME"], "tried": tried}
    with zipfile.ZipFile(f"{folder}/spy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("spy.json", json.dumps(told))
        wheel.writestr("spy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: spy\\nVersion: 1.0\\n")
        wheel.writestr("spy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("spy-1.0.dist-info/RECORD", "")
    return "spy-1.0-py3-none-any.whl"
"""
BUILD_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def told_by_a_build(project: Project, app: str) -> dict[str, Any]:
    """What a package of an app has found while it was built."""
    project.write("spy/backend.py", BACKEND.replace("APP", app))
    project.write("spy/pyproject.toml", BUILD_SYSTEM)
    requirements = project.folder / "requirements.txt"
    project.write("requirements.txt", requirements.read_text().replace("./spy\n", "") + "./spy\n")
    project.commit("a package that looks around")
    project.fab("deploy")
    return dict(json.loads(project.vps.run(f"cat /srv/{app}/current/venv/lib/python3*/site-packages/spy.json")))


def test_builds_share_no_user_and_read_no_environment_or_data(apps: Apps) -> None:
    door = "python3 -c \"import os; print(os.getxattr('/srv/shop', 'system.posix_acl_access').hex())\""
    before = apps.vps.run(door)
    # As a version left it that had one user for all builds.
    apps.vps.run("mkdir -p /srv/shop/cache && touch /srv/shop/cache/of-all && chown -R nobody /srv/shop/cache")
    found = {app: told_by_a_build(apps.projects[app], app) for app in (SHOP, ADMIN)}
    assert "hostsmith-build_shop:700" in apps.vps.run("stat -c %U:%a /srv/shop/cache")
    assert "of-all" not in apps.vps.run("ls /srv/shop/cache")
    assert apps.vps.run(door) == before
    for app, told in found.items():
        apps.vps.run(f"test -r /srv/{app}/current/env")
        assert set(told["tried"].values()) == {"PermissionError"}, told
        assert int(apps.vps.run(f"id -g {app}")) not in told["groups"]
    assert set(found[SHOP]["users"]).isdisjoint(found[ADMIN]["users"])
    assert set(found[SHOP]["groups"]).isdisjoint(found[ADMIN]["groups"])
    assert found[SHOP]["home"] != found[ADMIN]["home"]


def test_a_build_that_leaves_what_cannot_be_taken_back_is_not_used_and_not_in_the_way(apps: Apps) -> None:
    project, vps = apps.projects[SHOP], apps.vps
    deep = 'venv, = (each for each in glob.glob("/srv/shop/venvs/*") if os.access(each, os.W_OK))'
    deep += "\n    os.chdir(venv)\n    for _ in range(3000): os.mkdir('d'); os.chdir('d')\n    os.chdir('/')"
    backend = BACKEND.replace("    tried = {}", f"    import glob\n    {deep}\n    tried = {{}}")
    old, kept = project.live(), (project.folder / "requirements.txt").read_text()
    project.write("deep/backend.py", backend)
    project.write("deep/pyproject.toml", BUILD_SYSTEM)
    project.write("requirements.txt", kept + "./deep\n")
    project.commit("a package that digs")
    done = project.fab("deploy", status=1)
    assert "found folders nested more than" in done.stdout
    assert project.live() == old
    project.write("requirements.txt", kept)
    project.commit("without it")
    project.fab("deploy")
    assert vps.run("find /srv/shop/venvs -maxdepth 2 -name d") == ""


FAKE = """\
#!/bin/sh
# Says that it is the host's python3, and takes what it can while it runs as somebody.
id -un >> /tmp/runs-a-fake
for tool in /opt/hostsmith/*; do [ -w "$tool" ] && touch "$tool/planted"; done
exec /usr/bin/python3 "$@"
"""


@pytest.mark.parametrize("place", ["shared", "code"])
def test_an_interpreter_of_a_deployers_is_run_by_nobody(apps: Apps, place: str) -> None:
    project, vps = apps.deployer, apps.vps
    path = {"shared": "/srv/shop/shared/fake", "code": "/srv/shop/current/code/fake"}[place]
    project.write("fake", FAKE)
    (project.folder / "fake").chmod(0o755)
    project.commit("an interpreter")
    project.fab("deploy")
    vps.run(f"[ -e {path} ] || install -o shop -m 755 /srv/shop/current/code/fake {path}")
    old = project.live()
    project.environment["FABRIC_PYTHON"] = path
    project.commit("by it")
    try:
        done = project.fab("deploy", status=1)
    finally:
        del project.environment["FABRIC_PYTHON"]
    assert path in done.stdout + done.stderr
    assert "python" in done.stdout + done.stderr
    assert project.live() == old
    assert vps.run("cat /tmp/runs-a-fake 2>/dev/null; find /opt/hostsmith -name planted") == ""


def test_an_interpreter_that_another_app_runs_on_stays_whatever_a_deployer_asks_for(apps: Apps) -> None:
    project, vps = apps.deployer, apps.vps
    # As one that was installed for `>=3.44`; no build of it can be had.
    key = "$(printf '>=3.44' | sha256sum | cut -d' ' -f1)"
    vps.run(
        "cd /opt/hostsmith && mkdir -p python-3.44/cpython/bin && ln -s /usr/bin/python3 python-3.44/cpython/bin"
        f" && printf %s {key} > python-3.44/.hostsmith-complete"
    )
    project.write(".python-version", "")
    project.write("pyproject.toml", '[project]\nname = "shop"\nversion = "1"\nrequires-python = "~=3.44"\n')
    project.commit("a Python that nobody has")
    try:
        project.fab("deploy", status=1)
    finally:
        (project.folder / "pyproject.toml").unlink()
        (project.folder / ".python-version").unlink()
        project.commit("any Python")
    vps.run("test -x /opt/hostsmith/python-3.44/cpython/bin/python3")


NAMESAKE = """\
import os, zipfile
os.makedirs("/opt/namesakes", exist_ok=True)
for name in ("ours", "theirs"):
    with zipfile.ZipFile(f"/opt/namesakes/{name}-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "whose = 'a stranger'\\n")
        wheel.writestr(f"{name}-99.0.dist-info/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 99.0\\n")
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{name}-99.0.dist-info/WHEEL", tag)
        wheel.writestr(f"{name}-99.0.dist-info/RECORD", "")
"""
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask", "ours"]\n'
OURS = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
OURS_BACKEND = """\
import zipfile

def build_wheel(folder, config=None, metadata=None):
    with zipfile.ZipFile(f"{folder}/ours-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("ours.py", "whose = 'ours'\\n")
        wheel.writestr("ours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ours\\nVersion: 1.0\\n")
        wheel.writestr("ours-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("ours-1.0.dist-info/RECORD", "")
    return "ours-1.0-py3-none-any.whl"
"""


@pytest.fixture
def namesakes(apps: Apps) -> Iterator[Project]:
    """The shop, with an index of its host in which somebody offers packages of the same names as the shop's own."""
    project, vps = apps.projects[SHOP], apps.vps
    vps.run("python3 -", stdin=NAMESAKE)
    vps.run("cp /etc/pip.conf /opt/pip.conf; printf '\\n[install]\\nfind-links = /opt/namesakes\\n' >> /etc/pip.conf")
    kept = (project.folder / "requirements.txt").read_text()
    (project.folder / "requirements.txt").unlink()
    project.write("lib/pyproject.toml", OURS)
    project.write("lib/backend.py", OURS_BACKEND)
    yield project
    (project.folder / "pyproject.toml").unlink()
    project.write("requirements.txt", kept)
    project.commit("as it was")
    vps.run("mv /opt/pip.conf /etc/pip.conf")


def whose(project: Project) -> str:
    return project.vps.run("/srv/shop/current/venv/bin/python -c 'import ours; print(ours.whose)'").strip()


def test_a_package_that_the_project_says_is_its_own_is_not_a_strangers_of_the_same_name(namesakes: Project) -> None:
    namesakes.write("pyproject.toml", f'{PROJECT}[tool.uv.sources]\nours = {{ path = "lib" }}\n')
    namesakes.commit("a package of its own")
    namesakes.fab("deploy")
    assert whose(namesakes) == "ours"


@pytest.mark.parametrize(
    "table",
    [
        '[[tool.poetry.source]]\nname = "own"\nurl = "https://pypi.example.org/simple"\n',
        '[tool.poetry.dependencies]\nours = { path = "lib" }\n',
        '[[tool.pdm.source]]\nname = "own"\nurl = "https://pypi.example.org/simple"\n',
    ],
)
def test_where_nobody_reads_what_says_so_nothing_is_installed(namesakes: Project, table: str) -> None:
    namesakes.write("pyproject.toml", PROJECT + table)
    namesakes.commit("a package of its own")
    old = namesakes.live()
    done = namesakes.fab("deploy", status=1)
    assert "pyproject.toml" in done.stdout
    assert "lock" in done.stdout
    assert namesakes.live() == old
