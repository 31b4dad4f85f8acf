"""patchwork's other helpers on a local context: its names, runners, programs, distributions, packages, and errors."""

from __future__ import annotations

import functools
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from fabric import Connection
from hostsmith.errors import PatchworkError
from hostsmith.patchwork import packages
from hostsmith.patchwork.environment import have_program
from hostsmith.patchwork.files import append, contains, directory, exists
from hostsmith.patchwork.info import distro_family, distro_name, family_of, name_of
from hostsmith.patchwork.packages import package, rubygem
from hostsmith.patchwork.util import run_script, set_runner
from invoke.context import Context
from local_context import local_context

# patchwork 1.0.1's public helpers, with the signatures in its documentation.
PATCHWORK = {
    "environment.have_program": "(c, name)",
    "files.append": "(c, filename, text, partial=False, escape=True, sudo=False, runner_method='run', runner=None)",
    "files.contains": "(c, filename, text, exact=False, escape=True, sudo=False, runner_method='run', runner=None)",
    "files.directory": "(c, path, user=None, group=None, mode=None, sudo=False, runner_method='run', runner=None)",
    "files.exists": "(c, path, sudo=False, runner_method='run', runner=None)",
    "info.distro_family": "(c)",
    "info.distro_name": "(c)",
    "packages.package": "(c, *packages)",
    "packages.rubygem": "(c, gem)",
    "transfers.rsync": "(c, source, target, exclude=(), delete=False, strict_host_keys=True,"
    " rsync_opts='', ssh_opts='')",
    "util.munge_docstring": "(f, inner)",
    "util.set_runner": "(f)",
}


@pytest.fixture
def c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.chdir(tmp_path)
    return local_context()


@pytest.mark.parametrize("name", PATCHWORK)
def test_every_helper_has_its_name_and_arguments(name: str) -> None:
    module, _, function = name.partition(".")
    helper = getattr(importlib.import_module(f"hostsmith.patchwork.{module}"), function)
    parameters = [
        f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in inspect.signature(helper).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    assert f"({', '.join(parameters)})" == PATCHWORK[name]


class Admin(Context):
    """A context with a method of its own that runs commands, as in patchwork's documentation."""

    def run_admin(self, command: str, **options: Any) -> Any:
        return self.run(f"ADMIN=yes {command}", **options)


@set_runner
def choose(c: Any, runner: Any, first: str, *rest: str, last: str = "default") -> tuple[Any, ...]:
    """Which runner it is given."""
    return runner, first, rest, last


def other_runner(command: str, **options: Any) -> None: ...


class TestSetRunner:
    def test_the_runner_is_run(self, c: Context) -> None:
        assert choose(c, "a", "b", last="z") == (c.run, "a", ("b",), "z")

    def test_a_runner_wins_over_a_method_and_that_over_sudo(self, c: Context) -> None:
        assert choose(c, "a", runner=other_runner, runner_method="run", sudo=True)[0] is other_runner
        assert choose(c, "a", runner_method="run", sudo=True)[0] == c.run

    def test_a_method_is_named(self, tmp_path: Path) -> None:
        c = Admin(local_context().config)
        assert choose(c, "a", runner_method="run_admin")[0] == c.run_admin
        append(c, str(tmp_path / "file"), "line", runner_method="run_admin")
        assert (tmp_path / "file").read_text() == "line\n"

    def test_a_method_of_ones_own_has_the_folder_and_prefix_once(self, tmp_path: Path) -> None:
        c = Admin(local_context().config)
        (tmp_path / "my app").mkdir()
        with c.cd(str(tmp_path)), c.cd("my app"), c.prefix("X=1 && export X"):
            append(c, "file", "line", runner_method="run_admin")
            assert c.cwd.endswith("my\\ app")
            assert c.command_prefixes == ["X=1 && export X"]
        assert (tmp_path / "my app" / "file").read_text() == "line\n"

    def test_a_partial_runner_is_used_as_it_is(self, c: Context, tmp_path: Path) -> None:
        with c.cd(str(tmp_path)):
            append(c, "file", "line", runner=functools.partial(c.run, env={"X": "1"}))
        assert (tmp_path / "file").read_text() == "line\n"

    def test_a_forgotten_connection_is_named(self) -> None:
        with pytest.raises(PatchworkError, match=r"exists\(\): found '/etc', .*: call it as exists\(c, \.\.\.\)"):
            exists("/etc", "hosts")

    def test_the_docstring_begins_with_the_signature(self) -> None:
        lines = (choose.__doc__ or "").splitlines()
        assert lines[0] == "choose(c, first, *rest, last='default', sudo=False, runner_method='run', runner=None)"
        assert lines[1] == "Which runner it is given."
        assert ":param str runner_method:" in lines

    def test_a_local_command_opens_no_connection(self, tmp_path: Path) -> None:
        # 192.0.2.1 is nowhere (RFC 5737).
        c = Connection("192.0.2.1", config=None)
        c.config.run.in_stream = False
        c.config.runners.local = local_context().config.runners.local
        append(c, str(tmp_path / "file"), "line", runner_method="local")
        assert exists(c, str(tmp_path / "file"), runner=c.local)
        assert not c.is_connected


class TestRunScript:
    def test_a_failure_has_the_place_the_status_and_the_words(self, c: Context) -> None:
        with pytest.raises(PatchworkError, match=r"^thinking failed on this machine \(exit 3\): no idea$"):
            run_script(c, c.run, "echo no idea >&2; exit 3", doing="thinking")

    def test_a_runner_that_raises_makes_no_difference(self, c: Context) -> None:
        def raising(command: str, **options: Any) -> Any:
            return c.run(command, **{**options, "warn": False})

        with pytest.raises(PatchworkError, match="File exists"):
            directory(c, Path(__file__), runner=raising)
        assert not exists(c, "nothing", runner=raising)

    def test_a_failed_command_leaves_folder_and_prefix_as_they_were(self, c: Context, tmp_path: Path) -> None:
        with c.cd(str(tmp_path)), c.prefix("true"):
            with pytest.raises(PatchworkError):
                run_script(c, functools.partial(c.run), "exit 9")
            assert (c.cwd, c.command_prefixes) == (str(tmp_path), ["true"])


class TestHaveProgram:
    def test_finds_what_is_in_the_path(self, c: Context, tmp_path: Path) -> None:
        program = tmp_path / "my tools" / "it's; a program"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert have_program(c, "sh")
        with c.prefix(f'PATH="$PATH:{program.parent}"'):
            found = have_program(c, program.name)
            assert found
            assert found.stdout.strip() == str(program)
        assert not have_program(c, program.name)
        assert have_program(c, str(program))

    @pytest.mark.parametrize("name", ["no-such-program", "cd", "if", "$(echo sh)", "-v", "a b", "/etc/passwd", "/etc"])
    def test_what_is_no_program_is_none(self, c: Context, name: str) -> None:
        assert not have_program(c, name)


OS_RELEASES = [
    ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n', "debian", "debian"),
    ("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "ubuntu", "debian"),
    ('ID="centos"\nID_LIKE="rhel fedora"\n', "centos", "redhat"),
    ('ID="rhel"\nID_LIKE="fedora"\n', "rhel", "redhat"),
    ("ID=fedora\n", "fedora", "redhat"),
    ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "other", "redhat"),
    ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "other", "debian"),
    ("ID=raspbian\r\nID_LIKE=debian\r\n", "other", "debian"),
    ("ID=arch\n", "other", "other"),
    ('# ID=debian\nVERSION_ID="12"\nNAME="Bad \'quote"\n', "other", "other"),
    ("ID='debian\n", "other", "other"),
    ("", "other", "other"),
]


