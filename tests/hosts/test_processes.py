"""Workers, singletons and cron entries on a real host: jobs are finished, clocks never tick twice, numbers stay."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.docs import ROOT, blocks
from tests.hosts.conftest import Project, Vps, make_project

WEB = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
# Takes jobs out of a queue, one at a time; every fiftieth takes long. Told to stop, it finishes the one that it has.
WORKER = """\
import os, signal, sqlite3, time

stopping = []
signal.signal(signal.SIGINT, lambda *_: stopping.append(1))
queue = sqlite3.connect(os.path.expanduser("~/queue.db"), timeout=60, isolation_level=None)
try:
    bytearray(400 << 20)
    queue.execute("insert into notes values ('more memory than allowed')")
except MemoryError:
    pass
while not stopping:
    sql = "update jobs set taken = taken + 1, release = ? where id in (select id from jobs where taken = 0 limit 1)"
    job = queue.execute(sql + " returning id", [os.environ["HOSTSMITH_RELEASE"]]).fetchall()
    if not job:
        time.sleep(0.05)
        continue
    until = time.monotonic() + (1.5 if job[0][0] % 50 == 0 else 0.03)
    while time.monotonic() < until:
        time.sleep(0.01)
    queue.execute("update jobs set done = done + 1 where id = ?", job[0])
"""
# Writes down when it began and ended, and whether another one was there; takes its time to end.
CLOCK = """\
import fcntl, os, signal, time

release = os.environ["HOSTSMITH_RELEASE"]
log = open(os.path.expanduser("~/clock.log"), "a", buffering=1)
lock = open(os.path.expanduser("~/clock.lock"), "w")
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("overlap", release, time.time(), file=log)
print("begin", release, time.time(), file=log)
while not stopping:
    time.sleep(0.02)
while os.path.exists(os.path.expanduser("~/clock.busy")):
    time.sleep(0.02)
