"""What all tests stand on, however they were started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

# Who is started in the background, as CI may do, ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# ssh asks for a password on the terminal, where there is one, and would wait for whoever runs the tests.
os.environ.update(SSH_ASKPASS="false", SSH_ASKPASS_REQUIRE="force")


def _none_is_skipped(report: Any) -> Any:
    """Fail what was skipped on CI, which has all that a test can need: nobody would notice that it no longer runs."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr[2]}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return _none_is_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return _none_is_skipped((yield))
