"""Schema of the settings: each key with its type, default and description."""

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
from .hardening import FirewallRules, FirewallSetting, Hardening, HardeningSetting
from .health import Health
from .kinds import ListOf, MappingOf, Model, Number, UnexpectedError
from .processes import Processes
from .secrets import KeyPlace, VariableValue
from .services import Services
from .source import Framework, Requirements, Source
from .tls import EXPECTED as TLS_EXPECTED
from .tls import Tls, consistent, shorthand

_DOMAINS = "a list of domain names such as [example.com]"


def _first_domain_is_a_name(domains: list[str]) -> list[str]:
    if domains and domains[0].startswith("*"):
        raise UnexpectedError(
            "a name without a wildcard as the first domain, since the health check requests it",
            found=f"{domains[0]!r} first",
            hint=f"write [{domains[0][2:]}, '{domains[0]}']",
        )
    return domains


def _static_shorthand(value: Any) -> Any:
    return {"/static/": value} if isinstance(value, str) else value


def _without_blank_roles(value: Any) -> Any:
    """Read `web:` with nothing after it as a role without hosts."""
    return {name: [] if hosts is None else hosts for name, hosts in value.items()} if isinstance(value, dict) else value


# Only used as Settings: pydantic would compile it here and again there, at the start of each command.
class Schema(Model, defer_build=True):
    """All settings of one project, each key valid by itself and with the others."""

    app: kind.AppName = Field(
        description="Name of the app. Its system user, its folder `/srv/<app>` and its services have this name."
    )
    source: Source = Field(
        ".",
        description="Location of the code. Hosts pull a git URL. A local folder, relative to the project folder, is "
        "pushed from here: the committed files, or all files if the folder is not in git.",
    )
    revision: kind.Revision = Field("HEAD", description="Branch, tag or commit to deploy without `--revision`.")
    domains: Annotated[
        list[kind.Domain],
        AfterValidator(kind.once_each("each domain once")),
        AfterValidator(_first_domain_is_a_name),
        ListOf(_DOMAINS),
    ] = Field(
        default_factory=list,
        description="Domains of the site, the canonical one first; wildcards such as `*.example.com` may follow. "
        "Without domains the site answers to every host name.",
    )
    www_redirect: kind.Flag = Field(
        True,
        description="Redirect `www.<domain>` to a listed `<domain>` and the other way round, unless both are listed.",
    )
    roles: Annotated[
        dict[kind.RoleName, Annotated[list[HostEntry], HostList("a list of hosts such as [root@web1.example.com]")]],
        AfterValidator(merged),
        MappingOf("role names with their hosts, such as {web: [root@web1.example.com]}"),
        BeforeValidator(_without_blank_roles),
    ] = Field(
        default_factory=dict,
        description="Hosts of each role: `[user@]host[:port]`, a name from the SSH configuration, a pattern, or a "
        "mapping. `web` hosts serve the site, `lb` balances them, `db` and `cache` run services; a role named like a "
        "process runs this process. A host given only with `-H` has every role.",
    )
    tls: Annotated[Tls, AfterValidator(consistent), MappingOf(TLS_EXPECTED), BeforeValidator(shorthand)] = Field(
        default_factory=Tls, description="HTTPS and its certificate. `tls: true` is short for `tls: {enabled: true}`."
    )
    concurrency: kind.Positive = Field(20, description="Number of hosts to work on at the same time.")
    batch: kind.Share = Field(
        "100%",
        description="Number of hosts that switch to a new release at the same time, or a percentage of the hosts of "
        "the deploy, rounded down to at least one.",
    )
    python: kind.Interpreter | None = Field(
        None,
        description="Interpreter on the host for the virtualenv: a name or an absolute path. Default: the version that "
        "the code asks for, else `python3`.",
    )
    requirements: Requirements = Field(
        None,
        description="Requirements files of the source: files for `pip install -r`, or a lock; `[]` for none. Default: "
        "the first known file that exists.",
    )
    processes: Processes = Field(
        default_factory=dict,
        description="Command of each process, or a mapping. They are added to the Procfile and override it. `web` "
        "serves the site; `release` runs once before a release goes live, for instance to migrate the database.",
    )
    cron: Cron = Field(default_factory=dict, description="Commands to run at set times in the live release.")
    workers: Annotated[Annotated[int, Field(ge=1)] | None, Number("a whole number, 1 or more")] = Field(
        None, description="Number of gunicorn workers. Default: 2 per CPU of the host, plus 1."
    )
    threads: kind.Positive = Field(1, description="Threads per gunicorn worker.")
    web_timeout: kind.Positive = Field(
        30, description="Seconds a request may take before gunicorn kills and restarts its worker."
    )
    health: Annotated[Health, MappingOf("a mapping such as {path: /healthz, timeout: 60}")] = Field(
        default_factory=Health,
        description="Health check that a new release must pass before it goes live.",
    )
    balancer: Annotated[Balancer, MappingOf("a mapping such as {algorithm: leastconn, drain: true}")] = Field(
        default_factory=Balancer,
        description="How the hosts of the role `lb` balance the hosts of the role `web`.",
    )
    deployers: Annotated[Deployers, MappingOf("a mapping such as {user: deploy, keys: [keys/alice.pub]}")] = Field(
        default_factory=Deployers,
        description="People who may deploy the app and do nothing else on its hosts.",
    )
    backup: Annotated[Backup, MappingOf(BACKUP_EXPECTED)] = Field(
        default_factory=Backup,
        description="Scheduled backups on the hosts.",
    )
    services: Services = Field(
        default_factory=dict,
        description="Services that the app uses, such as a database. `fab provision` sets them up; the app finds them "
        "by environment variables.",
    )
    framework: Framework = Field(
        None,
        description="`django`: each deploy checks the project, collects its static files, migrates its database and "
        "sets its environment variables. Default: none.",
    )
    keep_releases: kind.Positive = Field(5, description="Number of releases to keep on a host for rollbacks.")
    environment: Annotated[
        dict[kind.VariableName, VariableValue],
        MappingOf("variable names with their values, such as {DEBUG: false}"),
    ] = Field(
        default_factory=dict,
        description="Environment variables of all processes. `{generate: 50}` generates a value of 50 letters and "
        "digits once and keeps it; `{command: [...]}` takes the output of a command on your machine.",
    )
    secrets_key: KeyPlace = Field(
        None,
        description="Key to `secrets.enc.yaml`: a file, or `{command: [...]}` that prints it. The environment variable "
        "`HOSTSMITH_KEY` wins. Default: `~/.config/hostsmith/<app>.key`.",
    )
    client_max_body_size: kind.Size = Field(
        "10m",
        description="Largest request body, such as an upload; `0` for no limit.",
    )
    static: Annotated[
        dict[kind.UrlPrefix, kind.SourcePath],
        MappingOf("URL paths with folders in the source, such as {/static/: static}"),
        BeforeValidator(_static_shorthand),
    ] = Field(
        default_factory=dict,
        description="Folders of the source whose files nginx serves itself, by URL path. "
        "A single folder is short for `{/static/: folder}`.",
    )
    release_timeout: kind.Positive = Field(600, description="Seconds the `release` process may take.")
    build_timeout: kind.Positive = Field(
        1800,
        description="Seconds a host may take to fetch the code, and for each pip command that builds the virtualenv.",
    )
    drain_timeout: kind.NotNegative = Field(
        30, description="Seconds the processes of the previous release get to finish their requests after the switch."
    )
    lock_timeout: kind.NotNegative = Field(30, description="Seconds to wait for another run that holds a host's lock.")
    packages: Annotated[
        list[kind.PackageName],
        AfterValidator(kind.once_each("each package once")),
        ListOf("a list of apt packages such as [libpq5]"),
    ] = Field(default_factory=list, description="Additional apt packages for every host.")

    hardening: HardeningSetting = Field(
        default_factory=Hardening, description="Parts of the hardening; `hardening: false` turns all of them off."
    )
    firewall: FirewallSetting = Field(
        default_factory=FirewallRules, description="Ports to open in addition to those that the roles need."
    )
