"""In the shoes of a deployer who writes messages to the gate by hand, and of the app that helps from within."""

from __future__ import annotations

import base64
import contextlib
import json
import string
import subprocess
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostsmith import __version__
from hostsmith.contract import wire
from hostsmith.contract.protocol import greeting
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.hostkit.app.layout import Record
from hostsmith.resources.release.release import ReleaseRecord

from tests.hosts.two_apps import ADMIN, SHOP, Apps, crafted

pytestmark = pytest.mark.attack
ID = "20261121-101500-1f3c2ab"
LOCK = {"op": "lock", "holder": {"who": "eve@laptop", "what": "deploy"}, "wait": 0}
CREATES = crafted(ReleaseRecord(SHOP, Record(ID)))
# Begins like no secret of the shop's own.
VICTIM = "victimTokenQ7zR2"


class Gate:
    """A session of the deployer's with the gate."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._write(greeting("/run/hostsmith/x", __version__))

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def events(self, frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Events up to the one that ends the frame."""
        packed = zlib.compress(json.dumps(frame).encode())
        self._write(b"%d\n%s" % (len(packed), packed))
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line.partition(b"\x1e")[2])
            if event["event"] != "alive":
                yield event
            if event["event"] == "done":
                return

    def done(self, frame: dict[str, Any]) -> dict[str, Any]:
        *_, last = self.events(frame)
        return last

    def ask(self, query: str, **arguments: Any) -> dict[str, Any]:
        return self.done({"op": "ask", "query": query, "arguments": arguments})

    def act(self, action: str, **arguments: Any) -> dict[str, Any]:
        return self.done({"op": "act", "action": action, "arguments": arguments})


@pytest.fixture
def gate(apps: Apps) -> Iterator[Callable[[], Gate]]:
    """Opens sessions, which end with the test."""
    with contextlib.ExitStack() as stack:

        def opened() -> Gate:
            argv = apps.ssh_argv()
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
            stack.enter_context(process)
            stack.callback(process.terminate)
            return Gate(process)

        yield opened


def test_nothing_changes_without_the_hosts_lock(apps: Apps, gate: Callable[[], Gate]) -> None:
    first, second = gate(), gate()
    there = f"ls /srv/{SHOP}/releases"
    before = apps.vps.run(there)
    resolve = {"app": SHOP, "url": "https://127.0.0.1:9/x", "revision": "HEAD", "timeout": 1}
    for session in (first, second):
        for frame in (CREATES, {"op": "confirm"}):
            answer = session.done(frame)
            assert (answer["ok"], "needs the lock" in answer.get("error", "")) == (False, True), (frame, answer)
        assert "needs the lock" in session.act("resolve", **resolve)["error"]
        # The other one has it.
        assert first.done(LOCK)["ok"] is (session is first) or session is second
    assert "locked" in second.done(LOCK)
    assert "needs the lock" in second.done(CREATES)["error"]
    assert first.done({"op": "unlock"})["ok"]
    assert "needs the lock" in first.done(CREATES)["error"]
    assert apps.vps.run(there) == before


# Prints each guess and a mark, each when what was printed before has been read.
_GUESSES = """\
import array, fcntl, sys, termios, time

def say(stream, text):
    stream.write(text)
    stream.flush()
    left = array.array("i", [1])
    while left[0]:
        fcntl.ioctl(stream.fileno(), termios.FIONREAD, left)
        time.sleep(0.001)

for guess in sys.argv[1:]:
    say(sys.stdout, guess)
    say(sys.stderr, "!")
    say(sys.stdout, "\\n")
    say(sys.stderr, "?")
"""


def held_back(session: Gate, guesses: list[str]) -> list[str]:
    """The guesses that were not passed on at once: secrets that the host knows begin so."""
    at_once: list[str] = []
    number, told = 0, b""
    for event in session.events({"op": "run", "app": SHOP, "argv": ["python3", "-c", _GUESSES, *guesses]}):
        if event["event"] != "output":
            continue
        data = base64.b64decode(event["data"])
        if event["stream"] == "stdout":
            told += data
            continue
        for mark in data.decode():
            if mark == "!" and told:
                at_once.append(guesses[number])
            if mark == "?":
                number, told = number + 1, b""
    assert number == len(guesses)
    return [guess for guess in guesses if guess not in at_once]


