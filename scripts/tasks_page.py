"""Reference of all tasks: `python scripts/tasks_page.py > docs/tasks.md`."""

from __future__ import annotations

import sys

import hostsmith

# In the order of the page; a test holds that each task is in one of them.
GROUPS = {
    "Setup": ["init", "provision", "doctor", "hosts"],
    "Releases": ["deploy", "rollback", "releases", "pending", "plan"],
    "Operation": ["status", "ps", "logs", "scale", "restart", "maintenance.on", "maintenance.off", "unlock"],
    "Commands in the app's environment": ["run", "manage", "shell"],
    "Variables and secrets": [
        *("config.set", "config.get", "config.unset", "config.edit"),
        *("secrets.init", "secrets.edit", "secrets.rotate"),
    ],
    "Data": ["backup", "backups", "restore", "services.clear"],
    "Your own machine": ["serve", "sandbox.up", "sandbox.list", "sandbox.down", "sandbox.destroy"],
}
# Explained once, above the tables. `--words` carries what stands without a flag.
_HOSTS = {"--role", "--host", "--exclude"}
_COMMON = {"--json", "--skip-unreachable", "--batch", "--yes"}
_INTERNAL = {"--words"}

_HEAD = """\
# Tasks

`fab --list` shows the tasks and `fab --help deploy` the flags of one. `fab -H root@203.0.113.7 status` names a host
directly; a host that is in no role plays every role. This page is generated from the tasks themselves.

Flags that several tasks have:

| Flag | What it does |
| --- | --- |
| hosts: `--role web,worker` | Only hosts of these roles |
| hosts: `--host 'web[1:3]'` | Only these hosts; patterns are fine |
| hosts: `--exclude web3` | Not these hosts |
| `--json` | Print one JSON document instead of text |
| `--skip-unreachable` | Go on without hosts that are unreachable; the next deploy updates them |
| `--batch 1` | How many hosts switch at the same time; `25%` is fine |
| `--yes` | Do not ask for confirmation |

"""

_TAIL = """
## Exit status

| Status | What it means |
| --- | --- |
| 0 | Success |
| 1 | The work failed |
| 2 | Values of the command line or the settings are invalid; unknown tasks and flags give 1 |
| 3 | `--check` found a difference |

`fab run` and `fab manage` exit with the status of the command on the host.

## JSON

With `--json` a task prints one document, also when it fails:

```json
{"format": 1, "ok": false, "error": {"kind": "settings", "message": "...", "host": null}}
```

`format` changes when a key is removed or changes its meaning. `ok` is false when the task failed; `error` then has the
kind of error, its message, and the host if it is about one. The other keys depend on the task. Seconds are numbers.
"""


def page() -> str:
    """Write the page as text."""
    contexts = {str(context.name): context for context in hostsmith.ns.to_contexts()}
    sections = []
    for group, names in GROUPS.items():
        lines = [f"## {group}", "", "| Task | What it does | Flags | Also |", "| --- | --- | --- | --- |"]
        for name in names:
            flags = set(contexts[name].flag_names())
            hosts = flags & _HOSTS if flags >= _HOSTS else set()
            own = _quoted(flags - hosts - _COMMON - _INTERNAL)
            common = ", ".join(["hosts"] * bool(hosts) + [_quoted(flags & _COMMON)] * bool(flags & _COMMON))
            task = hostsmith.ns[name]
            usage = f"{name} {getattr(task, 'arguments', '')}".strip()
            lines.append(f"| `fab {usage}` | {str(task.__doc__).splitlines()[0]} | {own} | {common} |")
        sections.append("\n".join(lines) + "\n")
    return _HEAD + "\n".join(sections) + _TAIL


def _quoted(flags: set[str]) -> str:
    return ", ".join(f"`{flag}`" for flag in sorted(flags))


if __name__ == "__main__":
    sys.stdout.write(page())
