"""What can be set for a project: every key with its type, its default and what it means."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from . import values as kind
from .backup import EXPECTED as BACKUP_EXPECTED
from .backup import Backup
from .balancer import Balancer
from .cron import Cron
from .deployers import Deployers
from .entries import HostEntry, HostList, merged
from .framework import Framework
from .hardening import Firewall, FirewallSetting, Hardening, HardeningSetting
from .health import Health
from .kinds import ListOf, MappingOf, Number, UnexpectedError
from .model import Model
from .processes import Processes
from .requirements import Requirements
from .secrets import KeyPlace, VariableValue
from .services import Services
from .source import Source
from .tls import EXPECTED as TLS_EXPECTED
from .tls import Tls, consistent, shorthand

_DOMAINS = "a list of domain names such as [example.com]"


def _first_domain_is_a_name(domains: list[str]) -> list[str]:
    if domains and domains[0].startswith("*"):
        raise UnexpectedError(
            "a plain name as the first of the domains, since the site is asked by it",
            found=f"{domains[0]!r} first",
            hint=f"write [{domains[0][2:]}, '{domains[0]}']",
        )
    return domains


def _static_shorthand(value: Any) -> Any:
    return {"/static/": value} if isinstance(value, str) else value


def _without_blank_roles(value: Any) -> Any:
    """`web:` with nothing after it is a role without hosts."""
    return {name: [] if hosts is None else hosts for name, hosts in value.items()} if isinstance(value, dict) else value


# Nobody makes one but as Settings: pydantic would compile all of it here and again there, at the start of each command.
class Schema(Model, defer_build=True):
    """All that can be set for one project, each key valid by itself and with the others."""

    app: kind.AppName = Field(
        description="Name of the app: of its system user, its folder `/srv/<app>` and its services."
    )
    source: Source = Field(
        ".",
        description="Where the code is: a git URL, pulled by the host, or a local folder (seen from the project "
        "folder), pushed from here: what is committed, or all of it when the folder is not in git.",
    )
    revision: kind.Revision = Field(
        "HEAD", description="Branch, tag or commit that is deployed when `--revision` is not given."
    )
    domains: Annotated[
        list[kind.Domain],
        AfterValidator(kind.once_each("each domain once")),
        AfterValidator(_first_domain_is_a_name),
        ListOf(_DOMAINS),
    ] = Field(
        default_factory=list,
        description="Domains of the site, the canonical one first; `*.example.com` may follow. "
        "Without any, the site answers to every host name.",
    )
    www_redirect: kind.Flag = Field(
        True,
        description="Answer `www.<domain>`, or the bare domain when the listed one begins with `www.`, with "
        "a redirect to the listed one, unless both are listed.",
    )
    roles: Annotated[
        dict[kind.RoleName, Annotated[list[HostEntry], HostList("a list of hosts such as [root@web1.example.com]")]],
        AfterValidator(merged),
        MappingOf("role names with their hosts, such as {web: [root@web1.example.com]}"),
        BeforeValidator(_without_blank_roles),
    ] = Field(
        default_factory=dict,
        description="Hosts of each role: `[user@]host[:port]`, `[user@][ipv6]:port`, a name from the SSH "
        "configuration, a pattern such as `web[01:20].example.com`, or [a mapping](#a-host-of-a-role). "
        "A host given only with `-H` plays every role.",
    )
    tls: Annotated[Tls, AfterValidator(consistent), MappingOf(TLS_EXPECTED), BeforeValidator(shorthand)] = Field(
        default_factory=Tls, description="Whether the site is served by HTTPS, and with whose certificate."
    )
    concurrency: kind.Positive = Field(20, description="Hosts that are worked on at the same time.")
    batch: kind.Share = Field(
        "100%",
        description="Hosts that switch to a new release at the same time: a number, or a percentage of the hosts "
        "that are deployed to, rounded down and at least one.",
    )
    python: kind.Interpreter | None = Field(
        None,
        description="Interpreter on the host that makes the virtualenv: a name or an absolute path. Default: the one "
        "that the code [asks for](requirements.md#the-version-of-python), or `python3`.",
    )
    requirements: Requirements = Field(
        None,
        description="Files in the source that say what is installed: for `pip install -r`, or "
        "[a lock](requirements.md); `[]` for none. Default: what is there.",
    )
    processes: Processes = Field(
        default_factory=dict,
        description="Command of each process, or [a mapping](#a-process), over and above those of the Procfile. `web` "
        "serves the site; `release` is run once before a release goes live, to migrate the database for instance.",
    )
    cron: Cron = Field(
        default_factory=dict, description="Commands that are run at set times, each [a mapping](#a-cron-entry)."
    )
    workers: Annotated[Annotated[int, Field(ge=1)] | None, Number("a whole number, 1 or more")] = Field(
        None, description="Worker processes of gunicorn. Default: 2 for each CPU of the host, and 1."
    )
    threads: kind.Positive = Field(1, description="Threads in each worker of gunicorn.")
    web_timeout: kind.Positive = Field(
        30, description="Seconds that a request may take before gunicorn ends its worker."
    )
    health: Annotated[Health, MappingOf("a mapping such as {path: /healthz, timeout: 60}")] = Field(
        default_factory=Health,
        description="How a new release is asked whether it is well before it goes live.",
    )
    balancer: Annotated[Balancer, MappingOf("a mapping such as {algorithm: leastconn, drain: true}")] = Field(
        default_factory=Balancer,
        description="How the hosts of the role `lb` balance those of the role `web`.",
    )
    deployers: Annotated[Deployers, MappingOf("a mapping such as {user: deploy, keys: [keys/alice.pub]}")] = Field(
        default_factory=Deployers,
        description="Who may deploy the app and do nothing else on its hosts.",
    )
    backup: Annotated[Backup, MappingOf(BACKUP_EXPECTED)] = Field(
        default_factory=Backup,
        description="Backups that the hosts make by themselves. See [backups](backup.md).",
    )
    services: Services = Field(
        default_factory=dict,
        description="Services that the app uses, such as a database: set up by `fab provision`, told to the app by "
        "environment variables. See [services](services.md).",
    )
    framework: Framework = Field(
        None,
        description="`django` has each deploy check the project, collect its static files, migrate its database, and "
        "tell it by its environment where it runs; see [django.md](django.md).",
    )
    keep_releases: kind.Positive = Field(5, description="Releases that are kept on a host to go back to.")
    environment: Annotated[
        dict[kind.VariableName, VariableValue],
        MappingOf("variable names with their values, such as {DEBUG: false}"),
    ] = Field(
        default_factory=dict,
        description="Environment variables of all processes. `{generate: 50}` is a value of so many letters and "
        "digits that is made up once and stays, `{command: [pass, show, key]}` what a command on your machine prints. "
        "`FABRIC_ENVIRONMENT_<NAME>` sets a single one; secrets.md has more ways to keep a secret out of a file.",
    )
    secrets_key: KeyPlace = Field(
        None,
        description="Where the key to `secrets.enc.yaml` is, unless it is in the variable `HOSTSMITH_KEY`: a file, or "
        "`{command: [...]}` that prints it. Default: `~/.config/hostsmith/<app>.key`.",
    )
    client_max_body_size: kind.Size = Field(
        "10m",
        description="Largest body of a request, such as an upload, in nginx's notation; `0` for any size.",
    )
    static: Annotated[
        dict[kind.UrlPrefix, kind.SourcePath],
        MappingOf("URL paths with folders in the source, such as {/static/: static}"),
        BeforeValidator(_static_shorthand),
    ] = Field(
        default_factory=dict,
        description="Folders in the source whose files nginx serves itself, by URL path. "
        "A single folder is short for `{/static/: folder}`.",
    )
    release_timeout: kind.Positive = Field(600, description="Seconds that the `release` process may take.")
    build_timeout: kind.Positive = Field(
        1800,
        description="Seconds that fetching the code may take on a host, and each command of pip that builds the "
        "virtualenv.",
    )
    drain_timeout: kind.NotNegative = Field(
        30, description="Seconds that the old processes have to finish their requests after the switch."
    )
    lock_timeout: kind.NotNegative = Field(
        30, description="Seconds to wait for another run on the same host before giving up."
    )
    packages: Annotated[
        list[kind.PackageName],
        AfterValidator(kind.once_each("each package once")),
        ListOf("a list of apt packages such as [libpq5]"),
    ] = Field(default_factory=list, description="Further apt packages for the host.")

    hardening: HardeningSetting = Field(
        default_factory=Hardening, description="Which parts of the hardening are looked after; `false` for none."
    )
    firewall: FirewallSetting = Field(
        default_factory=Firewall, description="What the firewall lets in, beside what the roles need."
    )