def test_another_apps_secrets_cannot_be_found_letter_by_letter(apps: Apps, gate: Callable[[], Gate]) -> None:
    env = apps.vps.run(f"readlink -f /srv/{ADMIN}/current/env").strip()
    apps.vps.run(f"echo API_TOKEN={VICTIM} >> {env}")
    session = gate()
    # The search does work: so it is for the shop's own secrets, which its deployer may read anyway.
    own = held_back(session, ["token-of-", "zoken-of-"])
    assert own == ["token-of-"]
    found = ""
    # All that a token is made of, but only as far as there is something to find.
    while len(found) < len(VICTIM) and (more := held_back(session, [found + x for x in string.ascii_letters + "723"])):
        found = next((guess for guess in more if VICTIM.startswith(guess)), "")
        if not found:
            break
    assert found == ""
    said = [
        base64.b64decode(event["data"])
        for event in session.events({"op": "run", "app": SHOP, "argv": ["echo", VICTIM, f"token-of-{ADMIN}"]})
        if event["event"] == "output"
    ]
    # Nor by a guess of the whole of it; what of this is hidden is the shop's own.
    assert b"".join(said) == f"{VICTIM} ***-admin\n".encode()


def test_roots_health_check_stops_no_other_app_by_way_of_a_link(apps: Apps, gate: Callable[[], Gate]) -> None:
    run = apps.vps.run(f"readlink -f /srv/{SHOP}/current/run").strip()
    group = apps.vps.run(f"supervisorctl status | grep -o '^{ADMIN}-2[^: ]*:web'").strip()
    path = f"/?processname={group}&action=stop"
    check = HealthCheck(path, "localhost", ((200, 399),), 20, 5)
    as_shop = f"cd / && runuser -u {SHOP} --"
    apps.vps.run(f"{as_shop} mv {run}/web.sock {run}/own.sock")
    try:
        for target in ("/var/run/supervisor.sock", "/run/supervisor.sock"):
            apps.vps.run(f"{as_shop} ln -sfn {target} {run}/web.sock")
            answer = gate().ask("status", app=SHOP, health=wire.dump(check))["answer"]
            assert "Permission denied" in answer["problem"]
            assert "RUNNING" in apps.vps.run(f"supervisorctl status {group}")
        # Nor does it say what is there that the app cannot see.
        problems = set()
        for target in ("/root/.bashrc", "/root/there-is-none"):
            apps.vps.run(f"{as_shop} ln -sfn {target} {run}/web.sock")
            problems.add(gate().ask("status", app=SHOP, health=wire.dump(check))["answer"]["problem"])
        assert len(problems) == 1
    finally:
        apps.vps.run(f"{as_shop} mv -T {run}/own.sock {run}/web.sock")
    assert apps.vps.http("/", host="admin.example.org").status == 200
    assert apps.vps.http("/").status == 200


HOLDER = """\
import fcntl, json, os, time
file = open("/run/hostsmith.lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
json.dump({"who": "ann@laptop", "what": "provision", "since": "now", "pid": os.getpid(), **MORE}, file)
file.flush()
time.sleep(300)
"""


@pytest.mark.parametrize("more", [{}, {"app": ADMIN}], ids=["an-admin", "another-app"])
def test_a_deployer_ends_no_run_but_those_of_the_own_apps_deployers(
    apps: Apps, gate: Callable[[], Gate], more: dict[str, str]
) -> None:
    script = HOLDER.replace("MORE", json.dumps(more))
    apps.vps.run(f"systemd-run --quiet --collect --unit holder python3 -c '{script}'")
    try:
        apps.vps.run("timeout 30 sh -c 'until grep -q pid /run/hostsmith.lock; do sleep 0.05; done'")
        answer = gate().act("break_lock")
        assert answer["ok"] is False
        assert "provision by ann@laptop" in answer["error"]
        assert apps.vps.run("systemctl is-active holder").strip() == "active"
    finally:
        apps.vps.run("systemctl stop holder")
    mine = gate()
    assert mine.done(LOCK)["ok"]
    assert gate().act("break_lock")["answer"].startswith("deploy by eve@laptop")


def test_roots_own_git_configuration_leads_a_deployer_nowhere(apps: Apps, gate: Callable[[], Gate]) -> None:
    url = "https://mirror.example/"
    for home in ("/root/.gitconfig", "/root/.config/git/config"):
        apps.vps.run(f"mkdir -p /root/.config/git; git config --file {home} url./srv/{ADMIN}/.insteadOf {url}")
    session = gate()
    assert session.done(LOCK)["ok"]
    answer = session.act("resolve", app=SHOP, url=f"{url}repo.git", revision="HEAD", timeout=20)
    apps.vps.run("rm -r /root/.gitconfig /root/.config/git")
    assert "Could not resolve host" in answer["error"]


def test_a_deployers_run_is_the_first_that_goes_when_the_memory_is_full(apps: Apps, gate: Callable[[], Gate]) -> None:
    session = gate()
    assert session.done(LOCK)["ok"]
    pid = apps.vps.run('python3 -c \'import json; print(json.load(open("/run/hostsmith.lock"))["pid"])\'').strip()
    assert apps.vps.run(f"cat /proc/{pid}/oom_score_adj").strip() == "1000"