@pytest.mark.parametrize(("text", "name", "family"), OS_RELEASES)
def test_distributions_are_known_by_os_release(text: str, name: str, family: str) -> None:
    assert (name_of(text), family_of(text)) == (name, family)


def test_this_machines_distribution_has_one_of_the_names(c: Context) -> None:
    text = Path("/etc/os-release").read_text()
    assert (distro_name(c), distro_family(c)) == (name_of(text), family_of(text))


class TestPackage:
    @pytest.mark.parametrize("name", ["-t", "--purge"])
    def test_an_option_is_no_package(self, c: Context, name: str) -> None:
        with pytest.raises(PatchworkError, match="is an option"):
            package(c, "bash", name)

    @pytest.mark.parametrize("gem", ["", "--version", " "])
    def test_an_option_is_no_gem(self, c: Context, gem: str) -> None:
        with pytest.raises(PatchworkError, match="expected the name of a gem"):
            rubygem(c, gem)

    def test_nothing_is_installed_without_a_name(self, c: Context) -> None:
        with c.prefix("exit 1"):
            package(c)

    @pytest.mark.parametrize("manager", ["dnf", "yum"])
    def test_on_red_hat_only_what_rpm_does_not_know_is_installed(
        self, c: Context, tmp_path: Path, manager: str
    ) -> None:
        tools = tmp_path / "tools"
        tools.mkdir()
        self.write(tools / "rpm", '[ "$*" = "-q --quiet -- there" ]')
        self.write(tools / manager, f'printf "<%s>" "$@" > "{tmp_path}/installed"')
        with c.prefix(f'PATH="{tools}:$PATH"'):
            run_script(c, c.run, packages._INSTALL_RPM, "there")
            assert not (tmp_path / "installed").exists()
            run_script(c, c.run, packages._INSTALL_RPM, "there", "new", "'other one'")
        assert (tmp_path / "installed").read_text() == "<install><-y><--><new><other one>"

    def test_a_system_without_a_known_manager_is_an_error(self, c: Context) -> None:
        without_programs = 'sh() { /bin/sh "$@"; }; PATH=/nowhere'
        with c.prefix(without_programs), pytest.raises(PatchworkError, match="neither apt-get nor dnf nor yum"):
            run_script(c, c.run, packages._INSTALL_RPM, "x")

    def write(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def test_contains_agrees_with_append_for_a_custom_runner(c: Context) -> None:
    def run(command: str, **options: Any) -> Any:
        return c.run(command, **options)

    append(c, "file", "line", runner=run)
    assert contains(c, "file", "line", exact=True, runner=run)
