"""Host keys are known and remembered as ssh does it, in the same files."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest
from fabric import Config, Connection
from hostsmith.connection import ssh
from hostsmith.errors import ConnectError, HostKeyError
from hostsmith.openssh import client
from hostsmith.openssh.host import Host, Machine, machines_of
from hostsmith.openssh.host_keys import HostKeys, Rules, fingerprint
from hostsmith.openssh.known_hosts import entries
from hostsmith.settings.fabric_config import ProjectConfig


def new_key() -> tuple[str, paramiko.PKey]:
    """A new key: as a line of `known_hosts` has it, and as paramiko does."""
    key = paramiko.ECDSAKey.generate()
    return f"{key.get_name()} {key.get_base64()}", key


def meet(name: str, key: paramiko.PKey, path: Path, **options: Any) -> None:
    """What happens when a host shows a key."""
    show(key, Rules(name, (path,), path, **options))


def show(key: paramiko.PKey, rules: Rules) -> None:
    HostKeys(rules).missing_host_key(paramiko.SSHClient(), rules.name, key)


def keys(name: str, path: Path, *lines: str) -> list[bytes]:
    """The keys of a host that a file of these lines has."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return [known.blob for known in entries(name, path) if not known.marker]


@pytest.fixture(params=["ssh-keygen", "no ssh-keygen"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the files: OpenSSH's program, and we where there is none."""
    if request.param == "no ssh-keygen":
        monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("pattern", "name", "known"),
    [
        ("web1.example.com", "web1.example.com", True),
        ("web1.example.com", "web2.example.com", False),
        ("Web1.Example.com", "web1.example.COM", True),
        ("web1,203.0.113.7", "203.0.113.7", True),
        ("[web1]:2222", "[web1]:2222", True),
        ("[web1]:2222", "web1", False),
        ("[web1]:2222", "w", False),
        ("*.example.com", "web1.example.com", True),
        ("*.example.com", "web1.example.org", False),
        ("web?", "web1", True),
        ("*.example.com,!web1.example.com", "web1.example.com", False),
        ("*.example.com,!web1.example.com", "web2.example.com", True),
        ("[*.example.com]:2222", "[web1.example.com]:2222", True),
        ("|1|damaged|hash", "web1", False),
        ("# web1", "web1", False),
        ("@revoked web1", "web1", False),
    ],
)
def test_a_line_is_for_the_hosts_that_ssh_takes_it_for(tmp_path: Path, pattern: str, name: str, known: bool) -> None:
    line, key = new_key()
    assert keys(name, tmp_path / "known_hosts", f"{pattern} {line} a comment") == ([key.asbytes()] if known else [])


def test_names_hashed_by_ssh_keygen_are_known(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    lines = dict(new_key() for _ in range(2))
    path.write_text("".join(f"{name} {line}\n" for name, line in zip(("web1", "[web1]:2222"), lines, strict=True)))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "web1" not in path.read_text()
    first, second = lines.values()
    assert keys("web1", path, *path.read_text().splitlines()) == [first.asbytes()]
    assert keys("[web1]:2222", path, *path.read_text().splitlines()) == [second.asbytes()]


@pytest.mark.usefixtures("reader")
def test_lines_that_make_no_sense_are_skipped(tmp_path: Path) -> None:
    line, key = new_key()
    odd = ["", "web1", "web1 ssh-ed25519", "web1 ssh-ed25519 =", f"web1 {line}", "@", "@revoked", "@revoked web1"]
    assert keys("web1", tmp_path / "known_hosts", *odd) == [key.asbytes()]


@pytest.mark.usefixtures("reader")
def test_a_revoked_key_is_refused_wherever_else_it_stands(tmp_path: Path) -> None:
    line, key = new_key()
    path = tmp_path / "known_hosts"
    for content in (f"@revoked * {line}\n", f"web1 {line}\n@revoked web1 {line}\n"):
        path.write_text(content)
        with pytest.raises(HostKeyError, match="revoked"):
            meet("web1", key, path)
        assert path.read_text() == content


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    "text",
    [
        "  @revoked * KEY",
        "\t@revoked * KEY",
        "@revoked   *   KEY",
        " @revoked\t*\tKEY",
        "@revoked * KEY \r",
        "@revoked * KEY # x",
    ],
)
def test_a_revoked_key_is_refused_however_its_line_is_spaced(tmp_path: Path, text: str) -> None:
    line, key = new_key()
    path = tmp_path / "known_hosts"
    separated = line.replace(" ", "\t") if "*\t" in text else line
    path.write_text(f"web1 {line}\n{text.replace('KEY', separated)}\n", newline="")
    with pytest.raises(HostKeyError, match="revoked"):
        meet("web1", key, path)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("text", ["web1 TYPE BLOB!", "web1 ssh-rsa BLOB", "web1 RSA BLOB", "web1 ssh-new BLOB"])
def test_a_line_that_is_no_key_to_ssh_makes_no_host_known(tmp_path: Path, text: str) -> None:
    (kind, blob), key = new_key()[0].split(), paramiko.ECDSAKey.generate()
    assert keys("web1", tmp_path / "known_hosts", text.replace("TYPE", kind).replace("BLOB", blob)) == []
    whole = f"\t web1  {key.get_name()}\t{key.get_base64()} \r"
    assert keys("web1", tmp_path / "known_hosts", whole) == [key.asbytes()]


@pytest.mark.usefixtures("reader")
def test_a_host_on_another_port_is_known_by_its_name_alone_too(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    (line, key), (_, other) = new_key(), new_key()
    strict = {"stricthostkeychecking": "yes", "userknownhostsfile": str(path), "globalknownhostsfile": "none"}
    path.write_text(f"web1 {line}\n")
    show(key, Rules.of("web1", 2222, strict))
    with pytest.raises(HostKeyError, match="its key is not in"):
        show(other, Rules.of("web1", 2222, strict))
    show(other, Rules.of("web1", 2222, {**strict, "stricthostkeychecking": "accept-new"}))
    # With a key for the port, that counts alone; and what is revoked is so on each port.
    with pytest.raises(HostKeyError, match="CHANGED"):
        show(key, Rules.of("web1", 2222, strict))
    path.write_text(f"web1 {line}\n@revoked web1 {line}\n")
    with pytest.raises(HostKeyError, match="revoked"):
        show(key, Rules.of("web1", 2222, strict))
    path.write_text(f"web {line}\n")
    with pytest.raises(HostKeyError, match="its key is not in"):
        show(key, Rules.of("web1", 2222, {**strict, "hostkeyalias": "alias"}))


@pytest.mark.usefixtures("reader")
def test_another_key_that_is_revoked_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@revoked * {new_key()[0]}\n")
    _, key = new_key()
    meet("web1", key, path)
    meet("web1", key, path)


@pytest.mark.usefixtures("reader")
def test_a_host_with_an_authority_is_no_new_host(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    line, key = new_key()
    path.write_text(f"@cert-authority *.example.com {new_key()[0]}\n")
    with pytest.raises(HostKeyError, match="@cert-authority"):
        meet("web1.example.com", key, path)
    path.write_text(f"{path.read_text()}web1.example.com {line}\n")
    meet("web1.example.com", key, path)


def test_a_marker_that_nobody_knows_is_refused_where_there_is_no_openssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "known_hosts").write_text(f"@new-marker web1 {new_key()[0]}\n")
    with pytest.raises(HostKeyError, match="@new-marker"):
        meet("web1", new_key()[1], tmp_path / "known_hosts")


@pytest.mark.parametrize("binary", [False, True])
def test_a_key_in_a_list_of_revoked_ones_is_refused(tmp_path: Path, binary: bool) -> None:
    (line, key), (_, other) = new_key(), new_key()
    revoked = tmp_path / "revoked"
    (tmp_path / "key.pub").write_text(f"{line}\n")
    revoked.write_text(f"{line}\n")
    if binary:
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, tmp_path / "key.pub"], check=True)
    with pytest.raises(HostKeyError, match="revoked"):
        meet("web1", key, tmp_path / "known_hosts", revoked=revoked)
    meet("web1", other, tmp_path / "known_hosts", revoked=revoked)


