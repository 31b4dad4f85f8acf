"""Groups of the settings reference in reading order, each with an example."""

from __future__ import annotations

INTRODUCTION = """\
# Settings

Settings are top-level keys of `fabric.yaml`, Fabric's own configuration file, in the folder of the fabfile. Only
`app` is required. This deploys a site whose `Procfile` has a `web` process:

```yaml
app: blog
roles:
  web: [root@web1.example.com]
```

**Files.** `fab -f staging.yaml deploy` lays another file over `fabric.yaml`, key by key: a mapping is merged, a list is
replaced. Fabric's own keys (`user`, `port`, `connect_kwargs`, `forward_agent` and so on) are in the same file. Keys
that begin with `x-` are yours, and so are those that your fabfile gives to `configure()`. Any other key is an error.

**Environment variables.** A variable overrides the files. Its name is `FABRIC_` and the key in upper case, with `_`
between the parts: `FABRIC_WORKERS` for `workers`, `FABRIC_HEALTH_PATH` for `path` of `health`. Write a list with commas
(`FABRIC_DOMAINS=example.com,example.org`) and a mapping as YAML or JSON (`FABRIC_ROLES='{web: [web1]}'`); both replace
the value of the files. The keys of one host, process, cron entry, service or firewall rule have no variables. An empty
variable counts as not set. `FABRIC_ENVIRONMENT_<NAME>` sets one variable of the app, so that a secret need not be in
a file.

**Quotes.** YAML reads some bare words as numbers, dates, true or false: put such a text in quotes (`revision: "2024"`).

Each key below has an example value. `#key: value`, without a space after the `#`, is an alternative to keys above it:
the two exclude each other.
"""

_APP = """\
app: blog
source: git@github.com:example/blog.git
revision: main
framework: django
"""

_PYTHON = """\
python: python3.12
requirements: [requirements.txt, requirements/production.txt]
packages: [libpq5]
"""

_PROCESSES = """\
processes:
  web: gunicorn blog.wsgi
  release: python manage.py migrate
  worker:
    command: celery -A blog worker
    scale: 2
    memory: 512m
    start_timeout: 10
    stop_signal: INT
    stop_timeout: 300
  clock:
    command: celery -A blog beat
    singleton: true
workers: 4
threads: 2
web_timeout: 30
"""

_CRON = """\
cron:
  cleanup:
    schedule: "0 3 * * *"
    command: python manage.py clearsessions
    every_host: true
"""

_ENVIRONMENT = """\
environment:
  DJANGO_SETTINGS_MODULE: blog.settings
  DEBUG: false
  SECRET_KEY: {generate: 50}
  STRIPE_KEY: {command: [pass, show, blog/stripe]}
secrets_key: ~/keys/blog.key
"""

_ROLES = """\
roles:
  web:
    - root@web[01:04].example.com   # four hosts
    - host: big.example.com
      user: root
      port: 2222
      address: 10.0.0.7
      weight: 3
      workers: 16
      python: python3.13
      primary: true
      gateway: root@bastion.example.com
      connect_timeout: 20
      forward_agent: true
      connect_kwargs: {key_filename: /home/me/.ssh/web}
  worker: [big.example.com:2222]    # the same host, with the settings from above
  db: ["root@[2001:db8::1]"]
  lb: [root@lb.example.com]
"""

_SERVICES = """\
services:
  redis: {}
  postgres:
    role: db
    extensions: [postgis]           # an option of this service
"""

_SITE = """\
domains: [www.example.com, www.example.org]
www_redirect: true
tls:
  enabled: true
  email: me@example.com
  hsts: 63072000
  server: https://acme.example.com/directory
  ca: tls/root.pem
  #staging: true
  #certificate: tls/example.pem
  #key: ~/secrets/example.key
  #self_signed: true
"""

_STATIC = """\
static:
  /static/: build/static
  /media/: media
client_max_body_size: 25m
"""

_HEALTH = """\
health:
  path: /healthz
  host: www.example.com
  timeout: 120
  statuses: [200-299, 301]
"""

_DEPLOYS = """\
concurrency: 10
batch: 25%
keep_releases: 10
lock_timeout: 60
build_timeout: 600
release_timeout: 1200
drain_timeout: 60
"""

_BALANCER = """\
balancer:
  algorithm: leastconn
  drain: true
  rate_limit: 200
"""

_HARDENING = """\
hardening:
  ssh: true
  firewall: true
  upgrades: true
  fail2ban: false
  sysctl: true
  time: true
  swap: true
firewall:
  allow:
    - port: 8125
      protocol: udp
      from: [web, 10.0.0.0/8]
      to: db
  trusted: [203.0.113.7, "2001:db8::/32"]
"""

_DEPLOYERS = """\
deployers:
  user: deploy-blog
  keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice
    - keys/bob.pub
"""

_BACKUP = """\
backup:
  schedule: "15 3 * * *"
  keep: 14
  to: /srv/backups/blog
  before_migrate: true
"""

# Title, text and example of each group.
GROUPS = (
    ("The app", "See [django.md](django.md) for the framework.\n", _APP),
    (
        "Python and packages",
        "See [requirements.md](requirements.md) for locks, and for\n"
        "[the version of Python](requirements.md#the-version-of-python).\n",
        _PYTHON,
    ),
    (
        "Processes",
        """\
Processes come from the `Procfile`, one `name: command` a line, and from the key `processes`, which overrides it. The
`Procfile` is that of the source if this is a local folder, else the one beside the fabfile. One process must be `web`.
A process is a command or a mapping; a mapping without `command` is for a process of the `Procfile`. See
[processes.md](processes.md).
""",
        _PROCESSES,
    ),
    ("Cron", "See [processes.md](processes.md).\n", _CRON),
    (
        "Environment variables and secrets",
        "See [secrets.md](secrets.md), also for more ways to keep a secret out of files.\n",
        _ENVIRONMENT,
    ),
    (
        "Hosts and roles",
        """\
A host is `[user@]host[:port]`, with an IPv6 address in brackets: `root@[2001:db8::1]:22`. It may be a name of the SSH
configuration, whose `HostName`, `User`, `Port`, `ProxyJump` and `IdentityFile` are used.

A pattern stands for several hosts: `web[1:3]` for `web1`, `web2` and `web3`; `web[01:20].example.com` keeps the zero.
Several ranges stand for all their combinations, at most 1000.

A host with its own settings is a mapping; a pattern can be one, too. The settings of a host apply in all its roles, so
write each once; roles that contradict each other are an error. A host that is written in two ways, such as `web1` and
`root@web1:22`, or a name of the SSH configuration and its `HostName`, is one host. The same text twice in a role is an
error.
""",
        _ROLES,
    ),
    (
        "Services",
        """\
A list such as `[postgres, redis]` is short for a mapping without options. [services.md](services.md) has the services
and the options of each.
""",
        _SERVICES,
    ),
    ("Domains and HTTPS", "See [tls.md](tls.md).\n", _SITE),
    ("Static files and uploads", "nginx serves static files by itself.\n", _STATIC),
    ("Health check", "Each web host requests the page from a new release, on its socket and through nginx.\n", _HEALTH),
    ("Deploys", "See [the guide](guide.md) for deploys to many hosts.\n", _DEPLOYS),
    ("Balancer", "A balancer is a host of the role `lb`.\n", _BALANCER),
    ("Hardening and firewall", "See [hardening.md](hardening.md).\n", _HARDENING),
    ("Deployers", "See [deployers.md](deployers.md).\n", _DEPLOYERS),
    ("Backups", "See [backup.md](backup.md).\n", _BACKUP),
)
