"""Which revisions the benchmark deploys and goes back to, and that nothing counts which is not so."""

from __future__ import annotations

import fcntl
import functools
import http.server
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import lab as labs
from benchmarks.jobs import Bench
from benchmarks.lab import Distance, Lab, LabError
from benchmarks.tools.app import page
from benchmarks.tools.base import DEPLOY_JOBS, Job, Tool, Way

HERE = Path(sys.executable)
WAY = Way("127.0.0.1", "127.0.0.1", 22, HERE, HERE)


class Copier(Tool):
    """Deploys a page by copying it; keeps those before it."""

    name = "copier"
    jobs = DEPLOY_JOBS

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.port = port
        self.done: list[Job] = []
        (folder / "index.html").write_text(page(1, 1))

    def install(self) -> str:
        return "1"

    def use(self, ways: Any) -> None:
        self.ways = tuple(ways)

    def template(self, number: int) -> None:
        pass

    def prepare(self) -> None:
        pass

    def revision(self, number: int, requirements: int = 0) -> None:
        (self.folder / "next").write_text(page(number, requirements))

    def command(self, job: Job) -> list[str]:
        self.done.append(job)
        back = "mv before index.html"
        return ["sh", "-c", back if job is Job.ROLLBACK else "mv index.html before && cp next index.html"]

    def unchanged(self, output: str, hosts: int) -> bool:
        return False


@pytest.fixture
def copier(tmp_path: Path) -> Iterator[Copier]:
    """The tool, and a server of what it deploys."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=[0.05]).start()
        yield Copier(tmp_path, server.server_port)
        server.shutdown()


def bench(copier: Copier) -> Bench:
    return Bench(Lab(copier.folder), [], Distance([WAY], None), [copier])


def test_a_rollback_is_timed_between_revisions_with_the_same_requirements(copier: Copier) -> None:
    work = bench(copier)
    for job in (Job.ROLLBACK, Job.DEPLOY_REQUIREMENTS, Job.ROLLBACK, Job.ROLLBACK):
        work.timed(copier, job)
    # Before each a revision was deployed to go back from.
    back = [Job.DEPLOY, Job.ROLLBACK]
    assert copier.done == [*back, Job.DEPLOY_REQUIREMENTS, *back, *back]


def test_revisions_are_new_each_time_and_requirements_when_they_are_to_be(copier: Copier) -> None:
    work, pages = bench(copier), []
    for job in (Job.DEPLOY, Job.ROLLBACK, Job.DEPLOY, Job.DEPLOY_REQUIREMENTS, Job.DEPLOY):
        work.timed(copier, job)
        pages.append((copier.folder / "index.html").read_text())
    assert pages == [page(2, 1), page(1, 1), page(3, 1), page(4, 2), page(5, 2)]


def test_a_deploy_that_is_not_served_ends_the_benchmark(copier: Copier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "_ANSWERS", 0.5)
    monkeypatch.setattr(copier, "command", lambda job: ["true"])
    with pytest.raises(LabError, match="copier, deploy: .* does not serve 'revision 2"):
        bench(copier).timed(copier, Job.DEPLOY)


def test_a_second_benchmark_leaves_the_hosts_of_the_first_alone(tmp_path: Path) -> None:
    held = os.open(labs.HERE, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LabError, match="another benchmark"), Lab(tmp_path):
            pass
    finally:
        os.close(held)
