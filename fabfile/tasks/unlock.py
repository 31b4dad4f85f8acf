"""`fab unlock`: an end to the runs that hold the hosts' locks."""

from __future__ import annotations

from ..connection import requests
from ..fab.task import JSON, TaskCall, task


@task(JSON)
def unlock(call: TaskCall) -> None:
    """End the run that holds a host's lock."""
    with call.look(call.hosts()) as fleet:
        holders = fleet.each(lambda member: member.request(requests.act("break_lock")))
    call.document["hosts"] = {member.label: {"ended": ended} for member, ended in holders.items()}
    for member, ended in holders.items():
        name = call.console.name(member.label)
        call.console.say(f"{name}: " + (f"ended {ended}" if ended else "nobody holds the lock"))
