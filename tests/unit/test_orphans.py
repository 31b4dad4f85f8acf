"""Which processes are ended as what a supervisor group has left behind."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.supervisor import orphans
from hostsmith.hostkit.supervisor.supervisor_config import users
from local_host import ME


@pytest.fixture
def claims_to_be_of_it() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env={"SUPERVISOR_GROUP_NAME": "shop-1"}) as process:
        yield process
        process.kill()


def test_those_of_its_user_are_ended(claims_to_be_of_it: subprocess.Popen[bytes]) -> None:
    # Somebody must bury it: here that is who started it.
    threading.Thread(target=claims_to_be_of_it.wait).start()
    orphans.end("shop-1", {ME})
    assert claims_to_be_of_it.wait(60) == -signal.SIGTERM


def test_another_users_can_neither_be_ended_by_it_nor_hold_it_up(claims_to_be_of_it: subprocess.Popen[bytes]) -> None:
    orphans.end("shop-1", {"daemon"})
    assert claims_to_be_of_it.poll() is None


def test_who_runs_a_group_is_what_its_file_says(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text(f"[program:a-web]\nuser={ME}\n\n[program:a-worker]\ncommand=x\n[group:a]\nprograms=a-web\n")
    assert users(str(path)) == {ME, "root"}
    assert users(f"{tmp_path}/none") == set()
