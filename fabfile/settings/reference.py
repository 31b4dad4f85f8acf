"""docs/settings.md, made from the schema: `python -m hostsmith.settings.reference > docs/settings.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .cron import CronEntry
from .entries import HostEntry
from .environment import Key, kind_of, kinds, variable
from .processes import Process
from .project import Settings

EXAMPLE = """\
app: blog
source: git@github.com:example/blog.git
revision: main

domains: [www.example.com, "*.example.org"]   # the first is the canonical one
www_redirect: true                            # example.com leads to www.example.com

roles:
  web:
    - root@web[01:04].example.com             # four hosts
    - {host: big.example.com, user: root, port: 2222, weight: 3, workers: 16, python: python3.13}
  worker:
    - big.example.com:2222                    # the same host; what is said of it above holds here
    - host: root@10.0.0.7
      primary: true                           # `release` runs here
      gateway: root@bastion.example.com
      connect_timeout: 20
      forward_agent: true
      connect_kwargs: {key_filename: /home/me/.ssh/worker}
  db: ["root@[2001:db8::1]"]
  lb: [{host: root@lb.example.com, address: 10.0.0.2}]
concurrency: 20
batch: 25%

tls:                                          # `tls: true` is enough for names without a wildcard
  certificate: tls/example.pem
  key: ~/secrets/example.key
  hsts: 63072000

packages: [libpq5]
python: python3.12
requirements: [requirements.txt, requirements/production.txt]

processes:                                    # over and above those of the Procfile
  web: gunicorn blog.wsgi
  worker: {command: celery -A blog worker, scale: 2, stop_timeout: 300, memory: 512m}
  clock: {command: celery -A blog beat, singleton: true}
  mailer: {command: python mailer.py, stop_signal: INT, start_timeout: 10}
  release: python manage.py migrate
cron:
  cleanup: {schedule: "0 3 * * *", command: python manage.py clearsessions}
  tmp: {schedule: "@daily", command: rm -rf /tmp/blog, every_host: true}
workers: 4
threads: 2
web_timeout: 30

services:                                     # `[postgres]` when there is no more to say
  postgres: {role: db, extensions: [postgis]}

health:
  path: /healthz
  host: www.example.com
  timeout: 60
  statuses: [200-299, 301]

backup:
  schedule: 15 3 * * *
  keep: 7
  to: /var/backups/blog
  before_migrate: true
balancer:
  algorithm: leastconn
  drain: true
  rate_limit: 200

hardening:                                    # `hardening: false` for none of it
  ssh: true
  firewall: true
  upgrades: true
  fail2ban: true
  sysctl: true
  time: true
  swap: auto
firewall:
  allow:
    - {port: 8125, protocol: udp, from: [web, 10.0.0.0/8], to: db}
    - {port: 5555, from: 203.0.113.7}
  trusted: [203.0.113.7, "2001:db8::/32"]

deployers:
  user: deploy
  keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice
    - keys/bob.pub

framework: django
environment:
  DJANGO_SETTINGS_MODULE: blog.settings
  DEBUG: false
  SECRET_KEY: {generate: 50}
  STRIPE_KEY: {command: [pass, show, blog/stripe]}
secrets_key: ~/keys/blog.key

static:
  /static/: build/static
  /media/: media
client_max_body_size: 25m

keep_releases: 5
release_timeout: 600
build_timeout: 1800
drain_timeout: 30
lock_timeout: 30

x-team: platform                              # keys that begin with x- are your own
"""

_INTRODUCTION = """\
# Settings

The settings of a project are top-level keys of `fabric.yaml`, Fabric's own configuration file, in the folder
of the fabfile. Only `app` is required. This deploys a site whose `Procfile` names a `web` process:

```yaml
app: blog
roles:
  web: [root@web1.example.com]
```

- `fab -f staging.yaml deploy` lays another file over it, key by key; a mapping is merged, a list is replaced.
- A variable of the environment wins over both: `FABRIC_` and the key in upper case. Write a list with commas
  (`FABRIC_DOMAINS=example.com,example.org`) and a mapping as YAML or JSON (`FABRIC_ROLES='{web: [web1]}'`);
  both replace what the files say. An empty variable counts as not set.
- `FABRIC_ENVIRONMENT_<NAME>` sets one variable of the app, so that a secret need not stand in a file.
- The processes are those of the `Procfile`, one `name: command` a line, with the key `processes` over them.
  It is read in the source when that is a local folder, else in the folder of the fabfile. One must be `web`.
- Fabric's own keys (`user`, `port`, `connect_kwargs`, `forward_agent` and so on) stand in the same file. Keys
  that begin with `x-` are yours, and so are those that your fabfile gives to `configure()`. Any other key is
  an error.
- YAML reads some bare words as numbers, dates, true or false: put such a text in quotes (`revision: "2024"`).

## Keys
"""

_HOSTS = """
## A host of a role

A host is written `[user@]host[:port]`, with an IPv6 address in brackets: `root@[2001:db8::1]:22`. It may be a name
from the SSH configuration, whose `HostName`, `User`, `Port`, `ProxyJump` and `IdentityFile` hold.

A pattern stands for several: `web[1:3]` for `web1`, `web2` and `web3`; `web[01:20].example.com` keeps the zero;
with several ranges it stands for all their combinations, of which there may be 1000.

A host with values of its own is a mapping, and so may be a pattern. What one role says of a host holds in all its
roles, so each value is written once; two roles that contradict each other are an error. A host that is written in
two ways, such as `web1` and `root@web1:22`, or a name of the SSH configuration and its `HostName`, is one host. The
same text twice in a role is an error.
"""

_PROCESSES = """
## A process

A process is its command, or a mapping. A mapping without `command` is about a process of the `Procfile`. More about
them is in [processes.md](processes.md).
"""


def render() -> str:
    """The whole page."""
    rows = ["| Key | What it is | Default | Meaning | Variable |", "| --- | --- | --- | --- | --- |"]
    rows += [_row(*_cells(".".join(key), phrase, info), f"`{variable(key)}`") for key, phrase, info in _fields()]
    return "\n".join(
        [
            *(_INTRODUCTION, *rows),
            *(_HOSTS, *_table(HostEntry)),
            *(_PROCESSES, *_table(Process)),
            *("", "## A cron entry", "", *_table(CronEntry)),
            *("", "## A complete example", "", f"```yaml\n{EXAMPLE}```", ""),
        ]
    )


def _fields() -> Iterator[tuple[Key, str, FieldInfo]]:
    """Every key that holds a value itself."""
    for key, kind in kinds():
        model: type[BaseModel] = Settings
        info = model.model_fields[key[0]]
        for name in key[1:]:
            assert isinstance(info.annotation, type)
            info = info.annotation.model_fields[name]
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            yield key, kind.text, info


def _table(model: type[BaseModel]) -> list[str]:
    """The keys of what there may be several of, those that are required first."""
    fields = sorted(model.model_fields.items(), key=lambda field: not field[1].is_required())
    rows = [_row(*_cells(name, kind_of(info).text, info)) for name, info in fields]
    return ["| Key | What it is | Default | Meaning |", "| --- | --- | --- | --- |", *rows]


def _cells(key: str, phrase: str, info: FieldInfo) -> tuple[str, ...]:
    default = "required" if info.is_required() else _default(info.get_default(call_default_factory=True))
    return f"`{key}`", phrase, default, info.description or ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if value is None or value == "":
        return "see meaning"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(render())
