"""What is installed is what the lock says, by uv or by pip, with the Python that the code asks for; or nothing is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

LOCKS = Path(__file__).parent.parent / "locks"
# An older one than there is.
VERSION = "2.1.2"
APP = """\
import itsdangerous


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [itsdangerous.__version__.encode()]
"""


# uv's builds of Python cannot be reached from everywhere: the host's own, packed like one of them, stands in for 3.12.
STAND_IN = """
set -e
mkdir -p /opt/stand-in/python/bin /opt/stand-in/python/lib/python3.12 /etc/uv
cd /opt/stand-in/python
cp -L /usr/bin/python3 bin/python3.12
ln -s python3.12 bin/python3
cp -rL /usr/lib/python3.[0-9]* lib/
cp lib/python3.[0-9]*/_sysconfigdata__x86_64-linux-gnu.py lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py
tar -C .. -czf ../python.tar.gz python
cat > ../python.json <<JSON
{"cpython-3.12.99-linux-x86_64-gnu": {"name": "cpython", "arch": {"family": "x86_64", "variant": null}, "os": "linux",
 "libc": "gnu", "major": 3, "minor": 12, "patch": 99, "prerelease": "", "variant": null, "build": "1", "sha256": null,
 "url": "file:///opt/stand-in/python.tar.gz"}}
JSON
echo 'python-downloads-json-url = "file:///opt/stand-in/python.json"' > /etc/uv/uv.toml
"""


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project that says what it requires by nothing yet, with a host that is provisioned for it."""
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("requirements"), vps)
    (project.folder / "requirements.txt").unlink()
    project.write("hello.py", APP)
    project.settings(static={})
    yield project
    vps.sandbox.destroy(vps.name)


def installed(project: Project) -> dict[str, str]:
    """The packages of the live release; those that come with Python are left out."""
    text = project.vps.run("/srv/hello/current/venv/bin/python -m pip freeze")
    return dict(line.split("==") for line in text.split())


def requires(project: Project, tool: str = "", **files: str) -> None:
    """Have the code say what it requires by the files of a tool, and by others."""
    for name in ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "Pipfile", "pyproject.toml", "requirements.txt"):
        (project.folder / name).unlink(missing_ok=True)
    for file in (LOCKS / tool).iterdir() if tool else ():
        shutil.copy(file, project.folder)
    for name, text in files.items():
        project.write(name.replace("_", "."), text)
    project.commit(f"requirements of {tool or ', '.join(files)}")


@pytest.mark.parametrize(
    "tool",
    [
        "pipenv",
        "uv",
        pytest.param("poetry", marks=pytest.mark.exhaustive),
        pytest.param("pdm", marks=pytest.mark.exhaustive),
    ],
)
def test_the_versions_of_a_lock_are_installed_though_there_are_newer_ones(project: Project, tool: str) -> None:
    requires(project, tool)
    (lock,) = (
        name for name in ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock") if (LOCKS / tool / name).exists()
    )
    done = project.fab("deploy")
    assert f"building a virtualenv: {lock}\n" in done.stdout
    found = installed(project)
    assert set(found) == {"itsdangerous", "gunicorn"}
    assert found["itsdangerous"] == project.vps.http("/").body == VERSION
    assert project.vps.run("find /opt/hostsmith /srv/hello/venvs -not -user root") == ""


def test_an_unchanged_lock_builds_no_virtualenv(project: Project) -> None:
    requires(project, "pipenv")
    project.fab("deploy")
    before = project.vps.run("ls /srv/hello/venvs")
    project.write("hello.py", f"{APP}# changed\n")
    project.commit("other code")
    assert "building a virtualenv" not in project.fab("deploy").stdout
    assert project.vps.run("ls /srv/hello/venvs") == before


def test_a_package_with_another_hash_is_refused_and_the_old_release_stays(project: Project) -> None:
    requires(project, "pipenv")
    project.fab("deploy")
    old, venvs = project.live(), project.vps.run("ls /srv/hello/venvs")
    lock = (project.folder / "Pipfile.lock").read_text()
    project.write("Pipfile.lock", lock.replace("sha256:2c23", "sha256:0000").replace("sha256:5dbb", "sha256:0000"))
    project.commit("another hash")
    done = project.fab("deploy", status=1)
    assert "hash mismatch" in done.stdout.lower()
    assert project.live() == old
    assert project.vps.http("/").body == VERSION
    assert project.vps.run("ls /srv/hello/venvs") == venvs


def test_pip_installs_the_same_when_uv_cannot_be_had(project: Project) -> None:
    text = '[project]\nname = "demo"\nversion = "1"\ndependencies = ["itsdangerous<2.2"]\n'
    requires(project, pyproject_toml=text)
    project.fab("deploy")
    by_uv = installed(project)
    vps = project.vps
    # An index without uv, but with all else: what pip has been told of uv is that no version of it will do.
    vps.run("mv /opt/hostsmith/uv-* /opt && cp /etc/pip.conf /opt/pip.conf")
    vps.run("echo 'uv<0' > /opt/no-uv.txt && printf '\\n[install]\\nconstraint = /opt/no-uv.txt\\n' >> /etc/pip.conf")
    try:
        project.write("pyproject.toml", f"{text}# once more\n")
        project.commit("the same, built anew")
        done = project.fab("deploy")
        assert "installing with pip, since uv cannot be installed here: ERROR: " in done.stdout
        assert vps.run("ls /opt/hostsmith | grep ^uv- || true") == ""
        assert installed(project) == by_uv
        assert project.vps.http("/").body == by_uv["itsdangerous"]
        # With uv there, it would not heed the constraint: pip installs, and uv reads the lock.
        vps.run("mv /opt/uv-* /opt/hostsmith")
        requires(project, "uv")
        assert "because of `constraint` in the host's configuration of pip" in project.fab("deploy").stdout
        assert installed(project)["itsdangerous"] == VERSION
    finally:
        vps.run("mv /opt/pip.conf /etc/pip.conf; [ ! -e /opt/uv-* ] || mv /opt/uv-* /opt/hostsmith")


def test_a_version_of_python_that_the_host_lacks_is_told_or_installed_by_uv(project: Project) -> None:
    project.settings(static={}, build_timeout=60)
    requires(project, "pipenv", **{"_python-version": "3.12\n"})
    vps = project.vps
    before = vps.run("readlink /srv/hello/current || true")
    # Nowhere that uv could find one.
    vps.run("mkdir -p /etc/uv && echo 'python-downloads-json-url = \"file:///none\"' > /etc/uv/uv.toml")
    done = project.fab("deploy", status=1)
    assert "found python3 (3." in done.stdout
    assert "expected Python 3.12 by .python-version, and uv cannot install it: " in done.stdout
    assert "or set `python` in the settings" in done.stdout
    assert vps.run("readlink /srv/hello/current || true") == before
    vps.run("sh -s", stdin=STAND_IN)
    try:
        project.write("Pipfile", (project.folder / "Pipfile").read_text() + "# with another Python\n")
        project.commit("built anew")
        done = project.fab("deploy")
        assert "/opt/hostsmith/python-3.12-" in done.stdout
        assert "because .python-version asks for 3.12" in done.stdout
        ask = "/srv/hello/current/venv/bin/python -c 'import sys; print(sys.base_prefix)'"
        assert vps.run(ask).startswith("/opt/hostsmith/python-3.12-")
        assert vps.run("find /opt/hostsmith -not -user root") == ""
        assert vps.http("/").body == VERSION
    finally:
        (project.folder / ".python-version").unlink()
        project.settings(static={})
        project.commit("the host's own")
