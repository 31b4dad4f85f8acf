"""patchwork's helpers over real SSH, as root, as a user with sudo, and as one whose sudo wants a password."""

from __future__ import annotations

import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fabric import Config, Connection
from hostsmith.errors import HostKeyError, PatchworkError
from hostsmith.patchwork.environment import have_program
from hostsmith.patchwork.files import append, contains, directory, exists
from hostsmith.patchwork.info import distro_family, distro_name
from hostsmith.patchwork.packages import package, rubygem
from hostsmith.patchwork.transfers import rsync, rsync_get
from hostsmith.patchwork.util import set_runner
from invoke.runners import Local
from paramiko.config import SSHConfig

from tests.hosts.conftest import Vps

PASSWORD = "it's a s3cret"

NAMES = ["plain", "with space", "it's", 'say "hi"', "two\nlines", "$(touch injected)", "a; b", "ümläut", "-rf", "x*y"]

_USERS = """\
set -e
useradd --create-home --shell /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev
useradd --create-home --shell /bin/sh ops
printf '%s\\n' "ops:$1" | chpasswd
echo 'ops ALL=(ALL) ALL' > /etc/sudoers.d/ops
for user in dev ops; do
    install -d -o $user -m 700 /home/$user/.ssh
    install -o $user -m 600 /root/.ssh/authorized_keys /home/$user/.ssh/
done
"""


class _ClosingLocal(Local):
    """Invoke leaves the pipes of a finished command to the garbage collector, which warns."""

    def stop(self) -> None:
        super().stop()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def vps(boot: Callable[..., Vps]) -> Iterator[Vps]:
    """A host with rsync and the users dev (sudo without a password) and ops (with one)."""
    vps = boot()
    vps.run(f"sh -c {shlex.quote(_USERS)} sh {shlex.quote(PASSWORD)}")
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture(scope="module")
def connect(vps: Vps) -> Iterator[Callable[..., Connection]]:
    """Makes connections to the host as somebody; by its address, as to any other server."""
    made: list[Connection] = []

    def connect(
        user: str, host: str = vps.address, known_hosts: Path | str = vps.target.known_hosts, **more: Any
    ) -> Any:
        text = f"Host *\n  UserKnownHostsFile {known_hosts}\n"
        run = {"in_stream": False, **more.pop("run", {})}
        overrides = {"run": run, "runners": {"local": _ClosingLocal}, **more.pop("overrides", {})}
        config = Config(overrides=overrides, ssh_config=SSHConfig.from_text(text))
        key = {"key_filename": vps.target.key_filename, "look_for_keys": False, "allow_agent": False}
        c = Connection(host, user=user, config=config, connect_kwargs=key, **more)
        c.client.load_system_host_keys(str(known_hosts).strip('"'))
        made.append(c)
        return c

    yield connect
    for c in made:
        c.close()


@pytest.fixture(scope="module")
def connection(connect: Callable[..., Connection]) -> Connection:
    return connect("root")


@pytest.fixture(scope="module")
def user_connection(connect: Callable[..., Connection]) -> Connection:
    return connect("dev")


@pytest.fixture(params=["root", "dev", "ops"])
def anyone(request: pytest.FixtureRequest, connect: Callable[..., Connection]) -> Connection:
    """Each of the users, who all may do everything by sudo."""
    return connect(request.param, overrides={"sudo": {"password": PASSWORD}})


@pytest.fixture
def place(vps: Vps) -> Iterator[str]:
    """A folder on the host that only root may enter."""
    path = vps.run("d=$(mktemp -d) && chmod 700 $d && echo $d").strip()
    yield path
    vps.run(f"rm -rf {path}")


