"""Inspection of a host: its services, its clock and its hardening."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .. import recipes
from ..agent.doctor import Finding, finding
from ..fleet import Member
from ..inventory.processes import balances
from . import doctor as report

if TYPE_CHECKING:
    from ..report import Report


def unreachable(member: Member) -> Finding:
    return finding("host", "wrong", member.report.problem())


def examined(member: Member, no_plan: str) -> list[Finding]:
    settings, roles = member.settings, member.target.roles
    on = settings.hardening.firewall
    services = ["supervisor"] if member.target.processes else []
    services += ["nginx"] if "web" in roles else []
    services += ["haproxy"] if balances(settings, roles) else []
    rules = [] if no_plan else recipes.firewall.firewall_rules(settings, roles)
    known = [f"{rule.port}/{rule.protocol}" for rule in rules]
    answer: list[Finding] = member.ask("examine", services=services, open_ports=known, firewall=on)
    answer += _asked_for(member)
    # A separate query: the others take a while.
    asked = time.time()
    clock = report.clock(asked, member.ask("clock"), time.time())
    if no_plan:
        return [*answer, clock, finding("hardening", "wrong", no_plan)]
    in_container = any(each["check"] == "time sync" and each["state"] == "none" for each in answer)
    return [*answer, clock, *_hardening(member, in_container)]


def _asked_for(member: Member) -> Iterator[Finding]:
    """Check the app's services that run on this host."""
    settings = member.settings
    if not settings.services:
        return
    from ..inventory.placement import runs_on
    from ..inventory.placement import services as all_of

    checks = {each.name: each.check() for each in all_of(settings) if runs_on(settings, each, member.target.roles)}
    problems = member.ask("check", commands=checks)
    for name in checks:
        if name in problems:
            yield finding(name, "wrong", problems[name], f"`systemctl --failed` and the log of {name} show more")
        else:
            yield finding(name, "ok", "answers")


def _hardening(member: Member, in_container: bool) -> Iterator[Finding]:
    """Check which parts of the hardening are in effect: those that `fab provision` would not change."""
    settings = member.settings
    # Each by itself: a failing one would hide the others.
    plans = {one.describe(): member.would([one]) for one in recipes.hardening.hardening(settings, member.target.roles)}
    for part, names in report.HARDENING.items():
        if not getattr(settings.hardening, part):
            yield finding(part, "none", "switched off")
        elif in_container and part in ("time", "swap"):
            yield finding(part, "none", "a container uses those of its machine")
        else:
            yield _part(part, [plans[name] for name in names])


def _part(part: str, plans: Sequence[Report]) -> Finding:
    if problems := [result.error for plan in plans for result in plan.failed]:
        return finding(part, "wrong", problems[0], "run `fab provision` when it is fixed")
    if any(plan.changed for plan in plans):
        return finding(part, "wrong", "not in effect", "run `fab provision`")
    if notes := [note for plan in plans for note in plan.notes]:
        return finding(part, "advice", notes[0])
    return finding(part, "ok", "in effect")
