"""docs/settings.md, made from the schema: `python -m hostsmith.settings.reference > docs/settings.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .environment import Key, kinds, variable
from .schema import Settings

EXAMPLE = """\
app: blog
source: git@github.com:example/blog.git
revision: main

domains: [www.example.com, "*.example.org"]   # the first is the canonical one
www_redirect: true                            # example.com leads to www.example.com

roles:
  web: [root@web1.example.com, "deploy@203.0.113.7:2222"]
  worker: ["root@[2001:db8::1]"]

packages: [libpq5]
python: python3.12
requirements: [requirements.txt, requirements/production.txt]

processes:                                    # over and above those of the Procfile
  web: gunicorn blog.wsgi
  worker: celery -A blog worker
  release: python manage.py migrate
workers: 4
threads: 2
web_timeout: 30

health:
  path: /healthz
  host: www.example.com
  timeout: 60
  statuses: [200-299, 301]

environment:
  DJANGO_SETTINGS_MODULE: blog.settings
  DEBUG: false

static:
  /static/: build/static
  /media/: media
client_max_body_size: 25m

keep_releases: 5
release_timeout: 600
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


def render() -> str:
    """The whole page."""
    rows = ["| Key | What it is | Default | Meaning | Variable |", "| --- | --- | --- | --- | --- |"]
    rows += [_row(key, phrase, info) for key, phrase, info in _fields()]
    table = "\n".join(rows)
    return f"{_INTRODUCTION}\n{table}\n\n## A complete example\n\n```yaml\n{EXAMPLE}```\n"


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


def _row(key: Key, phrase: str, info: FieldInfo) -> str:
    default = "required" if info.is_required() else _default(info.get_default(call_default_factory=True))
    cells = [f"`{'.'.join(key)}`", phrase, default, info.description or "", f"`{variable(key)}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if value is None:
        return "see meaning"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(render())