class TestFiles:
    @pytest.mark.parametrize("name", NAMES)
    def test_everybody_with_sudo_works_on_roots_files(
        self, vps: Vps, place: str, anyone: Connection, name: str
    ) -> None:
        path = f"{place}/{name}/{name}"
        assert not exists(anyone, path, sudo=True)
        directory(anyone, path, user="www-data", group="adm", mode="2750", sudo=True)
        assert exists(anyone, path, sudo=True)
        for _ in range(2):
            append(anyone, f"{path}/file", [name, "it's $HOME\\n"], sudo=True)
        assert contains(anyone, f"{path}/file", name, exact=True, sudo=True)
        assert not contains(anyone, f"{path}/file", "other", sudo=True)
        found = vps.run(f"stat -c '%U %G %a' {shlex.quote(path)}; cat {shlex.quote(path)}/file")
        assert found == f"www-data adm 2750\n{name}\nit's $HOME\\n\n"
        assert vps.run("ls -A /root/injected /home/*/injected 2>/dev/null || true") == ""

    def test_without_sudo_a_user_has_only_their_own_rights(self, place: str, user_connection: Connection) -> None:
        c = user_connection
        assert not exists(c, f"{place}/.")
        with pytest.raises(PatchworkError, match=rf"creating the directory .* on {c.host} .*Permission denied"):
            directory(c, f"{place}/new")
        with pytest.raises(PatchworkError, match="Permission denied"):
            append(c, "/etc/hosts", "192.0.2.1 nowhere")
        with pytest.raises(PatchworkError, match="Permission denied"):
            contains(c, "/etc/shadow", "root")

    def test_sudo_works_within_cd_and_prefix(self, vps: Vps, place: str, user_connection: Connection) -> None:
        c = user_connection
        vps.run(f"mkdir '{place}/my app'")
        with c.cd(place), c.cd("my app"), c.prefix("source /etc/profile"):
            append(c, "file", "line", sudo=True)
            assert contains(c, "file", "line", sudo=True)
            assert exists(c, "file", runner=c.sudo)
            assert not exists(c, "other", runner_method="sudo")
        assert vps.run(f"cat '{place}/my app/file'") == "line\n"

    def test_a_function_of_ones_own_has_sudo_within_cd(self, place: str, user_connection: Connection) -> None:
        @set_runner
        def where(c: Connection, runner: Callable[..., Any]) -> str:
            return str(runner("pwd; id -un", hide=True).stdout)

        with user_connection.cd(place):
            assert where(user_connection, sudo=True).split() == [place, "root"]

    def test_the_home_is_that_of_who_is_logged_in(self, vps: Vps, user_connection: Connection) -> None:
        directory(user_connection, "~/by sudo", sudo=True)
        append(user_connection, "$HOME/by sudo/file", "line", sudo=True)
        assert vps.run("cat '/home/dev/by sudo/file'") == "line\n"
        assert exists(user_connection, "~root")
        assert not exists(user_connection, "~root/.ssh/authorized_keys")

    def test_another_user_by_sudo(self, user_connection: Connection, vps: Vps) -> None:
        def as_ops(command: str, **options: Any) -> Any:
            return user_connection.sudo(command, user="ops", **options)

        append(user_connection, "/home/ops/file", "line", runner=as_ops)
        assert vps.run("stat -c %U /home/ops/file") == "ops\n"

    def test_under_a_pty(self, vps: Vps, place: str, connect: Callable[..., Connection]) -> None:
        c = connect("ops", run={"pty": True}, overrides={"sudo": {"password": PASSWORD}})
        append(c, f"{place}/file", "line", sudo=True)
        assert contains(c, f"{place}/file", "line", sudo=True)
        assert not exists(c, f"{place}/other", sudo=True)
        assert distro_family(c) == "debian"
        with pytest.raises(PatchworkError, match="File exists"):
            directory(c, f"{place}/file", sudo=True)

    @pytest.mark.parametrize(("password", "message"), [(None, "none is configured"), ("wrong", "does not accept")])
    def test_sudo_that_refuses_is_an_error_not_a_no(
        self, connect: Callable[..., Connection], password: str | None, message: str
    ) -> None:
        c = connect("ops", overrides={"sudo": {"password": password}})
        with pytest.raises(PatchworkError, match=rf"{message}.*--prompt-for-sudo-password"):
            exists(c, "/etc", sudo=True)

    def test_root_needs_no_sudo_program(self, vps: Vps, place: str, connection: Connection) -> None:
        vps.run("mv /usr/bin/sudo /usr/bin/sudo.away")
        try:
            append(connection, f"{place}/file", "line", sudo=True)
            assert contains(connection, f"{place}/file", "line", sudo=True)
        finally:
            vps.run("mv /usr/bin/sudo.away /usr/bin/sudo")

    def test_a_full_disk_leaves_the_file_as_it_was(self, vps: Vps, place: str, connection: Connection) -> None:
        vps.run(
            f"mount -t tmpfs -o size=16k none {place} && echo old > {place}/file && head -c 12k /dev/zero > {place}/z"
        )
        try:
            with pytest.raises(PatchworkError, match="No space left"):
                append(connection, f"{place}/file", ["x" * 4000] + ["y" * 4000])
            assert vps.run(f"cat {place}/file") == "old\n"
        finally:
            vps.run(f"umount {place}")

    def test_append_costs_one_command(self, vps: Vps, place: str, connection: Connection) -> None:
        vps.run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/log.conf && systemctl restart ssh")
        connection.close()
        before = vps.sessions()  # and its own one, which is logged before it counts
        append(connection, f"{place}/file", ["a", "b", "c"])
        assert vps.sessions() - before == 2


