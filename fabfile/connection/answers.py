"""Schemas of hosts' answers to queries; anything else is rejected.

A host may be compromised. Its answers go into files of other hosts, to git and to this terminal.
"""

from __future__ import annotations

from typing import Any

from ..contract.checks import Check, anything, exactly, mapping, optional, record, release_id, revision, text
from ..errors import AgentError

_LARGEST = 1 << 53


def count(found: Any) -> bool:
    """Whether it is a whole number that is not negative."""
    return type(found) is int and 0 <= found <= _LARGEST


def moment(found: Any) -> bool:
    """Whether it is a time in seconds since 1970."""
    return type(found) in (int, float) and 0 <= found <= _LARGEST


def words(found: Any) -> bool:
    """Whether it is free text, which is only ever shown in printable form."""
    return type(found) is str


def _listed(check: Check) -> Check:
    """Check a list of any length: a repository has any number of commits."""
    return lambda found: type(found) is list and all(check(each) for each in found)


# What can be written as UTF-8.
value = text(r"[^\x00\ud800-\udfff]{0,1000000}")
line = text(r"[^\x00-\x1f\x7f]{0,250}")
# Valid for the shell that reads the file with them.
variable = text(r"[A-Za-z_][A-Za-z0-9_]{0,250}")
process = text(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
commit = text(r"[0-9a-f]{40,64}")
flag = exactly(True, False)
# Of hostsmith.
version = text(r"[0-9][A-Za-z0-9.+-]{0,80}")

_MADE = record(id=release_id, revision=revision, subject=words, who=words, created=words, state=line, reason=words)
_PROCESS = {"name": line, "state": line, "pid": count, "uptime": count}
_SERVER = record(name=line, status=line, sessions=count, weight=count, since=count, check=line)
_COMMIT = record(id=commit, date=line, author=words, subject=words)
_WAY = record(new=_listed(_COMMIT), gone=_listed(_COMMIT), files=_listed(words))
_MIGRATIONS = record(before=_listed(words), after=_listed(words))
_LISTED = record(name=line, size=count, created=words, release=words, parts=_listed(line))
_FOUND = record(check=line, state=exactly("ok", "advice", "wrong", "none"), found=words, mend=words)
_GIVEN = record(value=value, origin=words, shown=flag)
_VARIABLES = record(
    since=lambda found: found == "" or release_id(found),
    given=mapping(variable, _GIVEN),
    chosen=mapping(variable, value),
    scale=optional(mapping(process, lambda found: count(found) and found <= 100)),
)

# By the name of the query or action; see `agent.queries` and `agent.actions`.
ANSWERS: dict[str, Check] = {
    "releases": record(live=optional(release_id), records=_listed(_MADE), migrations=mapping(release_id, _MIGRATIONS)),
    "before_deploy": record(releases=_listed(release_id), objects=_listed(commit), live=optional(release_id)),
    "resolve": record(commit=commit, subject=words),
    "status": record(
        live=optional(release_id),
        record=optional(_MADE),
        releases=mapping(release_id, line),
        processes=_listed(record(**_PROCESS)),
        servers=_listed(_SERVER),
        problem=optional(words),
        maintenance=optional(mapping(line, optional(words))),
        disk=record(used=count, free=count),
        lock=optional(words),
        cut_off=words,
        provisioned_by=optional(version),
    ),
    "balancer": _listed(_SERVER),
    "verify": record(problem=optional(words), runs=_listed(line), starts=flag),
    "log_lines": record(
        lines=lambda found: type(found) is list and all(_is_log_line(each) for each in found),
        marks=mapping(text(r"[0-9]{1,20}"), count),
    ),
    "lock_holder": optional(words),
    "break_lock": optional(words),
    "live_release": optional(_MADE),
    "history": record(commit=commit, since=mapping(line, optional(_WAY))),
    "app_processes": _listed(record(**_PROCESS, release=release_id, live=flag, memory=count)),
    "kept_variables": record(
        live=optional(_MADE),
        bad=_listed(release_id),
        variables=optional(_VARIABLES),
        generated=mapping(variable, value),
    ),
    # They become part of URLs, on one line.
    "services": mapping(line, text(r"[^\x00-\x20\x7f]{1,250}")),
    "backups": record(archives=_listed(_LISTED), problem=words),
    "examine": _listed(_FOUND),
    "check": mapping(line, words),
    "clock": moment,
    "running_variables": mapping(words, words),
}

# The part of an answer to `kept_variables` that archives keep, those of earlier versions too.
is_kept = record(
    live=anything, bad=anything, variables=optional(_VARIABLES), generated=optional(mapping(variable, value))
)


def checked(host: str, query: str, answer: Any) -> Any:
    """Validate the answer of a host to a query.

    :raises AgentError: it is not a valid answer.
    """
    if not ANSWERS[query](answer):
        raise AgentError(
            f"{host}: invalid answer to {query!r}, which was rejected; the host or the app's records on it may have "
            "been changed: check /srv and /var/lib/hostsmith"
        )
    return answer


def _is_log_line(found: Any) -> bool:
    return type(found) is list and len(found) == 3 and moment(found[0]) and line(found[1]) and words(found[2])