@pytest.mark.parametrize("text", ["KEY", "\t KEY a comment", "# mine\n\nKEY\r"])
def test_a_key_is_found_in_a_list_of_revoked_ones_as_ssh_finds_it(tmp_path: Path, text: str) -> None:
    (line, key), (_, other) = new_key(), new_key()
    (tmp_path / "revoked").write_text(text.replace("KEY", line), newline="")
    with pytest.raises(HostKeyError, match="is revoked by"):
        meet("web1", key, tmp_path / "known_hosts", revoked=tmp_path / "revoked")
    meet("web1", other, tmp_path / "known_hosts", revoked=tmp_path / "revoked")


@pytest.mark.parametrize(
    "damage", ["nonsense", "ssh-ed25519", "ssh-ed25519 AAAA", "@revoked * KEY", "KEY!", "CUT", "\r"]
)
def test_a_list_of_revoked_keys_with_a_line_that_is_none_lets_no_host_in(tmp_path: Path, damage: str) -> None:
    (line, _), (_, other) = new_key(), new_key()
    (tmp_path / "revoked").write_text(damage.replace("KEY", line).replace("CUT", line[:-8]) + "\n", newline="")
    with pytest.raises(HostKeyError, match=r"revoked, line 1: not a valid public key"):
        meet("web1", other, tmp_path / "known_hosts", revoked=tmp_path / "revoked")


