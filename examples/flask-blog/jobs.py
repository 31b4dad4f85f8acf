"""A queue of jobs, in a stream of Redis.

A job stays in the stream until it is done. A worker that is told to stop finishes the job it is at and takes no other.
Of one that was killed, others take the job over when it has been silent for long.
"""

import json
import logging
import os
import pkgutil
from collections.abc import Callable

import redis

STREAM, GROUP, FAILED = "jobs", "workers", "jobs:failed"
# Milliseconds after which a job that was taken and is not done is taken again: more than any job takes.
GIVEN_UP = 600_000
# Milliseconds to wait for a job before looking whether to stop.
PATIENCE = 500

# Version 2 of the protocol: the same shape of answers from every version of the library.
connection = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"), decode_responses=True, protocol=2)


def put(function: str, *arguments: object) -> None:
    """Have a worker call a function, such as "tasks:count_words"."""
    connection.xadd(STREAM, {"call": json.dumps([function, *arguments])})


def work(name: str, is_over: Callable[[], bool]) -> None:
    """Do jobs until it is over.

    :param name: of this worker; no two that run at the same time have the same.
    """
    try:
        connection.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):  # it is there already
            raise
    while not is_over():
        for number, job in _take(name):
            _do(number, job)
    connection.xgroup_delconsumer(STREAM, GROUP, name)


def _take(name: str) -> list[tuple[str, dict[str, str]]]:
    """One job, or none when there is none for a while."""
    left = connection.xautoclaim(STREAM, GROUP, name, GIVEN_UP, count=1)[1]
    if left:
        return left
    found = connection.xreadgroup(GROUP, name, {STREAM: ">"}, count=1, block=PATIENCE)
    return found[0][1] if found else []


def _do(number: str, job: dict[str, str]) -> None:
    """Do a job and take it out of the stream; one that fails goes to those that did."""
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