def test_programs_are_found(user_connection: Connection) -> None:
    assert have_program(user_connection, "sh").stdout.strip() in ("/bin/sh", "/usr/bin/sh")
    assert not have_program(user_connection, "no-such-program")


def test_the_distribution_is_known(user_connection: Connection) -> None:
    assert (distro_name(user_connection), distro_family(user_connection)) == ("debian", "debian")


class TestPackages:
    def test_packages_are_installed_once_and_then_left_alone(self, vps: Vps, anyone: Connection) -> None:
        package(anyone, "tree dos2unix", "bash")
        assert vps.run("tree --version && dos2unix --version")
        before = vps.run("cat /var/log/apt/history.log")
        vps.run("chmod -x /usr/bin/apt-get")
        try:
            package(anyone, "tree", "dos2unix:amd64" if "amd64" in vps.run("dpkg --print-architecture") else "tree")
        finally:
            vps.run("chmod +x /usr/bin/apt-get")
        assert vps.run("cat /var/log/apt/history.log") == before
        vps.run("apt-get purge -y tree dos2unix")

    def test_lists_that_were_never_fetched_are_fetched(self, vps: Vps, user_connection: Connection) -> None:
        vps.run("rm -rf /var/lib/apt/lists/*")
        package(user_connection, "tree")
        assert have_program(user_connection, "tree")

    def test_an_unknown_package_is_an_error_with_apts_words(self, user_connection: Connection) -> None:
        with pytest.raises(PatchworkError, match=r"(?s)installing no-such-package-1 .*Unable to locate package"):
            package(user_connection, "no-such-package-1")

    def test_a_gem_is_installed_without_documentation(self, vps: Vps, user_connection: Connection) -> None:
        package(user_connection, "ruby")
        spec = "Gem::Specification.new { |s| s.name='hi'; s.version='1.0'; s.summary=s.author='x'; s.files=[] }"
        vps.run(f'mkdir /tmp/gem && cd /tmp/gem && echo "{spec}" > hi.gemspec && gem build hi.gemspec')
        rubygem(user_connection, "/tmp/gem/hi-1.0.gem --local")
        assert vps.run("gem list --local '^hi$'") == "hi (1.0)\n"
        with pytest.raises(PatchworkError, match="(?s)installing the gem /tmp/no-such.gem .*valid gem"):
            rubygem(user_connection, "/tmp/no-such.gem --local")


@pytest.fixture(scope="module")
def rsync_installed(connection: Connection) -> None:
    """rsync on the host, after a copy that told that it was missing."""
    with pytest.raises(PatchworkError, match=r"has no program 'rsync': .*package\(c, 'rsync'\)"):
        rsync(connection, __file__, "/tmp/", hide=True)
    package(connection, "rsync")