def test_a_host_is_not_said_to_be_remembered_where_nothing_is(capfd: pytest.CaptureFixture[str]) -> None:
    meet("web1", new_key()[1], Path("/dev/null"))
    errors = capfd.readouterr().err
    assert "was not saved" in errors
    assert "was added" not in errors


def test_an_rsa_key_shorter_than_ssh_takes_is_refused(tmp_path: Path) -> None:
    key = paramiko.RSAKey.generate(1024)
    with pytest.raises(HostKeyError, match="1024 bits"):
        meet("web1", key, tmp_path / "known_hosts", smallest_rsa=2048)


@contextlib.contextmanager
def connected() -> Iterator[paramiko.SSHClient]:
    """A client that is connected to 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        yield cast(Any, SimpleNamespace(get_transport=lambda: SimpleNamespace(sock=sock), port=sock.getpeername()[1]))


@pytest.mark.parametrize("checked", [False, True])
def test_the_key_of_the_address_counts_where_ssh_checks_it(tmp_path: Path, checked: bool) -> None:
    (line, key), (other, _) = new_key(), new_key()
    path = tmp_path / "known_hosts"
    with connected() as client:
        path.write_text(f"web1 {line}\n[127.0.0.1]:{cast(Any, client).port} {other}\n")
        policy = HostKeys(Rules("web1", (path,), path, check_address=checked))
        if not checked:
            policy.missing_host_key(client, "web1", key)
            return
        with pytest.raises(HostKeyError, match=r"127\.0\.0\.1.*CHANGED"):
            policy.missing_host_key(client, "web1", key)


def test_a_new_host_is_added_under_a_hash_where_ssh_does_so(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    _, key = new_key()
    meet("Web1", key, path, hashed=True)
    assert path.read_text().startswith("|1|")
    assert path.stat().st_mode & 0o777 == 0o600
    subprocess.run(["ssh-keygen", "-F", "web1", "-f", path], check=True, capture_output=True)
    meet("Web1", key, path, hashed=True)
    assert len(path.read_text().splitlines()) == 1


def test_who_meets_a_host_that_another_run_is_adding_waits_for_that_one_and_adds_nothing(tmp_path: Path) -> None:
    path, (line, key) = tmp_path / "known_hosts", new_key()
    path.touch()
    with path.open("a") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        met = pool.submit(meet, "web1", key, path)
        blocked = re.compile(rf"-> FLOCK .*:{path.stat().st_ino} ")
        deadline = time.monotonic() + 60
        while not blocked.search(Path("/proc/locks").read_text()):
            assert not met.done(), "it did not wait"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        file.write(f"web1 {line}\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)
        met.result(60)
    assert path.read_text() == f"web1 {line}\n"


def test_processes_that_meet_a_host_at_the_same_time_add_one_line(tmp_path: Path) -> None:
    path, (line, _) = tmp_path / "known_hosts", new_key()
    script = """
