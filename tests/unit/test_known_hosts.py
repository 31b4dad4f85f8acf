"""Host keys are known and remembered as ssh does it, in the same files."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from hostsmith.connection.known_hosts import HostKeys, fingerprint, keys
from hostsmith.errors import HostKeyError


def new_key() -> tuple[str, paramiko.PKey]:
    """A new key: as a line of `known_hosts` has it, and as paramiko does."""
    key = paramiko.ECDSAKey.generate()
    return f"{key.get_name()} {key.get_base64()}", key


def meet(name: str, key: paramiko.PKey, path: Path) -> None:
    """What happens when a host shows a key."""
    HostKeys(name, [path], path).missing_host_key(paramiko.SSHClient(), name, key)


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
def test_a_line_is_for_the_hosts_that_ssh_takes_it_for(pattern: str, name: str, known: bool) -> None:
    line, key = new_key()
    assert keys(name, [f"{pattern} {line} a comment"]) == ([key] if known else [])


def test_names_hashed_by_ssh_keygen_are_known(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    lines = dict(new_key() for _ in range(2))
    path.write_text("".join(f"{name} {line}\n" for name, line in zip(("web1", "[web1]:2222"), lines, strict=True)))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "web1" not in path.read_text()
    first, second = lines.values()
    assert keys("web1", path.read_text().splitlines()) == [first]
    assert keys("[web1]:2222", path.read_text().splitlines()) == [second]


def test_lines_that_make_no_sense_are_passed_over() -> None:
    line, key = new_key()
    assert keys(
        "web1", ["", "web1", "web1 ssh-ed25519", "web1 ssh-ed25519 =", "web1 ssh-odd AAAA", f"web1 {line}"]
    ) == [key]


def test_a_host_that_is_changing_its_key_may_show_either(tmp_path: Path) -> None:
    (old_line, old), (new_line, new) = new_key(), new_key()
    path = tmp_path / "known_hosts"
    path.write_text(f"web1 {old_line}\nweb1 {new_line}\n")
    meet("web1", old, path)
    meet("web1", new, path)
    with pytest.raises(paramiko.BadHostKeyException):
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
    assert {name: keys(name, lines) for name in hosts} == {name: [key] for name, key in hosts.items()}
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(
        f"{name}: a new host; its key {fingerprint(key)} is now remembered in ~/.ssh/known_hosts"
        for name, key in hosts.items()
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
    policy = HostKeys("web1", [tmp_path / "known_hosts"], None)
    with pytest.raises(HostKeyError, match="web1: found no key"):
        policy.missing_host_key(paramiko.SSHClient(), "web1", new_key()[1])


def test_a_key_that_cannot_be_remembered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "known_hosts"
    policy = HostKeys("web1", [], path)
    with pytest.raises(HostKeyError, match="cannot remember its key"):
        policy.missing_host_key(paramiko.SSHClient(), "web1", new_key()[1])
