"""Settings of HTTPS and the site's certificate."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo

from . import values as kind
from .kinds import Model, Number, UnexpectedError

_LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
EXPECTED = "true, false, or a mapping such as {email: me@example.com}"


class Tls(Model):
    """HTTPS and its certificate."""

    enabled: kind.Flag = Field(
        False,
        description="Serve the site by HTTPS and redirect HTTP to it. A mapping `tls` without this key turns it on. By "
        "default the certificate is from Let's Encrypt: with it you accept their terms. Hosts of the sandbox get a "
        "self-signed one.",
    )
    email: kind.Email = Field(None, description="Contact address for the certificate authority. Default: none.")
    staging: kind.Flag = Field(
        False,
        description="Use Let's Encrypt's staging authority for rehearsals; browsers do not trust its certificate.",
    )
    server: kind.HttpsUrl = Field(
        None, description="Directory URL of another ACME certificate authority. Default: Let's Encrypt's."
    )
    ca: kind.LocalFile = Field(
        None,
        description="Local PEM file with the root certificate of a private `server`. The hosts then trust it. Default: "
        "none.",
    )
    certificate: kind.LocalFile = Field(
        None,
        description="Local PEM file with your own certificate and its intermediates, relative to the project folder. "
        "Default: none.",
    )
    key: kind.LocalFile = Field(
        None, description="Local PEM file with the private key of `certificate`, unencrypted. Default: none."
    )
    self_signed: kind.Flag = Field(
        False, description="Use a self-signed certificate, which no browser trusts, as hosts of the sandbox do."
    )
    # Browsers' lists ask for two years.
    hsts: Annotated[int, Field(ge=0), Number("a number of seconds, 0 or more", largest=100_000_000)] = Field(
        31_536_000,
        description="Seconds for which browsers must use HTTPS (HSTS); `0` to send no such header. It is not sent with "
        "a certificate that no browser trusts.",
    )

    @property
    def is_own(self) -> bool:
        """Whether the certificate is the user's own file."""
        return self.certificate is not None

    @property
    def is_issued(self) -> bool:
        """Whether the certificate comes from an ACME authority."""
        return self.enabled and not self.is_own and not self.self_signed

    @property
    def directory(self) -> str:
        """URL of the ACME authority's directory."""
        return self.server or (_LETS_ENCRYPT_STAGING if self.staging else _LETS_ENCRYPT)

    @property
    def hsts_seconds(self) -> int:
        """Seconds of HSTS, 0 for none: with a certificate that browsers refuse it would lock visitors out."""
        return 0 if self.self_signed or self.staging else self.hsts

    def in_sandbox(self) -> Tls:
        """Adapt these settings to a host that no public authority can reach."""
        is_public = self.is_issued and self.server is None
        return self.model_copy(update={"self_signed": True}) if is_public else self


def shorthand(value: Any) -> Any:
    """Expand `true` and `false` to a mapping; a mapping turns HTTPS on."""
    if isinstance(value, bool):
        return {"enabled": value}
    return {"enabled": True, **value} if isinstance(value, dict) else value


def consistent(tls: Tls, info: ValidationInfo) -> Tls:
    """Check that the keys fit each other, the site's domains and its hosts.

    :raises UnexpectedError: they do not.
    """
    _check_keys(tls)
    if not tls.enabled:
        return tls
    domains = info.data.get("domains", [])
    if not domains:
        raise UnexpectedError(
            "the domains of the certificate", found="no domains", hint="add `domains: [www.example.com]`"
        )
    if tls.is_issued:
        _check_names(domains)
        _check_hosts(info.data.get("roles", {}))
    return tls


def _check_keys(tls: Tls) -> None:
    if (tls.certificate is None) != (tls.key is None):
        there, missing = ("certificate", "key") if tls.key is None else ("key", "certificate")
        raise UnexpectedError("both `certificate` and `key`", found=f"`{there}` without `{missing}`")
    ways = {"certificate": tls.is_own, "self_signed": tls.self_signed, "staging": tls.staging, "server": tls.server}
    if len(given := [f"`{name}`" for name, value in ways.items() if value]) > 1:
        raise UnexpectedError("one way to get a certificate", found=" and ".join(given))
    if tls.ca is not None and tls.server is None:
        raise UnexpectedError("`server` with `ca`, which is its root certificate", found="`ca` alone")


def _check_names(domains: list[str]) -> None:
    if wildcards := [domain for domain in domains if domain.startswith("*")]:
        raise UnexpectedError(
            "domains without a wildcard: an authority issues a wildcard certificate only by DNS",
            found=f"the domain {wildcards[0]!r}",
            hint="use your own certificate: {certificate: FILE, key: FILE}",
        )


def _check_hosts(roles: dict[str, list[Any]]) -> None:
    role = "lb" if roles.get("lb") else "web"
    hosts = roles.get(role, [])
    if len(hosts) > 1:
        instead = "or add a balancer (roles.lb)" if role == "web" else "which all of them use"
        raise UnexpectedError(
            "one host for the domains: the authority checks any of them, and only one has the answer",
            found=f"{len(hosts)} hosts in roles.{role}",
            hint=f"use your own certificate: {{certificate: FILE, key: FILE}}, {instead}",
        )
