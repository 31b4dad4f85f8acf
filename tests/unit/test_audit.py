"""The audit of dependencies: what is known is an error, and what could not be looked up never passes for safe."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FINE: dict[str, Any] = {"name": "fine", "version": "1", "vulns": []}
FLAWED: dict[str, Any] = {"name": "bad", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
UNKNOWN: dict[str, Any] = {"name": "odd", "skip_reason": "not found"}
CHECKOUT: dict[str, Any] = {"name": "hostsmith", "skip_reason": "editable"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts/audit.py"
    spec = importlib.util.spec_from_file_location("audit", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "status", "strict_status", "said"),
    [
        ([FINE, CHECKOUT], 0, 0, "1 packages looked up, 0 of them"),
        ([FINE, FLAWED], 1, 1, "bad 1: CVE-1; fixed in: 2"),
        ([FINE, UNKNOWN], 0, 1, "NOT AUDITED, because the service does not know them: odd"),
        ([UNKNOWN, CHECKOUT], 0, 1, "NOT AUDITED: no service of known vulnerabilities could be reached"),
        ([], 0, 1, "NOT AUDITED: no service of known vulnerabilities could be reached"),
    ],
)
def test_what_is_known_is_an_error_and_what_is_not_is_said(
    audit: ModuleType,
    capsys: pytest.CaptureFixture[str],
    packages: list[Any],
    status: int,
    strict_status: int,
    said: str,
) -> None:
    assert audit.judge(packages, strict=False) == status
    assert said in "".join(capsys.readouterr())
    assert audit.judge(packages, strict=True) == strict_status
