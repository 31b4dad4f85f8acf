"""The gate as sudo starts it: whom it serves, in which environment, and what it refuses before it looks at a frame."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hostsmith._version import __version__
from hostsmith.agent import actions, lock, main
from hostsmith.agent.gate import _LARGEST_FRAME
from hostsmith.connection import pack
from hostsmith.contract.controller import REFUSED
from hostsmith.contract.protocol import greeting
from local_host import Agent

# The gate with an agent behind it that only shows how it was called.
SHOWING = """\
import json, os, sys
from hostsmith.agent import gate
from hostsmith.contract.base import ResourceError

def serve(stdin, app, check, largest):
    try:
        check({"op": "plan", "resources": [], "modules": {}})
    except ResourceError as error:
        refused = str(error)
    with open("/proc/self/oom_score_adj") as file:
        score = file.read().strip()
    said = {"app": app, "refused": refused, "largest": largest, "env": dict(os.environ), "score": score}
    print(json.dumps({**said, "rest": stdin.read().decode()}))

gate.serve = serve
with open(sys.argv.pop(1), "rb") as file:
    gate.main(file.read())
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gate") / "agent.zip"
    path.write_bytes(pack.agent_zip(zipfile.ZIP_STORED))
    return path


@pytest.fixture
def script(tmp_path: Path, code: Path) -> Path:
    """The program that `fab provision` installs, for the code of this test."""
    path = tmp_path / "gate"
    path.write_text(pack.GATE_SCRIPT.replace(pack.GATE_CODE, str(code)))
    return path


def first_line() -> str:
    return greeting(pack.code_folder(), __version__).decode()


def called(code: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", SHOWING, str(code), *arguments]
    env = {**os.environ, "GIT_SSH_COMMAND": "/bin/evil", "LD_PRELOAD": "", "HOME": "/root"}
    return subprocess.run(
        argv, input=first_line() if stdin is None else stdin, env=env, capture_output=True, text=True, check=False
    )


def test_it_serves_one_app_with_nothing_of_roots_around_it(code: Path) -> None:
    done = called(code, "shop", stdin=f"{first_line()}and more")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["refused"].startswith("refused: 'plan'; deployers of shop may")
    assert (said["app"], said["rest"]) == ("shop", "and more")
    # Neither its credentials nor its git configuration; LC_CTYPE is what Python may set for itself.
    assert {name: value for name, value in said["env"].items() if name != "LC_CTYPE"} == {"HOME": "/nonexistent"}
    assert said["score"] == "1000", "it goes first when the memory is full"
    assert said["largest"] == _LARGEST_FRAME <= 1 << 28


@pytest.mark.parametrize(
    "arguments", [[], ["shop", "more"], [""], ["../shop"], ["Shop"], ["-x"], ["shop\n"], ["a" * 32]]
)
def test_its_argument_is_the_name_of_an_app_and_nothing_else(code: Path, arguments: list[str]) -> None:
    done = called(code, *arguments)
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "expected the name of an app" in done.stderr


def test_a_line_for_sudo_may_come_first_and_no_two(code: Path) -> None:
    assert called(code, "shop", stdin=f"pass word\n{first_line()}").returncode == 0
    assert called(code, "shop", stdin=f"one\ntwo\n{first_line()}").returncode == REFUSED


@pytest.mark.parametrize("stdin", ["", "ls -l\n", "hostsmith\tx\n", "x hostsmith /run/x\n", "\n" * 5, "a" * 10_000])
def test_who_is_no_hostsmith_has_no_business_there(code: Path, stdin: str) -> None:
    done = called(code, "shop", stdin=stdin)
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "has no shell" in done.stderr


def test_another_version_is_told_what_to_do(code: Path) -> None:
    done = called(code, "shop", stdin="hostsmith /run/hostsmith/0123456789abcdef\n")
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "which is too old for it: upgrade hostsmith on your machine" in done.stderr


def test_each_module_can_be_loaded_from_the_file_that_is_installed(code: Path) -> None:
    """As on a host, with the standard library beside it and nothing else: a folder without `__init__` is no package."""
    load = (
        "import importlib, sys, zipfile\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name in zipfile.ZipFile(sys.argv[1]).namelist():\n"
        "    if name.endswith('.py') and not name.endswith('__main__.py'):\n"
        "        importlib.import_module(name[:-3].removesuffix('/__init__').replace('/', '.'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", load, str(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_lock_that_a_deployer_takes_and_breaks_is_one_of_its_own_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[str | None] = []
    monkeypatch.setitem(actions.ACTIONS, "break_lock", lambda app: broken.append(app))
    path, journal = str(tmp_path / "lock"), str(tmp_path / "journal.conf")
    for app in ("shop", None):
        run = main._Run(app, lambda frame: None)
        assert run._answer({"op": "act", "action": "break_lock", "arguments": {"app": "another"}})["ok"]
        holder = {"who": "ann@laptop", "what": "deploy", "app": "another"}
        assert run._answer({"op": "lock", "holder": holder, "wait": 0, "path": path, "journal": journal})["ok"]
        assert lock.read(path)["app"] == app
        run.end()
    assert broken == ["shop", None]


class TestInstalled:
    """The program as it lies on a host, with the whole agent behind it."""

    def gate(self, tmp_path: Path, script: Path) -> Agent:
        return Agent(tmp_path, command=f"exec {shlex.quote(sys.executable)} -I {script} shop")

    def test_refuses_what_no_deployer_may_do_and_goes_on(self, tmp_path: Path, script: Path) -> None:
        with self.gate(tmp_path, script) as gate:
            for frame in (
                {"op": "plan", "resources": [], "modules": {"evil": f"open('{tmp_path}/evil', 'w')"}},
                {
                    "op": "converge",
                    "resources": [],
                    "modules": {"evil": f"open('{tmp_path}/evil', 'w')"},
                    "hold": False,
                },
                {"op": "dump", "argv": ["touch", f"{tmp_path}/evil"]},
                {"op": "load", "argv": ["touch", f"{tmp_path}/evil"]},
                {"op": "run", "app": "another", "argv": ["true"]},
            ):
                gate.send(**frame)
                assert gate.outcome().error.startswith("refused: "), frame
            gate.send(op="ask", query="live_release", arguments={"app": "shop"})
            assert gate.outcome().ok
        assert gate.process.returncode == 0
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize("told", [True, False], ids=["says so", "is packed"])
    def test_takes_no_frame_that_would_fill_the_memory(self, tmp_path: Path, script: Path, told: bool) -> None:
        with self.gate(tmp_path, script) as gate:
            if told:
                gate.write(b"%d\n" % (_LARGEST_FRAME + 1))
            else:
                packer = zlib.compressobj(1)
                piece = b" " * (1 << 20)
                data = b"".join(packer.compress(piece) for _ in range((_LARGEST_FRAME >> 20) + 1)) + packer.flush()
                gate.write(b"%d\n" % len(data) + data)
            assert gate.process.wait(60) == 0
            assert gate.process.stderr is not None
            assert f"it has more than {_LARGEST_FRAME} bytes" in gate.process.stderr.read().decode()
