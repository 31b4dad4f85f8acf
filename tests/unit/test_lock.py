"""The host's lock: one at a time, everyone can see which, and nothing but a living process holds it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hostsmith.agent import lock
from hostsmith.contract import events
from hostsmith.resources import ResourceError

ANN, BOB = {"who": "ann@laptop", "what": "deploy"}, {"who": "bob@desk", "what": "provision"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def hold(path: str, then: str = "sys.stdin.read()", holder: dict[str, str] = ANN) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    script = f"import sys, signal; from hostsmith.agent import lock; lock.acquire({holder!r}, 0, sys.argv[1])\n"
    script += f"print('held', flush=True)\n{then}"
    argv = [sys.executable, "-c", script, path]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


@pytest.fixture
def held(path: str) -> Iterator[subprocess.Popen[str]]:
    process = hold(path)
    yield process
    end(process)


def test_free_until_taken_and_after_it_was_given_back(path: str) -> None:
    assert lock.holder(path) is None
    fd = lock.acquire(ANN, 0, path)
    found = lock.holder(path)
    assert found is not None
    assert (found["who"], found["what"], found["pid"]) == ("ann@laptop", "deploy", os.getpid())
    os.close(fd)
    assert lock.holder(path) is None


def test_no_other_user_can_open_it_and_so_hold_it(path: str) -> None:
    before = os.umask(0)
    try:
        os.close(lock.acquire(ANN, 0, path))
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_one_that_ended_as_it_should_is_not_taken_for_one_that_was_cut_off(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr(events, "note", notes.append)
    lock.release(lock.acquire(ANN, 0, path))
    os.close(lock.acquire(BOB, 0, path))
    assert notes == []
    lock.release(lock.acquire(ANN, 0, path))
    (note,) = notes
    assert re.fullmatch(
        rf"took over the lock of an interrupted run: provision by bob@desk since .*Z \(pid {os.getpid()}\)", note
    )


def test_it_keeps_nobody_out_whose_file_is_gone(path: str) -> None:
    fd = lock.acquire(ANN, 0, path)
    assert lock.is_held(fd)
    os.unlink(path)
    assert not lock.is_held(fd)
    os.close(fd)


def test_the_second_is_told_who_holds_it(path: str, held: subprocess.Popen[str]) -> None:
    with pytest.raises(lock.LockHeldError, match=rf"deploy by ann@laptop since .*Z \(pid {held.pid}\)") as caught:
        lock.acquire(BOB, 0, path)
    assert caught.value.holder["pid"] == held.pid
    found = lock.holder(path)
    assert found is not None
    assert found["who"] == "ann@laptop", "one who was refused changes nothing"


def test_one_who_waits_gets_it_when_it_is_free(path: str, held: subprocess.Popen[str]) -> None:
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.append(lock.acquire(BOB, 60, path)))
    waiting.start()
    assert held.stdin is not None
    held.stdin.close()
    waiting.join(60)
    found = lock.holder(path)
    assert found is not None
    assert found["who"] == "bob@desk"
    os.close(got[0])


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_the_kernel_frees_it_whatever_ended_its_holder(path: str, held: subprocess.Popen[str], signum: int) -> None:
    held.send_signal(signum)
    held.wait(60)
    assert lock.holder(path) is None
    os.close(lock.acquire(BOB, 0, path))


def test_programs_that_its_holder_started_do_not_hold_it(path: str) -> None:
    fd = lock.acquire(ANN, 0, path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        os.close(fd)
        assert lock.holder(path) is None
        child.communicate()


@pytest.mark.parametrize("app", ["shop", "shop-admin"])
def test_deployers_of_an_app_break_none_that_an_admin_holds(path: str, held: subprocess.Popen[str], app: str) -> None:
    with pytest.raises(ResourceError, match=f"deploy by ann@laptop .* not a run of a deployer of {app}"):
        lock.break_lock(path, app)
    assert held.poll() is None


@pytest.mark.parametrize("holder", [{}, {"who": "x"}, {"app": None}])
def test_a_holder_who_does_not_say_who_it_is_can_be_told_and_ended(path: str, holder: dict[str, str]) -> None:
    process = hold(path, holder=holder)
    assert lock.describe(lock.holder(path) or {}) == "another run"
    assert lock.break_lock(path)
    end(process)


def test_breaking_it_ends_its_holder(path: str, held: subprocess.Popen[str]) -> None:
    found = lock.break_lock(path)
    assert found is not None
    assert found["pid"] == held.pid
    assert held.wait(60) == -signal.SIGTERM, "asked, so that it can put back what it has begun"
    assert lock.holder(path) is None


def test_breaking_it_waits_until_its_holder_has_put_back_what_it_had_begun(path: str) -> None:
    slow = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))"
    process = hold(path, f"import time; {slow}; print('ready', flush=True); sys.stdin.read()")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert lock.break_lock(path)
    assert lock.holder(path) is None
    assert process.wait(60) == 0
    end(process)


def test_breaking_it_ends_a_holder_by_force_that_does_not_heed_being_asked(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); sys.stdin.read()"
    process = hold(path, deaf)
    assert process.stdout is not None
    assert process.stdout.readline() == "deaf\n"
    # A second here is a minute there.
    hurried = SimpleNamespace(monotonic=lambda: time.monotonic() * 60, sleep=time.sleep, strftime=time.strftime)
    monkeypatch.setattr(lock, "time", hurried)
    assert lock.break_lock(path)
    assert process.wait(60) == -signal.SIGKILL
    assert lock.holder(path) is None
    end(process)


def test_the_deployers_of_an_app_break_what_one_of_them_holds(path: str) -> None:
    process = hold(path, holder={**ANN, "app": "shop"})
    found = lock.break_lock(path, "shop")
    assert found is not None
    assert lock.describe(found).startswith("deploy by ann@laptop, a deployer of shop since ")
    assert process.wait(60) == -signal.SIGTERM
    end(process)


def test_breaking_what_nobody_holds_does_nothing(path: str) -> None:
    assert lock.break_lock(path) is None
    # What a dead holder wrote is no holder, though its process id may be somebody else's by now.
    Path(path).write_text(json.dumps({**ANN, "pid": os.getpid(), "since": "long ago"}))
    assert lock.break_lock(path) is None
    assert lock.holder(path) is None


def test_a_holder_that_has_not_said_who_it_is_yet(path: str) -> None:
    Path(path).write_text("{")
    assert lock.read(path) == {}
    assert lock.describe({}) == "another run"
