"""The sandbox's state on disk: reading it is cheap and safe, changing it is one at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox.store import (
    HostRecord,
    ImageRecord,
    SshTarget,
    State,
    Store,
    locked,
    lookup,
    sandbox_id,
    write_file,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    project = tmp_path / "project"
    project.mkdir()
    store = Store(project, root=tmp_path / "state")
    store.folder.mkdir(parents=True)
    return store


def filled(store: Store) -> State:
    hosts = {
        "sandbox-1": HostRecord("sandbox-1", "10.77.0.2", "bookworm", "bookworm-1", "ssh-ed25519 AAAA"),
        "web": HostRecord("web", "10.77.0.3", "trixie", "trixie-1", "ssh-ed25519 BBBB", "app", ("web-2", "web-1")),
    }
    images = {"app": ImageRecord("trixie", "trixie-1", ("web-2", "web-1"))}
    return State(str(store.project), "10.77.0.0/24", hosts, images)


def test_what_was_written_is_read_again(store: Store) -> None:
    store.write(filled(store))
    assert store.read() == filled(store)
    assert store.read().bases() == {"bookworm-1", "trixie-1"}
    assert store.read().layers() == {"web-1", "web-2"}


@pytest.mark.parametrize("host", ["web", "10.77.0.3"])
def test_lookup_finds_a_host_by_name_and_by_address(store: Store, host: str) -> None:
    store.write(filled(store))
    folder = store.folder
    target = SshTarget("10.77.0.3", "root", str(folder / "id_ed25519"), str(folder / "known_hosts"))
    assert lookup(store.project, host, root=store.root) == target


def test_known_hosts_names_each_host_with_its_key(store: Store) -> None:
    store.write(filled(store))
    assert store.known_hosts.read_text() == ("sandbox-1,10.77.0.2 ssh-ed25519 AAAA\nweb,10.77.0.3 ssh-ed25519 BBBB\n")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"hosts": []}', '{"hosts": {"web": {}}}'])
def test_lookup_of_what_is_no_sandbox_host_is_none(store: Store, content: str | None) -> None:
    if content is not None:
        store.state_file.write_text(content)
    assert lookup(store.project, "web", root=store.root) is None
    store.write(filled(store))
    assert lookup(store.project, "example.org", root=store.root) is None


@pytest.mark.parametrize("content", ["", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_state_is_an_error_that_says_how_to_go_on(store: Store, content: str) -> None:
    store.state_file.write_text(content)
    with pytest.raises(SandboxError, match="fab sandbox.destroy"):
        store.read()


def test_no_state_says_how_to_make_hosts(store: Store) -> None:
    with pytest.raises(SandboxError, match="has no sandbox hosts. Make one: fab sandbox.up"):
        store.read()


def test_a_project_is_known_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "link").symlink_to("one")
    assert sandbox_id(tmp_path / "link") == sandbox_id(tmp_path / "one") != sandbox_id(tmp_path / "two")


def test_state_can_be_read_by_all_and_the_key_only_by_its_owner(tmp_path: Path) -> None:
    for mode in (0o600, 0o644):
        write_file(tmp_path / "file", b"new", mode)
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_holder_of_a_lock_says_so_and_waits(tmp_path: Path) -> None:
    told = threading.Event()
    order = []

    def second() -> None:
        with locked(tmp_path / "lock", waiting=told.set):
            order.append("second")

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_lock_file_deleted_by_its_holder_still_locks_for_those_who_waited(tmp_path: Path) -> None:
    told = threading.Event()
    exclusive = []

    def second() -> None:
        with locked(tmp_path / "lock", waiting=told.set):
            exclusive.append((tmp_path / "lock").exists())

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        (tmp_path / "lock").unlink()
    thread.join(10)
    assert exclusive == [True]


def test_lookup_loads_nothing_heavy() -> None:
    program = (
        "import sys, json; from hostsmith.sandbox import lookup; "
        "print(json.dumps(sorted(m for m in sys.modules if m.startswith('hostsmith.sandbox'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["hostsmith.sandbox", "hostsmith.sandbox.store"]