import sys, paramiko, base64
from pathlib import Path
from hostsmith.openssh.host_keys import HostKeys, Rules
key = paramiko.ECDSAKey(data=base64.b64decode(sys.argv[2]))
policy = HostKeys(Rules("web1", (Path(sys.argv[1]),), Path(sys.argv[1])))
print(flush=True)
sys.stdin.readline()
policy.missing_host_key(None, "web1", key)
"""
    argv = [sys.executable, "-c", script, str(path), line.split()[1]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(argv, stderr=subprocess.DEVNULL, **cast(Any, pipes)) for _ in range(3)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({}, Rules("web1", (Path("/etc/ssh/ssh_known_hosts"),))),
        ({"stricthostkeychecking": "true"}, Rules("web1", (), None)),
        ({"stricthostkeychecking": "accept-new", "userknownhostsfile": "/a b /c"}, Rules("web1", (), Path("/a b"))),
        ({"userknownhostsfile": "none", "stricthostkeychecking": "false"}, Rules("web1", (), Path("/dev/null"))),
        ({"hostkeyalias": "alias", "userknownhostsfile": "/a"}, Rules("alias", (), Path("/a"))),
    ],
)
def test_rules_are_those_of_the_options(options: dict[str, str], rules: Rules) -> None:
    found = Rules.of("web1", 22, options)
    assert found.name == rules.name
    assert set(found.files) >= set(rules.files)
    if options:
        assert found.new_in == rules.new_in


def test_a_port_of_its_own_is_part_of_the_name_but_not_of_an_alias() -> None:
    assert Rules.of("web1", 2222, {}).name == "[web1]:2222"
    assert Rules.of("web1", 2222, {"hostkeyalias": "web"}).name == "web"


@pytest.mark.parametrize(
    "options",
    [{"knownhostscommand": "/bin/keys %H"}, {"userknownhostsfile": "~/%h"}, {"hostkeyalgorithms": "-ssh-rsa"}],
)
def test_what_only_ssh_can_judge_is_refused_in_one_line(options: dict[str, str]) -> None:
    with pytest.raises(HostKeyError) as error:
        Rules.of("web1", 22, options)
    assert "\n" not in str(error.value)


def test_a_name_that_looks_like_an_option_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    touched = tmp_path / "touched"
    c = Connection(f"-oProxyCommand=touch {touched}", user="-x", config=Config())
    with contextlib.suppress(HostKeyError):
        client.options(c)
    assert not touched.exists()


def test_names_of_one_host_with_other_rules_share_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    strict = "Host strict\n  StrictHostKeyChecking yes\n"
    (tmp_path / ".ssh" / "config").write_text(f"{strict}Host *\n  HostName 192.0.2.1\n")
    places = []
    for name in ("strict", "lax", "another"):
        c = Connection(name, user="root", config=Config())
        ssh.secure(c)
        places.append(ssh._place(c))
    assert places[0] != places[1] == places[2]


def test_a_host_is_known_by_the_name_that_ssh_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "more").write_text("Host vps\n  HostName 192.0.2.1\n")
    (tmp_path / ".ssh" / "config").write_text(f"Include {tmp_path}/more\n")
    c = Connection("vps", config=Config())
    ssh.secure(c)
    assert c.host == "192.0.2.1"
    assert ssh._place(c)[-1].name == "192.0.2.1"


NAMES = "Host web3\n  HostName 192.0.2.3\nHost bastion\n  HostName 192.0.2.1\n"
INCLUDED = f"""{NAMES}Match originalhost web3
  Port 2222
  User deploy
  ProxyJump me@bastion:2200
  IdentityFile "~/.ssh/web3 key"
Match originalhost by-address
  ProxyJump 192.0.2.1:2200,root@[2001:db8::1]
Match originalhost by-command
  ProxyCommand nc -X 5 %h %p