time.sleep(0.3)
print("end", release, time.time(), file=log)
"""
PROCESSES = {
    "worker": {"scale": 2, "stop_signal": "INT", "stop_timeout": 30, "memory": "300m"},
    "clock": {"command": "python clock.py", "singleton": True, "stop_timeout": 30},
}
FILL = """\
import os, sqlite3
queue = sqlite3.connect("/srv/hello/shared/queue.db")
queue.execute("pragma journal_mode=wal")
queue.execute("create table notes (text)")
queue.execute("create table jobs (id integer primary key, taken int default 0, done int default 0, release)")
queue.commit()
"""


def configure(project: Project, **settings: Any) -> None:
    processes = {**PROCESSES, **settings.pop("processes", {})}
    health = {"path": "/", "timeout": 20}
    project.settings(
        static={}, workers=1, web_timeout=5, drain_timeout=1, health=health, processes=processes, **settings
    )


def write_app(project: Project) -> None:
    for name, text in (("hello.py", WEB), ("worker.py", WORKER), ("clock.py", CLOCK)):
        project.write(name, text)
    project.write("Procfile", "web: gunicorn hello:app\nworker: cd . && python worker.py\n")
    project.write("requirements.txt", "gunicorn\n")


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    found = make_project(tmp_path_factory.mktemp("processes"), vps)
    write_app(found)
    configure(found)
    found.commit("workers and a clock")
    in_python(vps, FILL)
    found.fab("deploy")
    yield found
    vps.sandbox.destroy(vps.name)


def in_python(vps: Vps, script: str) -> str:
    return vps.run("runuser -u hello -- python3 -", stdin=script)


def wait_until(vps: Vps, condition: str) -> None:
    vps.run(f"for i in $(seq 300); do {condition} && exit 0; sleep 0.1; done; exit 1")


def asked(vps: Vps, sql: str) -> list[list[Any]]:
    """What the queue says."""
    found: list[list[Any]] = json.loads(
        in_python(
            vps,
            "import json, sqlite3\n"
            f"q = sqlite3.connect('/srv/hello/shared/queue.db', timeout=60)\n"
            f"print(json.dumps(q.execute({sql!r}).fetchall()))\nq.commit()",
        )
    )
    return found


def ticks(vps: Vps) -> list[list[str]]:
    """What the clocks have written: begin, end or overlap, and the release."""
    return [line.split()[:2] for line in vps.run("cat /srv/hello/shared/clock.log").splitlines()]


def one_clock_at_a_time(vps: Vps) -> None:
    found = ticks(vps)
    assert [what for what, _ in found] == (["begin", "end"] * len(found))[: len(found)], found
    assert found[-1] == ["begin", vps.live()]
    assert vps.run("pgrep -fc '[p]ython clock.py'").strip() == "1"


def processes(project: Project) -> dict[str, str]:
    """The processes of the live release, with their states."""
    (found,) = project.json("ps").values()
    assert {process["release"] for process in found} == {project.vps.live()}
    return {process["name"]: process["state"] for process in found}


def test_a_queue_loses_and_doubles_no_job_through_deploys_a_restart_and_a_rollback(project: Project) -> None:
    vps = project.vps
    asked(vps, "with recursive n(i) as (values(1) union all select i + 1 from n where i < 1000) "
               "insert into jobs(id) select i from n returning id")  # fmt: skip
    for _ in range(3):
        project.fab("deploy")
    project.fab("restart", "worker")
    project.fab("rollback")
    limit = time.monotonic() + 120
    while asked(vps, "select count(*) from jobs where done = 0") != [[0]]:
        assert time.monotonic() < limit, asked(vps, "select id, taken from jobs where done = 0")
        time.sleep(0.5)
    assert asked(vps, "select taken, done, count(*) from jobs group by 1, 2") == [[1, 1, 1000]]
    ((releases,),) = asked(vps, "select count(distinct release) from jobs")
    assert releases >= 4
    assert asked(vps, "select * from notes") == [], "the limit of their memory holds"


def test_a_singleton_never_runs_twice_through_deploys_and_stays_in_a_failed_one(project: Project) -> None:
    vps = project.vps
    one_clock_at_a_time(vps)
    before = ticks(vps)
    project.write("hello.py", "raise SystemExit('cannot start')\n")
    project.commit("broken")
    assert "cannot start" in project.fab("deploy", status=1).stdout
    assert ticks(vps) == before, "the old clock has not even been stopped"
    project.write("hello.py", WEB)
    project.commit("mended")
    project.fab("deploy")
    project.fab("restart", "clock")
    one_clock_at_a_time(vps)
    assert len(ticks(vps)) == len(before) + 4


def test_a_run_that_is_killed_leaves_not_two_singletons_and_one_after_the_next_boot(project: Project) -> None:
    vps = project.vps
    vps.run("touch /srv/hello/shared/clock.busy")
    with project.start("deploy") as killed:
        # The new release is live, and the old clock takes its time to end.
        wait_until(vps, "supervisorctl status | grep -q 'clock *STOPPING'")
        vps.run("pkill -KILL -f '[p]ython3 -I -c'")
        killed.communicate()
    assert killed.returncode == 1
    vps.run("rm /srv/hello/shared/clock.busy")
    wait_until(vps, "! pgrep -f '[p]ython clock.py'")
    (answer,) = project.json("status").values()
    assert "singletons" in answer["problem"]
    # As at a boot, supervisord starts what is live.
    vps.run("systemctl restart supervisor")
    wait_until(vps, "supervisorctl status | grep -q 'clock *RUNNING'")
    one_clock_at_a_time(vps)


def test_a_scale_holds_over_deploys_and_goes_back_with_a_rollback(project: Project) -> None:
    vps = project.vps
    done = project.fab("scale", "worker=1", "clock=0", "web=2")
    assert "worker 2 -> 1" in done.stdout
    assert processes(project) == {"web": "running", "worker": "running"}
    (answer,) = project.json("status").values()
    assert answer["problem"] is None
    project.fab("deploy")
    assert processes(project) == {"web": "running", "worker": "running"}
    assert vps.run("pgrep -fc 'gunicorn hello:app'").strip() == "3"
    assert "nothing to change" in project.fab("scale", "worker=1").stdout
    assert "supervisor.conf" not in project.fab("plan").stdout, "a deploy changes nothing about it"
    project.fab("rollback")
    project.fab("rollback")
    assert processes(project) == dict.fromkeys(["web", "worker.1", "worker.2", "clock"], "running")
    one_clock_at_a_time(vps)
    for words, problem in (
        ([], "there is no process to scale"),
        (["worker"], "expected process=number"),
        (["beat=1"], "found process 'beat', expected one of: web, worker, clock"),
        (["clock=2"], "clock is a singleton"),
        (["web=0"], "expected 1 or more"),
    ):
        assert problem in project.fab("scale", *words, status=2).stderr


def test_cron_entries_run_in_the_live_release_and_go_back_with_it(project: Project) -> None:
    vps = project.vps
    # As if the last look had been before a switch: what was due since is made up for, at once.
    ago = "import os, time; os.makedirs('/srv/hello/shared/.cron', exist_ok=True)\n"
    in_python(vps, f"{ago}open('/srv/hello/shared/.cron/looked', 'w').write(str(int(time.time()) // 60 - 3))")
    entry = {"schedule": "* * * * *", "command": 'echo "in $HOSTSMITH_RELEASE of $(id -un)"; sleep 1; exit 3'}
    configure(project, cron={"tidy-up": entry})
    project.commit("cron")
    project.fab("deploy")
    live = vps.live()
    wait_until(vps, f"grep -q 'exit status' /var/log/hello/cron-{live}.log")
    lines = project.fab("logs", "--process", "cron").stdout
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    for said in ("started", f"in {live} of hello", r"ended with exit status 3 after \d+\.\d s"):
        assert re.search(rf"^cron \| {stamp} tidy-up: {said}$", lines, re.MULTILINE), lines
    assert processes(project)["cron"] == "running"
    project.fab("rollback")
    assert "cron" not in processes(project)
    configure(project)
    project.commit("no cron")


def test_the_commands_of_the_docs(project: Project) -> None:
    commands = [
        command.text.split()
        for block in blocks(ROOT / "docs" / "processes.md")
        if block.language == "console"
        for command in block.commands()
    ]
    assert commands
    for program, *arguments in commands:
        assert program == "fab"
        project.fab(*arguments)


def test_a_singleton_runs_on_one_host_of_several_and_moves_without_being_there_twice(
    project: Project, boot: Callable[..., Vps], deployed_image: str
) -> None:
    first, second = project.vps, boot(deployed_image)
    second.wait_for_site()
    in_python(second, FILL)
    running = "pgrep -fc '[p]ython clock.py' || true"

    def clocks() -> list[str]:
        return [vps.run(running).strip() for vps in (first, second)]

    project.works_on({"web": [first.spec, second.spec]}, second, **settings_of(project))
    # The second host comes with numbers of its own, since it was another project's until now.
    project.fab("deploy", "--yes")
    assert clocks() == ["1", "0"]
    project.fab("deploy", "--host", second.spec)
    assert clocks() == ["1", "0"]
    moved = {"web": [first.spec, {"host": second.spec, "primary": True}]}
    project.works_on(moved, second, **settings_of(project))
    project.fab("deploy")
    assert clocks() == ["0", "1"]
    (end,) = (line.split() for line in [first.run("tail -n 1 /srv/hello/shared/clock.log")])
    (begin,) = (line.split() for line in [second.run("tail -n 1 /srv/hello/shared/clock.log")])
    assert (end[0], begin[0]) == ("end", "begin")
    assert float(end[2]) < float(begin[2])
    second.sandbox.destroy(second.name)


def settings_of(project: Project) -> dict[str, Any]:
    found = json.loads((project.folder / "fabric.yaml").read_text())
    return {name: value for name, value in found.items() if name not in ("app", "roles")}
