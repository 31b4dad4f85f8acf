"""Planted secrets are searched for in everything that is printed and left behind, on the host and here."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostsmith.environment.secret_file import Key, SecretFile
from hostsmith.resources import Secret

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.tracing import traced

# It tells all that it knows, as a careless app does.
APP = """\
import os
import sys

print("started with", dict(os.environ), flush=True)
if "FAIL_AT_START" in os.environ:
    sys.exit(f"cannot work with {sorted(os.environ.values())}")


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get(environ["PATH_INFO"].strip("/"), "nothing").encode()]
"""
RELEASE = 'env; if [ -n "${FAIL_RELEASE-}" ]; then exit 3; fi'
PRIVATE_KEY = "-----BEGIN KEY-----\nMIIEplantedBADANBgkqhkiG9w0B\nAQEFplantedgSkAgEAAoIB\n-----END KEY-----"
PLANTED = {
    "IN_FABRIC_YAML": "pl4nted-in-fabric-yaml",
    "IN_THE_SHELL": "pl4nted-in-the-shell 'quoted' \"twice\" $HOME",
    "IN_THE_FILE": "pl4nted-in-the-encrypted-file",
    "BY_A_COMMAND": "pl4nted-by-a-command/%+é",
    "BY_STDIN": "pl4nted-by-stdin",
    "BY_FILE": PRIVATE_KEY,
    "DATABASE_URL": "postgres://blog:pl4nted-password@db/blog",
}
# What is searched for: no part of it stands in the settings or the tests' own files on the host.
NEEDLES = [*(value for value in PLANTED.values() if "\n" not in value), *PRIVATE_KEY.splitlines()[1:3], "pl4nted"]


@dataclass
class Site:
    """A project with secrets of every origin, and all that fab has printed about it."""

    project: Project
    vps: Vps
    printed: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    started_here: list[str] = field(default_factory=list)

    def fab(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        with tempfile.NamedTemporaryFile() as file:
            strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", "trace=execve", "-e", "signal=none"]
            done = subprocess.run(
                [*strace, "-o", file.name, *self.project.argv(*arguments)],
                cwd=self.project.folder,
                env=self.project.env(),
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            self.started_here += Path(file.name).read_text(errors="replace").splitlines()
        assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}"
        self.printed.append(done.stdout)
        return done.stdout


def found_in(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text]


@pytest.fixture(scope="module")
def site(boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    project = make_project(tmp_path_factory.mktemp("site"), vps)
    key = Key.new()
    told = project.home / "told"
    told.write_text(PLANTED["BY_A_COMMAND"] + "\n")
    project.environment |= {"HOSTSMITH_KEY": key.text, "FABRIC_ENVIRONMENT_IN_THE_SHELL": PLANTED["IN_THE_SHELL"]}
    project.settings(
        static={},
        workers=1,
        drain_timeout=1,
        health={"path": "/", "timeout": 10},
        processes={"release": RELEASE},
        environment={
            "IN_FABRIC_YAML": PLANTED["IN_FABRIC_YAML"],
            "BY_A_COMMAND": {"command": ["cat", str(told)]},
            "MADE_UP": {"generate": 32},
            "MODE": "plain.words",
        },
    )
    SecretFile(project.folder / "secrets.enc.yaml").write(key, {"IN_THE_FILE": Secret(PLANTED["IN_THE_FILE"])})
    project.write("hello.py", APP)
    project.write("requirements.txt", "")
    project.commit("an app with secrets")
    (project.home / "key").write_text(PRIVATE_KEY)
    (project.home / "url").write_text(PLANTED["DATABASE_URL"])
    found = Site(project, vps)
    with traced(vps, "execve") as started:
        found.fab("deploy")
        found.fab("config.set", "BY_STDIN=-", stdin=PLANTED["BY_STDIN"])
        found.fab("config.set", f"BY_FILE=@{project.home}/key", f"DATABASE_URL=@{project.home}/url", "--json")
    found.started += started
    yield found
    vps.sandbox.destroy(vps.name)


def made_up(site: Site) -> str:
    return site.vps.http("/MADE_UP").body


def test_the_app_has_them_all(site: Site) -> None:
    pairs = site.vps.run("tr '\\0' '\\037' < /proc/$(pgrep -u hello -o gunicorn)/environ").split("\x1f")
    assert {f"{name}={value}" for name, value in PLANTED.items()} <= set(pairs)
    assert len(made_up(site)) == 32


def test_nothing_that_is_printed_has_one(site: Site) -> None:
    told = site.fab("run", "--", "env")
    assert "BY_STDIN=***" in told
    assert "MODE=plain.words" in told
    assert "DATABASE_URL=***" in told
    show = "import json, os, sys; json.dump(dict(os.environ), sys.stdout); print(); print(repr(os.environ))"
    site.fab("run", "--", "python3", "-c", show)
    site.fab("run", "--", "sh", "-c", 'for part in $(echo "$BY_STDIN" | sed "s/./& /g"); do printf %s "$part"; done')
    site.fab("run", "--", "sh", "-c", 'printf %s "$IN_FABRIC_YAML" | base64; echo "to stderr: $IN_THE_FILE" >&2')
    assert "started with" in site.fab("logs")
    for arguments in (["status"], ["plan", "--json"], ["config.get"], ["config.get", "--json"]):
        site.fab(*arguments)
    assert "cannot work with" in site.fab("config.set", "FAIL_AT_START=1", "--json", status=1)
    assert "BY_STDIN=***" in site.fab("config.set", "FAIL_RELEASE=1", status=1)
    site.fab("deploy", "--json")
    for output in site.printed:
        assert not found_in(output), output
        assert made_up(site) not in output


def test_no_command_line_has_one_at_any_time(site: Site) -> None:
    """Also none of a program that lives for a millisecond: as the kernel was asked to start each of them."""
    there, here = "\n".join(site.started), "\n".join(site.started_here)
    assert '"--git-dir=/srv/hello/repo.git"' in there, "nothing was traced"
    assert '"config.set"' in here, "nothing was traced"
    assert not found_in(there)
    assert not found_in(here)
    # What the app is started by comes from supervisord, and lives on.
    assert not found_in(site.vps.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))


def test_nothing_that_is_left_on_the_host_has_one_but_the_files_that_are_for_them(site: Site) -> None:
    # What is searched for comes on standard input, so as not to be on a command line itself. /usr is Debian's own.
    search = "grep --recursive --files-with-matches --fixed-strings --devices=skip --file=- $(ls -d /* | grep -vE %s)"
    command = search % "'^/(proc|sys|dev|usr|bin|sbin|lib.*|boot)$'"
    left = site.vps.run(f"{command} 2>/dev/null || true", stdin=f"pl4nted\n{made_up(site)}\n").splitlines()
    modes = {"env": "640 root:hello", "config.json": "600 root:root", "generated.json": "600 root:root"}
    # What stands in fabric.yaml stands in the code, too; and the app's own log has what the app writes to it.
    ours = [path for path in left if not path.startswith("/var/log/hello/") and not path.endswith("/code/fabric.yaml")]
    assert {path.rpartition("/")[2] for path in ours} == set(modes)
    for path in ours:
        assert path.startswith("/srv/hello/"), path
        assert site.vps.run(f"stat -c '%a %U:%G' {path}").strip() == modes[path.rpartition("/")[2]], path
    assert not found_in(site.vps.run("journalctl --no-pager --output cat"))


def test_nothing_that_is_left_here_has_one_but_what_it_was_read_from(site: Site) -> None:
    project = site.project
    assert not found_in(project.git("log", "--patch", "--", ".", ":!fabric.yaml"))
    argv = ["grep", "-rlF", "pl4nted", str(project.folder), str(project.home)]
    left = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    own = {project.folder / "fabric.yaml", project.home / "told", project.home / "url"}
    assert {Path(path) for path in left} == own