@pytest.mark.usefixtures("rsync_installed")
class TestRsync:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_name_arrives_and_comes_back(
        self, vps: Vps, user_connection: Connection, tmp_path: Path, name: str
    ) -> None:
        source = tmp_path / name
        source.mkdir()
        (source / "file").write_text(name)
        (source / "file").chmod(0o640)
        rsync(user_connection, f"{source}/", f"~/{name}", hide=True)
        path = shlex.quote(f"/home/dev/{name}/file")
        assert vps.run(f"cat {path}; stat -c ' %U %a' {path}") == f"{name} dev 640\n"
        rsync_get(user_connection, f"/home/dev/{name}/file", tmp_path / "back", hide=True)
        assert (tmp_path / "back").read_text() == name
        assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == 0o640

    def test_delete_spares_what_is_excluded(self, vps: Vps, user_connection: Connection, tmp_path: Path) -> None:
        (tmp_path / "new").touch()
        (tmp_path / "my log").touch()
        vps.run("install -d -o dev /home/dev/app && cd /home/dev/app && touch old kept.pyc && chown dev *")
        c = user_connection
        rsync(c, f"{tmp_path}/", "/home/dev/app", exclude=["*.pyc", "my log"], delete=True, hide=True)
        assert vps.run("ls /home/dev/app").split() == ["kept.pyc", "new"]

    def test_rsync_by_sudo_on_the_other_side(
        self, vps: Vps, place: str, user_connection: Connection, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("content\n")
        rsync(user_connection, tmp_path / "file", f"{place}/my file", rsync_opts="--rsync-path='sudo rsync'", hide=True)
        assert vps.run(f"cat '{place}/my file'") == "content\n"

    def test_an_unknown_host_is_remembered_and_a_changed_key_refused(
        self, vps: Vps, connect: Callable[..., Connection], tmp_path: Path
    ) -> None:
        known_hosts = tmp_path / "known hosts"
        known_hosts.touch()
        c = connect("dev", host="vps.example.org", known_hosts=f'"{known_hosts}"')
        c.host = vps.address
        (tmp_path / "file").touch()
        rsync(c, tmp_path / "file", "one", hide=True)
        subprocess.run(["ssh-keygen", "-F", vps.address, "-f", known_hosts], check=True, capture_output=True)
        vps.run("ssh-keygen -q -t ed25519 -N '' -f /tmp/other")
        key = vps.run("cat /tmp/other.pub")
        known_hosts.write_text(f"{vps.address} {key}")
        with pytest.raises(HostKeyError, match=rf"{vps.address} does not show the host key"):
            rsync(c, tmp_path / "file", "two", hide=True)
        assert not exists(connect("dev"), "two")
        rsync(c, tmp_path / "file", "three", hide=True, strict_host_keys=False)
        assert exists(connect("dev"), "three")

    def test_through_a_gateway(self, vps: Vps, connect: Callable[..., Connection], tmp_path: Path) -> None:
        # Through itself, by an address that only it can reach.
        known = tmp_path / "known"
        keys = Path(vps.target.known_hosts).read_text()
        mine = next(line for line in keys.splitlines() if vps.address in line)
        known.write_text(keys + "127.0.0.2 " + mine.split(" ", 1)[1] + "\n")
        gate = connect("ops", known_hosts=known)
        c = connect("dev", host="127.0.0.2", known_hosts=known, gateway=gate)
        (tmp_path / "file").write_text("through\n")
        rsync(c, tmp_path / "file", "through", hide=True)
        assert vps.run("cat /home/dev/through") == "through\n"
        assert contains(c, "through", "through", exact=True)

    def test_a_user_who_may_not_log_in_is_an_error(self, connect: Callable[..., Connection], tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(PatchworkError, match="(?s)rsync with .* failed .*Permission denied"):
            rsync(connect("nobody"), tmp_path / "file", "x", hide=True)
