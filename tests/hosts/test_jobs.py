"""examples/flask-blog: a database with migrations, and a queue whose worker no deploy disturbs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project
from tests.hosts.readme import followed

# Jobs that say when they begin and when they are done. `across` goes on until the worker's own release is live no more
# and beyond, so it is under way when that worker is told to stop.
COUNTING = """\
import json
import os
import sys
import time

import jobs

RELEASE = os.environ["HOSTSMITH_RELEASE"]


def short(number):
    _count(number, 0.005)


def long(number):
    _count(number, 1)


def across(number):
    jobs.connection.hincrby("begun", number)
    while os.path.basename(os.readlink("/srv/blog/current")) == RELEASE:
        time.sleep(0.05)
    _done(number, 1.5)


def _count(number, seconds):
    jobs.connection.hincrby("begun", number)
    _done(number, seconds)


def _done(number, seconds):
    time.sleep(seconds)
    jobs.connection.hincrby("done", number)
    jobs.connection.sadd("releases", RELEASE)


def queue(first, last):
    for number in range(first, last):
        kind = "across" if number in (125, 375, 625) else "long" if number % 100 == 99 else "short"
        jobs.put(f"counting:{kind}", number)
    _wait(lambda: jobs.connection.hexists("begun", first + 125))


def finish():
    _wait(lambda: not jobs.connection.xlen(jobs.STREAM))
    tables = {name: jobs.connection.hgetall(name) for name in ("begun", "done")}
    print(json.dumps({**tables, "releases": sorted(jobs.connection.smembers("releases"))}))


def _wait(condition):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{jobs.connection.xlen(jobs.STREAM)} jobs are left")
        time.sleep(0.05)


if __name__ == "__main__":
    queue(*map(int, sys.argv[1:])) if sys.argv[1:] else finish()
"""


@pytest.fixture(scope="module")
def blog(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with followed("flask-blog", tmp_path_factory.mktemp("blog"), {"counting.py": COUNTING}) as project:
        yield project


def test_a_post_is_kept_and_the_worker_counts_its_words(blog: Project) -> None:
    answer = blog.vps.http("/posts", body="title=Ants&text=Six+legs+each")
    assert answer.status == 303
    limit = time.monotonic() + 60
    while "3 words" not in blog.vps.http(answer.headers["location"]).body:
        assert time.monotonic() < limit, "not counted"
        time.sleep(0.1)
    assert "Ants" in blog.vps.http("/").body


def test_a_deploy_with_the_same_requirements_is_one_exec_and_builds_nothing(blog: Project) -> None:
    vps = blog.vps
    answer = vps.http("/posts", body="title=Bees&text=Two+wings")
    built = vps.run("ls --full-time /srv/blog/venvs")
    blog.commit("nothing new")
    before = vps.sessions()
    done = blog.fab("deploy")
    # Its own, and the one that counts.
    assert vps.sessions() - before == 2
    assert "building a virtualenv" not in done.stdout
    assert vps.run("ls --full-time /srv/blog/venvs") == built
    assert "Bees" in vps.http(answer.headers["location"]).body


def test_a_thousand_jobs_are_each_done_once_while_three_releases_go_live(blog: Project) -> None:
    releases = [blog.live()]
    for first in (0, 250, 500):
        # Returns when the job that is to outlast its release has begun.
        blog.fab("run", "--", "python", "counting.py", str(first), str(first + 250))
        blog.commit("another release")
        blog.fab("deploy")
        releases.append(blog.live())
    blog.fab("run", "--", "python", "counting.py", "750", "1000")
    found = json.loads(blog.fab("run", "--", "python", "counting.py").stdout)
    once = {str(number): "1" for number in range(1000)}
    assert found["begun"] == once
    assert found["done"] == once
    # Each has done some, so the deploys did come while there were jobs.
    assert found["releases"] == sorted(releases)


def test_what_alembic_has_applied_is_remembered_and_asked_about_on_the_way_back(blog: Project) -> None:
    first, *_ = [row["migrations"] for row in blog.releases()]
    live = blog.live()
    blog.write(
        "migrations/versions/0003_nothing.py",
        'revision = "0003"\ndown_revision = "0002"\n\ndef upgrade():\n    """Nothing."""\n',
    )
    blog.commit("a migration")
    assert "migrations: applied: 0003" in blog.fab("deploy").stdout
    assert [row["migrations"] for row in blog.releases()][-1] == ["0003"]
    assert first == ["0001", "0002"]
    refused = blog.fab("rollback", status=2)
    assert "a rollback does not undo: 0003" in refused.stderr
    blog.fab("rollback", "--yes")
    assert blog.live() == live
