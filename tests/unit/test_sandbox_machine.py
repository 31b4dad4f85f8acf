"""Processes are recognised for sure, and disks are written as the host will see them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox import Sandbox, disk, process, tools
from hostsmith.sandbox.inherit import HostFile
from hostsmith.sandbox.keys import new_key
from hostsmith.sandbox.machine import NspawnMachine
from hostsmith.sandbox.process import parse_stat

BOOT = Path("/proc/sys/kernel/random/boot_id")


def record(path: Path, boot: str, stat: str) -> Path:
    path.write_text(f"{boot.strip()}\n{stat.strip()}\n")
    return path


def test_a_running_process_is_recognised_and_a_dead_one_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        stat = Path(f"/proc/{sleeper.pid}/stat").read_text()
        path = record(tmp_path / "process", BOOT.read_text(), stat)
        found = process.running(path)
        assert found is not None and found.pid == sleeper.pid
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, a zombie yet
        assert process.running(path) is None
    assert process.running(path) is None


def test_a_record_of_an_earlier_boot_or_an_earlier_process_is_no_process(tmp_path: Path) -> None:
    stat = Path(f"/proc/{os.getpid()}/stat").read_text()
    assert process.running(record(tmp_path / "now", BOOT.read_text(), stat)) is not None
    assert process.running(record(tmp_path / "boot", "another-boot", stat)) is None
    fields = stat.split()
    fields[21] = str(int(fields[21]) - 1)
    assert process.running(record(tmp_path / "older", BOOT.read_text(), " ".join(fields))) is None


@pytest.mark.parametrize("content", ["", "x", "boot\n", "boot\nnot a stat line\n"])
def test_a_damaged_record_is_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "process").write_text(content)
    assert process.running(tmp_path / "process") is None


def test_a_process_name_may_hold_anything() -> None:
    rest = " ".join(str(number) for number in range(2, 40))
    found = parse_stat(f"7 (a) S (b c) Z 1 {rest}")
    assert (found.name, found.status, found.parent, found.started) == ("a) S (b c", "Z", 1, "19")


def test_the_console_is_shown_without_colours(tmp_path: Path) -> None:
    machine = NspawnMachine("0123abcd-2", tmp_path, tmp_path / "process", "sandbox-1")
    assert machine.last_words() == "  (nothing)"
    machine.console.write_bytes(b"\x1b[0;1;31mFailed\x1b[0m to start\r\n\n\xff\n" + b"line\n" * 30)
    assert machine.last_words(lines=32).startswith("  Failed to start\n  \ufffd\n  line\n")
    assert machine.last_words(lines=2) == "  line\n  line"


def test_folders_on_a_disk_keep_the_mode_they_have_below(tmp_path: Path) -> None:
    upper, layer, base = tmp_path / "upper", tmp_path / "layer", tmp_path / "base"
    (layer / "srv").mkdir(parents=True, mode=0o755)
    (base / "srv/private").mkdir(parents=True)
    (base / "srv/private").chmod(0o710)
    before = os.umask(0o077)
    try:
        disk.new(upper)
        files = [HostFile("/srv/private/a", b"1"), HostFile("/root/.ssh/authorized_keys", b"2", 0o600)]
        disk.put(upper, [layer, base], files)
    finally:
        os.umask(before)
    modes = {str(path.relative_to(upper)): path.stat().st_mode & 0o777 for path in upper.rglob("*")}
    assert upper.stat().st_mode & 0o777 == 0o755
    assert modes == {
        "srv": 0o755,
        "srv/private": 0o710,
        "srv/private/a": 0o644,
        "root": 0o755,
        "root/.ssh": 0o700,
        "root/.ssh/authorized_keys": 0o600,
    }


def test_a_host_s_own_resolv_conf_link_is_let_alone(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").symlink_to("/run/elsewhere")
    disk.refresh_resolv_conf(tmp_path)
    assert (tmp_path / "etc/resolv.conf").is_symlink()


def test_keys_are_what_openssh_and_paramiko_read(tmp_path: Path) -> None:
    import paramiko

    key = new_key("web")
    (tmp_path / "key").write_bytes(key.private)
    kind, public, comment = key.public.split()
    loaded = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "key"))
    assert (loaded.get_name(), loaded.get_base64(), comment) == (kind, public, "web")


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(tools, "_PATH", str(tmp_path))
    with pytest.raises(SandboxError) as caught:
        tools.require_machine()
    assert "debootstrap, systemd-nspawn, nft, ip" in str(caught.value)
    assert "apt-get install debootstrap systemd-container nftables iproute2" in str(caught.value)
    assert "fab -H user@server provision deploy" in str(caught.value)


@pytest.mark.parametrize("method", ["up", "destroy"])
def test_not_root_or_not_linux_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="need root; this is uid 1000. Run it with sudo, or deploy to a real"):
        getattr(Sandbox(tmp_path), method)()
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxError, match="need Linux; this is darwin"):
        getattr(Sandbox(tmp_path), method)()


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(SandboxError, match="listing: ls failed:\n  ls: .*no-such-file"):
        tools.call(["ls", "/no-such-file"], what="listing")
    with pytest.raises(SandboxError, match="looking: cannot run no-such-program: No such file"):
        tools.call(["no-such-program"], what="looking")