"""


@pytest.fixture(params=["Include more", "Match final"])
def half_read(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose SSH configuration ssh alone reads as a whole."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "more").write_text(INCLUDED)
    text = f"Include {folder}/more\n"
    if request.param == "Match final":
        # ssh looks for addresses before it reads it all once more.
        text = f"{NAMES}Match final\n  Include {folder}/more\n"
    (folder / "config").write_text(text)
    return tmp_path


def test_a_host_is_reached_where_and_as_ssh_reaches_it(half_read: Path) -> None:
    c = Connection("web3", config=ProjectConfig().clone())
    assert (c.user, c.host, c.port) == ("deploy", "192.0.2.3", 2222)
    assert (c.gateway.user, c.gateway.host, c.gateway.port) == ("me", "192.0.2.1", 2200)
    assert c.connect_kwargs["key_filename"] == [f"{half_read}/.ssh/web3 key"]
    ssh.secure(c)
    command = Connection("by-command", config=ProjectConfig())
    assert command.gateway == "nc -X 5 by-command 22"
    jumped = Connection("by-address", config=ProjectConfig())
    ssh.secure(jumped)
    assert (jumped.gateway.host, jumped.gateway.gateway) == ("2001:db8::1", Connection("192.0.2.1", port=2200))
    assert machines_of(ProjectConfig())(Host("web3")) == Machine("192.0.2.3", 2222, "me@bastion:2200")


@pytest.mark.usefixtures("half_read")
def test_what_is_said_of_a_host_counts_more_than_its_ssh_configuration() -> None:
    config = ProjectConfig(overrides={"user": "somebody", "connect_kwargs": {"key_filename": ["/mine"]}})
    other = Connection("bastion", config=config.clone())
    me = getpass.getuser()
    c = Connection(f"{me}@web3:22", config=config.clone(), gateway=other)
    ssh.secure(c)
    assert (c.user, c.host, c.port, c.gateway, other.user) == (me, "192.0.2.3", 22, other, "somebody")
    assert c.connect_kwargs["key_filename"][0] == "/mine"


@pytest.mark.usefixtures("half_read")
def test_a_program_that_has_not_asked_ssh_for_the_way_goes_no_other(tmp_path: Path) -> None:
    for said, missing in (({}, "port 2222"), ({"port": 2222}, "user deploy"), ({"port": 2222, "user": "x"}, "proxyj")):
        with pytest.raises(ConnectError, match=f"found {missing}"):
            ssh.secure(Connection("web3", config=Config(), **cast(Any, said)))
    ssh.secure(Connection("web3", port=2222, user="x", gateway=Connection("bastion"), config=Config()))
    ssh.secure(Connection("bastion", config=Config()))


def test_a_comment_after_a_value_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host web3\n  HostName 192.0.2.3 # the third\n  Port 2222\t# not 22\n")
    c = Connection("web3", config=ProjectConfig(runtime_ssh_path=str(tmp_path / "config")))
    assert (c.host, c.port) == ("192.0.2.3", 2222)


def test_ssh_is_not_asked_for_the_way_where_paramiko_reads_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "config").write_text("Include nothing/*.conf\nHost web3\n  Port 2222\n")
    assert Connection("web3", config=ProjectConfig(runtime_ssh_path=str(tmp_path / "config"))).port == 2222


def test_the_options_come_from_the_file_that_fabric_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host web1\n  HostKeyAlias by-home\n")
    (tmp_path / "given").write_text("Host web1\n  HostKeyAlias by-file\n")
    made = paramiko.SSHConfig.from_text("Host web1\n  HostKeyAlias by-hand\n")
    configs = {
        "by-home": Config(),
        "by-file": Config(runtime_ssh_path=str(tmp_path / "given")),
        "by-hand": Config(ssh_config=made),
        None: Config(overrides={"load_ssh_configs": False}),
    }
    for alias, config in configs.items():
        # As Fabric's program does for each task.
        found = client.options(Connection("web1", config=config.clone()))
        assert found.get("hostkeyalias") == alias


def test_a_configuration_that_fabric_has_read_twice_is_of_the_files_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("Host web1\n  HostKeyAlias one\n")
    config = Config(runtime_ssh_path=str(tmp_path / "config"))
    first = client.options(Connection("web1", config=config))
    # As for the second task of a command line.
    config.load_ssh_config()
    assert client.options(Connection("web1", config=config)) == first
    assert first["hostkeyalias"] == "one"
    assert "hostkeyalgorithms" in first


def test_a_host_that_is_changing_its_key_may_show_either(tmp_path: Path) -> None:
    (old_line, old), (new_line, new) = new_key(), new_key()
    path = tmp_path / "known_hosts"
    path.write_text(f"web1 {old_line}\nweb1 {new_line}\n")
    meet("web1", old, path)
    meet("web1", new, path)
    with pytest.raises(HostKeyError, match="CHANGED"):
        meet("web1", new_key()[1], path)


def test_hosts_that_are_met_at_the_same_time_are_all_remembered_in_whole_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".ssh" / "known_hosts"
    hosts = {f"web{number}": new_key()[1] for number in range(50)}
    with ThreadPoolExecutor(len(hosts)) as threads:
        list(threads.map(lambda name: meet(name, hosts[name], path), hosts))
    lines = path.read_text().splitlines()
    assert len(lines) == len(hosts)
    assert {line.split()[0]: line.split()[2] for line in lines} == {
        name: key.get_base64() for name, key in hosts.items()
    }
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(
        f"{name}: new host; its key {fingerprint(key)} was added to {path}" for name, key in hosts.items()
    )


def test_a_host_that_another_thread_has_met_in_the_meantime_is_checked_and_not_remembered_twice(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    _, key = new_key()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: meet("web1", key, path), range(8)))
    assert len(path.read_text().splitlines()) == 1


def test_a_file_that_cannot_be_read_is_an_error_and_no_empty_file(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="cannot be read"):
        meet("web1", new_key()[1], tmp_path)


def test_a_host_that_nobody_may_add_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    with pytest.raises(HostKeyError, match="web1: its key is not in"):
        show(new_key()[1], Rules("web1", (tmp_path / "known_hosts",)))


def test_a_key_that_cannot_be_remembered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "known_hosts"
    with pytest.raises(HostKeyError, match="cannot add its key"):
        show(new_key()[1], Rules("web1", (), path))
