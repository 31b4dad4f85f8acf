"""The sandbox on this very machine: real hosts, real crashes, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox import Sandbox, SshTarget, abandoned, lookup, machine
from hostsmith.sandbox.store import Store

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="booting hosts takes root on Linux"
)

FAB = Path(sys.executable).with_name("fab")


# What every document of a task that went well has.
ENVELOPE = {"format": 1, "ok": True, "error": None}


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def ssh(target: SshTarget, command: str, *, ok: bool = True) -> str:
    """Run a command by OpenSSH, which must know the host's key already and may ask nothing."""
    options = ["-oBatchMode=yes", "-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={target.known_hosts}"]
    options += ["-oGlobalKnownHostsFile=/dev/null", "-oConnectTimeout=5", "-oLogLevel=ERROR"]
    done = run("ssh", *options, "-i", target.key_filename, f"{target.user}@{target.address}", command)
    assert done.returncode == 0 or not ok, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def reach(sandbox: Sandbox, name: str = "sandbox-1") -> SshTarget:
    target = lookup(sandbox.project, name)
    assert target is not None
    return target


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def first_process(store: Store, name: str = "sandbox-1") -> int:
    return int((store.processes / name).read_text().splitlines()[1].split()[0])


def processes(word: str) -> list[str]:
    """The command lines that hold a word."""
    return [line for line in run("ps", "-ww", "-eo", "args").stdout.splitlines() if word in line]


def traces(store: Store) -> list[str]:
    """Everything on this machine that carries the sandbox's id."""
    found = [str(path) for path in store.root.glob(f"{store.id}*")]
    found += [line for line in run("ip", "-brief", "link").stdout.splitlines() if store.id in line]
    found += [line for line in run("nft", "list", "ruleset").stdout.splitlines() if store.id in line]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if store.id in line]
    found += processes(store.id)
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{store.id}-*")]
    return found


@pytest.fixture
def new_sandbox(tmp_path: Path) -> Iterator[Callable[[str], Sandbox]]:
    """Sandboxes of projects of their own, gone after the test."""
    made: list[Sandbox] = []

    def make(name: str = "project") -> Sandbox:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        made.append(Sandbox(folder))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.destroy()


