"""Audit of the packages in .venv against services of known vulnerabilities.

usage: audit.py [--strict]; exit status 1 when one is known to be vulnerable, and with --strict also when any could not
be looked up, as where no service can be reached. pip-audit itself ends with 0 when it has looked up nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# By the names that pip-audit has for them; the second is asked when the first knows nothing.
SERVICES = ("pypi", "osv")

# For one service, in seconds: where packets are dropped, every package would wait for its own time-out.
TIMEOUT = 120


def main() -> int:
    strict = "--strict" in sys.argv[1:]
    found: list[dict[str, Any]] = []
    for service in SERVICES:
        found, problem = ask(service)
        if any("vulns" in package for package in found):
            break
        sys.stderr.write(f"The service {service!r} gave no answer: {problem}\n")
    return judge(found, strict)


def ask(service: str) -> tuple[list[dict[str, Any]], str]:
    """Query a service for all packages; returns its answers, and in a line why some may be missing."""
    argv = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format=json", "--progress-spinner=off"]
    argv += [f"--vulnerability-service={service}", "--timeout=10"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return [], f"no answer within {TIMEOUT} s"
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or ["no answer"])[-1][:200]
    return found, "it has none of the packages"


def judge(packages: list[dict[str, Any]], strict: bool) -> int:
    """Print the findings; returns the exit status."""
    known = [package for package in packages if "vulns" in package]
    # A checkout is in no registry.
    unknown = [package["name"] for package in packages if "vulns" not in package and package["name"] != "hostsmith"]
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        for flaw in package["vulns"]:
            fixed = ", ".join(flaw.get("fix_versions", [])) or "none yet"
            sys.stderr.write(f"{package['name']} {package['version']}: {flaw['id']}; fixed in: {fixed}\n")
    if not known:
        sys.stderr.write("NOT AUDITED: no service of known vulnerabilities could be reached. The result is unknown.\n")
    else:
        sys.stdout.write(f"{len(known)} packages looked up, {len(vulnerable)} of them with known vulnerabilities.\n")
        if unknown:
            sys.stderr.write(f"NOT AUDITED, because the service does not know them: {', '.join(unknown)}\n")
    incomplete = not known or bool(unknown)
    return int(bool(vulnerable) or (strict and incomplete))


if __name__ == "__main__":
    sys.exit(main())
