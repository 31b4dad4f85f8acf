#!/bin/sh
# Builds the wheel, installs it into an empty virtualenv and uses it from an empty folder.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --wheel --outdir "$work/dist" . >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl
mkdir "$work/empty"
cd "$work/empty"
# The program that a project begins with; `fab` takes over from there.
"$work/venv/bin/hostsmith" init >"$work/log"
grep -q 'from hostsmith import ns' fabfile.py
rm fabric.yaml
# Not `grep -q`: it would close the pipe before fab has printed all.
"$work/venv/bin/fab" --list | grep provision >"$work/log"
"$work/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import hostsmith
from hostsmith.connection.pack import agent_zip
from hostsmith.rendering.template import BUNDLED

assert "site-packages" in hostsmith.__file__, hostsmith.__file__
assert (BUNDLED / "nginx" / "site.conf.j2").is_file(), BUNDLED
assert (Path(hostsmith.__file__).parent / "py.typed").is_file()
assert len(agent_zip()) > 10_000
PYTHON
# Without settings every task says what to write, and ends with 2.
status=0
"$work/venv/bin/fab" deploy 2>"$work/errors" || status=$?
[ "$status" = 2 ] && grep -q 'app' "$work/errors" || { cat "$work/errors" >&2; exit 1; }
echo "the wheel works: $(basename "$work"/dist/*.whl)"
