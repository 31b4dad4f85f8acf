"""A queue of jobs, in a stream of Redis.

A job stays in the stream until it is done. A worker that is stopped finishes its current job and takes no other.
The job of a killed worker is taken over by others after a while.
"""

import json
import logging
import os
import pkgutil
from collections.abc import Callable

import redis

STREAM, GROUP, FAILED = "jobs", "workers", "jobs:failed"
# Milliseconds after which an unfinished job is taken over: more than any job takes.
GIVEN_UP = 600_000
# Milliseconds to wait for a job before checking whether to stop.
PATIENCE = 500

# Version 2 of the protocol: the same shape of answers from every version of the library.
connection = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"), decode_responses=True, protocol=2)


def put(function: str, *arguments: object) -> None:
    """Queue a call of a function, such as "tasks:count_words"."""
    connection.xadd(STREAM, {"call": json.dumps([function, *arguments])})


def work(name: str, is_stopped: Callable[[], bool]) -> None:
    """Do jobs until the worker is stopped.

    :param name: unique name of this worker.
    """
    try:
        connection.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):  # it exists
            raise
    while not is_stopped():
        for number, job in _take(name):
            _do(number, job)
    connection.xgroup_delconsumer(STREAM, GROUP, name)


def _take(name: str) -> list[tuple[str, dict[str, str]]]:
    """Take a job; empty when there is none for a while."""
    left = connection.xautoclaim(STREAM, GROUP, name, GIVEN_UP, count=1)[1]
    if left:
        return left
    found = connection.xreadgroup(GROUP, name, {STREAM: ">"}, count=1, block=PATIENCE)
    return found[0][1] if found else []


def _do(number: str, job: dict[str, str]) -> None:
    """Do a job and remove it from the stream; a failed one moves to the failed jobs."""
    with connection.pipeline() as done:
        try:
            function, *arguments = json.loads(job["call"])
            pkgutil.resolve_name(function)(*arguments)
        except Exception:
            logging.exception("job %s failed: %s", number, job["call"])
            done.xadd(FAILED, job)
        done.xack(STREAM, GROUP, number)
        done.xdel(STREAM, number)
        done.execute()
