"""Resources that only a real host has: each changed, found unchanged, changed again, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fabric import Config, Connection
from hostsmith import (
    Group,
    Package,
    Program,
    Reload,
    Report,
    Resource,
    Restart,
    Secret,
    Service,
    Template,
    User,
    Validated,
    converge,
)
from hostsmith.errors import ConvergeError, SettingsError, UsageError

from tests.hosts.conftest import Vps

KEYS = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAipXATBTmsNTGDrdIRBKNALtoHSidLULZaJBSFQ2+of one", "ssh-rsa AAAA two")


@pytest.fixture(scope="module")
def vps(boot: Callable[..., Vps], provisioned_image: str) -> Iterator[Vps]:
    machine = boot(provisioned_image)
    yield machine
    machine.sandbox.destroy(machine.name)


@pytest.fixture
def c(vps: Vps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection such as a project's own task gets, in a project folder of its own."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh" / "known_hosts").write_text(Path(vps.target.known_hosts).read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    connection = Connection(
        vps.address, user="root", config=Config(), connect_kwargs={"key_filename": vps.target.key_filename}
    )
    yield connection
    connection.close()


def changes(c: Connection, *resources: Resource) -> list[str]:
    """What a run changed, in its own words."""
    return [result.summary for result in converge(c, resources).changed]


def refused(c: Connection, *resources: Resource) -> None:
    """Converge resources in a group that does not hold."""
    with pytest.raises(ConvergeError):
        converge(c, [Validated("a group that does not hold", resources, validate=["false"])])


def test_user(c: Connection, vps: Vps) -> None:
    user = User("anna", groups=("adm",), authorized_keys=KEYS[:1], shell="/bin/sh")
    refused(c, user)
    assert not vps.infra.user("anna").exists

    assert changes(c, user) == ["created"]
    found = vps.infra.user("anna")
    assert (found.home, found.shell) == ("/home/anna", "/bin/sh")
    assert set(found.groups) == {"anna", "adm"}
    keys = vps.infra.file("/home/anna/.ssh/authorized_keys")
    assert (keys.mode, keys.user, keys.content_string) == (0o600, "anna", f"{KEYS[0]}\n")
    assert vps.infra.file("/home/anna/.ssh").mode == 0o700
    assert changes(c, user) == []

    other = User("anna", groups=("www-data",), authorized_keys=KEYS, shell="/bin/bash")
    before = vps.run("id anna; getent passwd anna; cat /home/anna/.ssh/authorized_keys")
    refused(c, other)
    assert vps.run("id anna; getent passwd anna; cat /home/anna/.ssh/authorized_keys") == before
    assert changes(c, other) == ["shell /bin/sh -> /bin/bash, groups + www-data, authorized keys"]
    # Groups that were given by somebody else are left alone.
    assert set(vps.infra.user("anna").groups) == {"anna", "adm", "www-data"}
    assert changes(c, other) == []


def test_group(c: Connection, vps: Vps) -> None:
    refused(c, Group("crew"))
    assert not vps.infra.group("crew").exists
    assert changes(c, Group("crew")) == ["created"]
    assert changes(c, Group("crew")) == []


def test_package(c: Connection, vps: Vps) -> None:
    assert changes(c, Package("nginx", "hello", "figlet")) == ["installed hello, figlet"]
    assert vps.infra.package("figlet").is_installed
    assert changes(c, Package("nginx", "hello", "figlet")) == []
    # A virtual package counts as installed when one that provides it is.
    assert changes(c, Package("httpd")) == []
    vps.run("apt-get -qq -y remove figlet")
    assert changes(c, Package("hello", "figlet")) == ["installed figlet"]
    with pytest.raises(ConvergeError, match="no-such-package"):
        converge(c, [Package("no-such-package")])


def test_package_lists_are_fetched_only_when_something_is_missing_and_they_are_old(c: Connection, vps: Vps) -> None:
    stamp = "stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial"
    converge(c, [Package("hello")])
    vps.run("touch -d '3 days ago' /var/lib/apt/lists /var/lib/apt/lists/partial")
    old = vps.run(stamp)
    converge(c, [Package("hello")])
    assert vps.run(stamp) == old
    vps.run("apt-get -qq -y remove hello")
    converge(c, [Package("hello", max_age=7 * 86400)])
    assert vps.run(stamp) == old
    vps.run("apt-get -qq -y remove hello")
    converge(c, [Package("hello")])
    assert vps.run(stamp) != old


def test_service(c: Connection, vps: Vps) -> None:
    service = vps.infra.service("nginx")
    assert changes(c, Service("nginx")) == []
    refused(c, Service("nginx", running=False, enabled=False))
    assert service.is_running
    assert service.is_enabled
    assert changes(c, Service("nginx", running=False, enabled=False)) == ["disabled, stopped"]
    assert not service.is_running
    assert not service.is_enabled
    assert changes(c, Service("nginx", running=False, enabled=False)) == []
    assert changes(c, Service("nginx")) == ["enabled, started"]


def test_a_service_that_does_not_start_says_why(c: Connection, vps: Vps) -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the flux is low; exit 3'\n"
    unit += "[Install]\nWantedBy=default.target\n"
    vps.run("cat > /etc/systemd/system/flux.service", stdin=unit)
    with pytest.raises(ConvergeError, match="the flux is low"):
        converge(c, [Service("flux")])


def test_program(c: Connection, vps: Vps) -> None:
    program = Program("beat", "/bin/sh -c 'echo \"$WORD 100%\"; exec sleep 600'", environment={"WORD": "50% off"})
    refused(c, program)
    assert vps.run("supervisorctl status || true") == ""
    assert not vps.infra.file("/etc/supervisor/conf.d/beat.conf").exists

    assert changes(c, program) == ["created"]
    assert changes(c, program) == []
    other = Program("other", "sleep 600")
    assert changes(c, other) == ["created"]
    pid = vps.run("supervisorctl pid other")

    changed = Program("beat", "sleep 700", user="www-data")
    before = vps.run("cat /etc/supervisor/conf.d/beat.conf")
    refused(c, changed)
    assert vps.run("cat /etc/supervisor/conf.d/beat.conf") == before
    # The old one runs again, as the user that it had.
    assert vps.run("ps -o user=,args= -p $(supervisorctl pid beat)").split() == ["root", "sleep", "600"]
    assert changes(c, changed) == ["content changed"]
    assert vps.run("ps -o user= -p $(supervisorctl pid beat)").strip() == "www-data"
    vps.run("supervisorctl stop beat")
    assert changes(c, changed) == ["started"]
    # Nobody else was restarted by any of it.
    assert vps.run("supervisorctl pid other") == pid


def test_handlers(c: Connection, vps: Vps, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "x.j2").write_text("# {{ word }} on {{ host }}\n")

    def site(word: str, *notify: Reload | Restart) -> Template:
        return Template("/etc/nginx/conf.d/x.conf", "x.j2", {"word": word}, notify=notify)

    def master() -> str:
        return vps.run("systemctl show -p MainPID nginx")

    def ran(report: Report) -> list[str]:
        return [result.resource for result in report.results if result.state == "ran"]

    converge(c, [Service("nginx")])
    before = master()
    # One handler for two changes, and none for no change.
    twice = [site("one", Reload("nginx")), User("someone", system=True, notify=Reload("nginx"))]
    assert ran(converge(c, twice)) == ["reload nginx"]
    assert ran(converge(c, twice)) == []
    assert master() == before
    assert ran(converge(c, [site("two", Restart("nginx"))])) == ["restart nginx"]
    assert master() != before


def test_secrets_are_in_nothing_that_is_printed(c: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    from hostsmith import File

    word = "correct-horse-battery"
    resources = [
        File("/root/secret", Secret(f"KEY={word}\n"), mode=0o600),
        Program("s", "sleep 9", environment={"K": word}),
    ]
    reports = [converge(c, resources, dry_run=True), converge(c, resources)]
    printed = capsys.readouterr()
    assert word not in printed.out + printed.err + "".join(str(report.to_json()) for report in reports)


def test_what_cannot_be_sent_is_said_before_anything_is_done(c: Connection) -> None:
    with pytest.raises(SettingsError, match=r"template 'missing.j2'"):
        converge(c, [Group("never"), Template("/x", "missing.j2")])
    with pytest.raises(UsageError, match="-H user@host"):
        from invoke import Context

        converge(Context(), [Group("never")])
    assert changes(c, Group("never")) == ["created"]
