"""What a host is found to be like: its services, its clock, and which parts of the hardening are in effect."""

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


def away(member: Member) -> Finding:
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
    # Asked apart, since the other answers take their time.
    asked = time.time()
    clock = report.clock(asked, member.ask("clock"), time.time())
    if no_plan:
        return [*answer, clock, finding("hardening", "wrong", no_plan)]
    in_container = any(each["check"] == "time sync" and each["state"] == "none" for each in answer)
    return [*answer, clock, *_hardening(member, in_container)]


def _asked_for(member: Member) -> Iterator[Finding]:
    """Whether the services that the app asks for are well, as far as they run here."""
    settings = member.settings
    if not settings.services:
        return
    from ..inventory.placement import runs_on
    from ..inventory.placement import services as all_of

    checks = {each.name: each.check() for each in all_of(settings) if runs_on(settings, each, member.target.roles)}
    problems = member.ask("check", commands=checks)
    for name in checks:
        if name in problems:
            yield finding(name, "wrong", problems[name], f"`systemctl --failed` and the log of {name} say more")
        else:
            yield finding(name, "ok", "answers")


def _hardening(member: Member, in_container: bool) -> Iterator[Finding]:
    """Which parts of the hardening are in effect: those that `fab provision` would leave as they are."""
    settings = member.settings
    # Each by itself: one that fails would keep the others from being told.
    plans = {one.describe(): member.would([one]) for one in recipes.hardening.hardening(settings, member.target.roles)}
    for part, names in report.HARDENING.items():
        if not getattr(settings.hardening, part):
            yield finding(part, "none", "switched off")
        elif in_container and part in ("time", "swap"):
            yield finding(part, "none", "a container has those of the machine around it")
        else:
            yield _part(part, [plans[name] for name in names])


def _part(part: str, plans: Sequence[Report]) -> Finding:
    if problems := [result.error for plan in plans for result in plan.failed]:
        return finding(part, "wrong", problems[0], "`fab provision` when it is mended")
    if any(plan.changed for plan in plans):
        return finding(part, "wrong", "not in effect", "`fab provision` sees to it")
    if notes := [note for plan in plans for note in plan.notes]:
        return finding(part, "advice", notes[0])
    return finding(part, "ok", "in effect")