@pytest.fixture
def sandbox(new_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return new_sandbox()


def test_a_host_is_a_whole_machine_that_ssh_reaches_without_a_question(sandbox: Sandbox) -> None:
    (host,) = sandbox.up()
    assert (host.name, host.state, host.image) == ("sandbox-1", "running", None)
    target = reach(sandbox)
    assert reach(sandbox, host.address) == target
    assert ssh(target, "hostname") == "sandbox-1"
    assert ssh(target, "systemctl is-system-running --wait") == "running"
    assert f"VERSION_CODENAME={host.suite}" in ssh(target, "cat /etc/os-release")
    assert "sandbox-1" in ssh(target, "sudo -n getent hosts sandbox-1")
    assert Path(target.key_filename).stat().st_mode & 0o777 == 0o600


def test_up_again_changes_nothing_and_adds_what_is_missing(sandbox: Sandbox) -> None:
    first = sandbox.up()
    ssh(reach(sandbox), "touch /run/still-the-same-boot")
    again = sandbox.up(2)
    assert again[0] == first[0]
    assert [host.name for host in again] == ["sandbox-1", "sandbox-2"]
    assert again[0].address != again[1].address
    ssh(reach(sandbox), "test -e /run/still-the-same-boot")
    # Each proves itself with a key of its own, and they see each other.
    keys = [ssh(reach(sandbox, host.name), "cat /etc/ssh/ssh_host_ed25519_key.pub") for host in again]
    assert keys[0] != keys[1]
    assert ssh(reach(sandbox), f"exec 3<>/dev/tcp/{again[1].address}/22; head -c 4 <&3") == "SSH-"
    # Nor is a host of another suite replaced behind one's back.
    with pytest.raises(SandboxError, match=f"sandbox-1 runs {first[0].suite}, not forky"):
        sandbox.up(suite="forky")


def test_two_projects_do_not_disturb_each_other(new_sandbox: Callable[..., Sandbox]) -> None:
    one, two = new_sandbox("one"), new_sandbox("two")
    (first,), (second,) = one.up(), two.up()
    assert IPv4Address(first.address).packed[:3] != IPv4Address(second.address).packed[:3]
    assert lookup(two.project, first.address) is None
    one.destroy()
    assert two.hosts() == [second]
    assert ssh(reach(two), "hostname") == "sandbox-1"
    assert traces(Store(one.project)) == []


def test_down_keeps_the_disks(sandbox: Sandbox) -> None:
    sandbox.up(2)
    ssh(reach(sandbox), "echo kept > /root/note")
    sandbox.down()
    assert [host.state for host in sandbox.hosts()] == ["stopped", "stopped"]
    assert [host.state for host in sandbox.up()] == ["running", "running"]
    assert ssh(reach(sandbox), "cat /root/note") == "kept"


def test_a_host_that_was_killed_boots_again_with_its_disk(sandbox: Sandbox) -> None:
    (host,) = sandbox.up()
    ssh(reach(sandbox), "echo kept > /root/note; sync")
    pid = first_process(Store(sandbox.project))
    os.kill(pid, signal.SIGKILL)
    until(lambda: sandbox.hosts()[0].state == "stopped")
    assert sandbox.up() == [host]
    assert ssh(reach(sandbox), "cat /root/note") == "kept"
    sandbox.kill("sandbox-1")
    assert not [
        line for line in run("ps", "-ww", "-eo", "args").stdout.splitlines() if Store(sandbox.project).id in line
    ]
    assert sandbox.up() == [host]


def test_up_while_the_hosts_shut_down_boots_them_again(sandbox: Sandbox) -> None:
    hosts = sandbox.up(2)
    for host in hosts:
        ssh(reach(sandbox, host.name), "touch /run/before")
    # One is asked by a run that dies before it is off; the other turns itself off, and takes its time.
    store = Store(sandbox.project)
    machine.of(store, store.read().hosts["sandbox-1"]).ask_to_stop()
    slow = "systemd-run -q -p RemainAfterExit=yes -p ExecStop='/bin/sleep 1' true"
    ssh(reach(sandbox, "sandbox-2"), f"{slow}; systemctl stop ssh; systemctl poweroff --no-block", ok=False)
    assert sandbox.up(2) == hosts
    for host in hosts:
        assert ssh(reach(sandbox, host.name), "test -e /run/before || echo new boot") == "new boot"


def test_two_runs_at_once_make_the_same_hosts(sandbox: Sandbox) -> None:
    program = (
        "import sys; from pathlib import Path; from hostsmith.sandbox import Sandbox; Sandbox(Path(sys.argv[1])).up(2)"
    )
    argv = [sys.executable, "-c", program, str(sandbox.project)]
    for process in [subprocess.Popen(argv), subprocess.Popen(argv)]:
        assert process.wait() == 0
    assert [host.state for host in sandbox.hosts()] == ["running", "running"]
    assert ssh(reach(sandbox), "hostname") == "sandbox-1"


def test_a_pid_that_went_to_another_process_is_let_alone(sandbox: Sandbox) -> None:
    sandbox.up()
    sandbox.stop("sandbox-1")
    store = Store(sandbox.project)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        # The record of a process that had this pid, but began at another time.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        fields = Path(f"/proc/{innocent.pid}/stat").read_text().split()
        fields[21] = str(int(fields[21]) - 1)
        (store.processes / "sandbox-1").write_text(f"{boot}{' '.join(fields)}\n")
        assert sandbox.hosts()[0].state == "stopped"
        sandbox.kill("sandbox-1")
        sandbox.destroy()
        assert innocent.poll() is None
        innocent.kill()


def test_hosts_whose_state_was_deleted_are_cleared(sandbox: Sandbox) -> None:
    sandbox.up()
    store = Store(sandbox.project)
    lost = first_process(store)
    shutil.rmtree(store.folder)
    said: list[str] = []
    sandbox.up(progress=said.append)
    assert f"clearing a host that a killed run left (process {lost})" in said
    assert ssh(reach(sandbox), "hostname") == "sandbox-1"


def test_a_damaged_state_is_named_and_can_be_destroyed(sandbox: Sandbox) -> None:
    sandbox.up()
    store = Store(sandbox.project)
    store.state_file.write_text('{"version": 1, "hosts"')
    with pytest.raises(SandboxError, match=r"state.json is not a valid sandbox state.* fab sandbox.destroy"):
        sandbox.up()
    sandbox.destroy()
    assert traces(store) == []


def test_what_was_taken_away_underneath_is_put_back(sandbox: Sandbox) -> None:
    sandbox.up()
    store = Store(sandbox.project)
    run("ip", "link", "delete", f"hs-{store.id}")
    run("nft", "delete", "table", "ip", f"hostsmith_{store.id}")
    sandbox.up()
    assert ssh(reach(sandbox), "hostname") == "sandbox-1"
    assert "masquerade" in run("nft", "list", "table", "ip", f"hostsmith_{store.id}").stdout


def test_a_reboot_from_inside_brings_the_host_back(sandbox: Sandbox) -> None:
    sandbox.up()
    target = reach(sandbox)
    ssh(target, "touch /run/before")
    ssh(target, "systemctl reboot", ok=False)
    until(lambda: ssh(target, "test -e /run/before || echo rebooted", ok=False) == "rebooted")
    assert sandbox.hosts()[0].state == "running"
    ssh(target, "systemctl poweroff", ok=False)
    until(lambda: sandbox.hosts()[0].state == "stopped")
    sandbox.start("sandbox-1")
    assert ssh(target, "hostname") == "sandbox-1"


def test_clones_of_an_image_share_its_disk_but_not_its_identity(sandbox: Sandbox) -> None:
    sandbox.create("origin")
    ssh(reach(sandbox, "origin"), "echo v1 > /srv/app; mkdir /srv/old; rm /etc/motd; ssh-keygen -A")
    sandbox.snapshot("origin", "app")
    assert sandbox.images() == ["app"]
    clones = [sandbox.create(name, image="app") for name in ("web", "worker")]
    assert [clone.image for clone in clones] == ["app", "app"]
    seen = set()
    for clone in clones:
        target = reach(sandbox, clone.name)
        assert ssh(target, "cat /srv/app; test -e /etc/motd || echo gone; hostname") == f"v1\ngone\n{clone.name}"
        seen.add(ssh(target, "cat /etc/machine-id"))
        seen.add(ssh(target, "cat /etc/ssh/ssh_host_ed25519_key.pub"))
    assert len(seen) == 4
    # A folder of a lower layer is renamed as on any disk; an image of a clone; the origin goes on as it was.
    ssh(reach(sandbox, "web"), "python3 -c \"import os; os.rename('/srv/old', '/srv/new')\"; echo v2 > /srv/app")
    sandbox.snapshot("web", "app")
    sandbox.create("late", image="app")
    assert ssh(reach(sandbox, "late"), "cat /srv/app; ls /srv") == "v2\napp\nnew"
    sandbox.start("origin")
    assert ssh(reach(sandbox, "origin"), "cat /srv/app; ls /srv") == "v1\napp\nold"
    with pytest.raises(SandboxError, match="there is no image 'nope'; this sandbox has: app"):
        sandbox.create("other", image="nope")


def test_layers_that_nobody_stands_on_are_removed(sandbox: Sandbox) -> None:
    store = Store(sandbox.project)
    sandbox.create("origin")
    sandbox.snapshot("origin", "app")
    (first,) = store.layers.iterdir()
    sandbox.destroy("origin")
    sandbox.create("web", image="app")  # stands on the first layer alone
    sandbox.snapshot("web", "app")
    assert first in store.layers.iterdir()
    assert len(list(store.layers.iterdir())) == 2
    sandbox.destroy("web")
    assert first in store.layers.iterdir()
    assert sandbox.images() == ["app"]


def test_a_snapshot_cut_short_is_finished(sandbox: Sandbox) -> None:
    sandbox.create("origin")
    ssh(reach(sandbox, "origin"), "echo v1 > /srv/app")
    sandbox.snapshot("origin", "app")
    store = Store(sandbox.project)
    (layer,) = store.layers.iterdir()
    shutil.rmtree(store.upper("origin"))
    layer.rename(store.upper("origin"))  # as it is when the process dies between the state and the disk
    sandbox.create("web", image="app")
    assert ssh(reach(sandbox, "web"), "cat /srv/app") == "v1"


def test_apt_and_pip_reach_their_registries_from_inside(sandbox: Sandbox) -> None:
    sandbox.up()
    target = reach(sandbox)
    ssh(target, "apt-get update -qq && apt-get install -qq -y python3-venv")
    ssh(target, "python3 -m venv /srv/venv && /srv/venv/bin/pip install -q flask gunicorn")
    assert "Flask" in ssh(target, "/srv/venv/bin/flask --version")


def test_destroy_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.up(2)
    store = Store(sandbox.project)
    sandbox.destroy("sandbox-2")
    assert [host.name for host in sandbox.hosts()] == ["sandbox-1"]
    assert traces(store) != []
    sandbox.destroy()
    assert traces(store) == []
    assert sandbox.hosts() == []
    assert lookup(sandbox.project, "sandbox-1") is None
    sandbox.destroy()  # safe to repeat
    assert traces(store) == []


def test_hosts_of_a_project_that_was_deleted_are_found(sandbox: Sandbox) -> None:
    sandbox.up()
    assert sandbox.project not in [other.project for other in abandoned()]
    sandbox.project.rmdir()
    (lost,) = [other for other in abandoned() if other.project == sandbox.project]
    lost.destroy()
    assert traces(Store(sandbox.project)) == []


def test_a_host_that_cannot_boot_shows_what_its_console_said(sandbox: Sandbox) -> None:
    sandbox.up()
    sandbox.stop("sandbox-1")
    init = Store(sandbox.project).upper("sandbox-1") / "usr/lib/systemd/systemd"
    init.parent.mkdir(parents=True, exist_ok=True)
    init.write_text("#!/bin/sh\necho out of tape\nexit 1\n")
    init.chmod(0o755)
    with pytest.raises(SandboxError, match=r"(?s)sandbox-1 stopped while booting.*out of tape"):
        sandbox.up()


def test_a_run_killed_while_making_a_base_leaves_nothing_that_matters(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from hostsmith.sandbox import base

        def progress(text):
            print(text, flush=True)
            if text.endswith(sys.argv[2]):
                raise SystemExit

        with base.ready(None, progress, cache=Path(sys.argv[1])):
            pass
        """
    )
    cache = tmp_path / "cache"

    def begin(until_said: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", script, str(cache), until_said]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    with begin("never said") as killed:
        assert killed.stdout is not None
        assert "making the base" in killed.stdout.readline()
        assert "fetching packages" in killed.stdout.readline()
        assert processes(f"{cache}/")
        killed.kill()
    until(lambda: not processes(f"{cache}/"))
    assert str(cache) not in Path("/proc/self/mounts").read_text()
    assert list(cache.glob("*.partial"))
    with begin("fetching packages") as again:  # and this one is interrupted, as by Ctrl-C
        assert again.stdout is not None
        assert "clearing an unfinished base that a killed run left" in again.stdout.readline()
    assert not processes(f"{cache}/")
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


IN_A_NETWORK_OF_ITS_OWN = """
import json, subprocess, sys
from ipaddress import IPv4Network
from pathlib import Path
from hostsmith.sandbox import network

root, forward = Path(sys.argv[1]), Path("/proc/sys/net/ipv4/ip_forward")
inotify = Path("/proc/sys/fs/inotify/max_user_instances")

def rules():
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout

forward.write_text("0")
before = inotify.read_text()
network.set_kernel(root)
network.set_kernel(root)
assert forward.read_text() == "1\\n" and int(inotify.read_text()) >= 8192
network.restore_kernel(root)
assert forward.read_text() == "0\\n" and inotify.read_text() == before
assert not list(root.iterdir())

docker = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }"
subprocess.run(["nft", docker], check=True)
plain = rules()
net = network.Network("0123abcd", IPv4Network("10.77.0.0/24"))
net.set_up()
net.set_up()
assert rules().count("accept comment") == 2, rules()
assert network.choose_subnet(network.taken_subnets([])) == IPv4Network("10.77.1.0/24")
network.tear_down("0123abcd")
network.tear_down("0123abcd")
assert rules() == plain, rules()
"""


def test_docker_s_firewall_is_passed_and_the_kernel_put_back_as_it_was(tmp_path: Path) -> None:
    done = run("unshare", "--net", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_tasks_speak_json(tmp_path: Path) -> None:
    (tmp_path / "fabfile.py").write_text(
        "from invoke import Collection\nfrom hostsmith.tasks import sandbox\nns = Collection(sandbox.ns)\n"
    )

    def fab(*argv: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([FAB, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    try:
        up = fab("sandbox.up", "--json")
        assert "sandbox-1: booting" in up.stderr
        (host,) = json.loads(up.stdout)["hosts"]
        assert {"name", "address", "suite", "state", "image"} == set(host)
        assert json.loads(fab("sandbox.list", "--json").stdout) == {**ENVELOPE, "hosts": [host]}
        assert host["address"] in fab("sandbox.list").stdout
        assert json.loads(fab("sandbox.down", "--json").stdout) == {**ENVELOPE, "hosts": [{**host, "state": "stopped"}]}
        done = fab("sandbox.destroy", "--name", "sandbox-1", "--json")
        assert json.loads(done.stdout) == {**ENVELOPE, "removed": ["sandbox-1"]}
        assert json.loads(fab("sandbox.list", "--json").stdout) == {**ENVELOPE, "hosts": []}
    finally:
        Sandbox(tmp_path).destroy()
