"""supervisord from the agent's side: waiting for processes that it stops. supervisord itself is tried on real hosts."""

from __future__ import annotations

import subprocess

import pytest
from hostsmith.hostkit.supervisor import supervisord


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting that only the end of a process ends in good time."""
    monkeypatch.setattr(supervisord, "_CHECK", 3600)


@pytest.mark.usefixtures("patient")
def test_the_first_process_that_ends_ends_the_wait() -> None:
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stays,
        subprocess.Popen(["sh", "-c", "read x; sleep 0.2"], stdin=subprocess.PIPE) as goes,
    ):
        assert stays.stdin and goes.stdin
        goes.stdin.close()
        supervisord._until_one_ends([stays.pid, goes.pid])
        assert goes.poll() is not None
        assert stays.poll() is None
        stays.stdin.close()


@pytest.mark.usefixtures("patient")
def test_a_process_that_has_gone_already_is_not_waited_for() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    supervisord._until_one_ends([gone.pid])
    # What supervisord has no process of at the moment.
    supervisord._until_one_ends([0])
