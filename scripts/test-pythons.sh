#!/bin/sh
# Runs the unit tests with each Python from 3.10 to 3.14 that this machine has, but for that of .venv, and names all five.
# VERSIONS="3.10 3.12" runs them with those alone.
set -eu
cd "$(dirname "$0")/.."
main=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
report=""
failed=""

# The first that starts and can make a virtualenv: on the PATH, where a shim of pyenv may lead nowhere, or pyenv's own.
find_python() {
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        "$python" -c 'import ensurepip, sys, venv; print(sys.executable)' 2>/dev/null && return
    done
    return 1
}

for version in ${VERSIONS:-3.10 3.11 3.12 3.13 3.14}; do
    if [ "$version" = "$main" ]; then
        line="that of .venv, which runs all other tests"
    elif python=$(find_python "$version"); then
        folder=.venv-$version
        if [ ! -e "$folder/.installed" ] || [ setup.cfg -nt "$folder/.installed" ]; then
            rm -rf "$folder"
            "$python" -m venv "$folder"
            "$folder/bin/python" -m pip install --quiet --no-warn-script-location --disable-pip-version-check \
                --editable '.[dev]'
            touch "$folder/.installed"
        fi
        printf '\033[1mUnit tests with %s\033[0m\n' "$("$folder/bin/python" --version)"
        if "$folder/bin/python" -m pytest -q -n 3 tests/unit; then
            line="passed, $python"
        else
            line="FAILED, $python"
            failed="$failed $version"
        fi
    else
        line="not on this machine"
    fi
    report="$report  Python $version  $line
"
done
printf 'Unit tests by version of Python:\n%s' "$report"
[ -z "$failed" ]
