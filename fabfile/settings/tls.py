"""HTTPS: whose certificate the site shows, and whether these settings can get one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo

from . import values as kind
from .kinds import Number, UnexpectedError
from .model import Model

_LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
EXPECTED = "true, false, or a mapping such as {email: me@example.com}"


class Tls(Model):
    """Whether the site is served by HTTPS, and with whose certificate."""

    enabled: kind.Flag = Field(
        False,
        description="Whether the site is served by HTTPS, and HTTP redirected to it. `tls: true` is short for it, and "
        "a mapping that does not say otherwise means it. The certificate is from Let's Encrypt unless another key "
        "says otherwise; who asks for one agrees to its terms. On a host of the sandbox it is self-signed. See "
        "[HTTPS](tls.md).",
    )
    email: kind.Email = Field(None, description="Address that the certificate authority may write to. Default: none.")
    staging: kind.Flag = Field(
        False, description="Take a certificate that browsers do not trust, from Let's Encrypt's staging, to try it out."
    )
    server: kind.HttpsUrl = Field(
        None, description="Directory of another ACME certificate authority. Default: that of Let's Encrypt."
    )
    ca: kind.LocalFile = Field(
        None,
        description="PEM file here with the root certificate that vouches for `server`, when that is a private one. "
        "The hosts then trust it.",
    )
    certificate: kind.LocalFile = Field(
        None,
        description="PEM file here with a certificate of your own and its intermediates, as seen from the project "
        "folder. Nobody is asked for one then.",
    )
    key: kind.LocalFile = Field(None, description="PEM file here with the private key of `certificate`, unencrypted.")
    self_signed: kind.Flag = Field(
        False, description="Show a self-signed certificate, which no browser trusts, as on hosts of the sandbox."
    )
    # Browsers' lists ask for two years.
    hsts: Annotated[int, Field(ge=0), Number("a number of seconds, 0 or more", largest=100_000_000)] = Field(
        31_536_000,
        description="Seconds for which browsers are told to come by HTTPS only (HSTS); `0` to tell them nothing. A "
        "certificate that no browser trusts comes without.",
    )

    @property
    def is_own(self) -> bool:
        """Whether the certificate is a file of the user's."""
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
        """What browsers are told, 0 for nothing: HSTS for a certificate that they refuse would lock people out."""
        return 0 if self.self_signed or self.staging else self.hsts

    def in_sandbox(self) -> Tls:
        """These settings for a host that no public authority can reach."""
        is_public = self.is_issued and self.server is None
        return self.model_copy(update={"self_signed": True}) if is_public else self


def shorthand(value: Any) -> Any:
    """`true` and `false` as the mapping they are short for; a mapping means that it is wanted."""
    if isinstance(value, bool):
        return {"enabled": value}
    return {"enabled": True, **value} if isinstance(value, dict) else value


def consistent(tls: Tls, info: ValidationInfo) -> Tls:
    """A check that the keys go together, and that the site's names and hosts allow for what they ask.

    :raises UnexpectedError: they do not.
    """
    _check_keys(tls)
    if not tls.enabled:
        return tls
    domains = info.data.get("domains", [])
    if not domains:
        raise UnexpectedError(
            "the names that the certificate is for", found="no domains", hint="write `domains: [www.example.com]`, too"
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
        raise UnexpectedError("`server`, whose root certificate `ca` is", found="`ca` without it")


def _check_names(domains: list[str]) -> None:
    if wildcards := [domain for domain in domains if domain.startswith("*")]:
        raise UnexpectedError(
            "names without a wildcard, since an authority gives one for that only by way of DNS",
            found=f"the domain {wildcards[0]!r}",
            hint="give your own certificate: {certificate: FILE, key: FILE}",
        )


def _check_hosts(roles: dict[str, list[Any]]) -> None:
    role = "lb" if roles.get("lb") else "web"
    hosts = roles.get(role, [])
    if len(hosts) > 1:
        instead = "or put a balancer before them (roles.lb)" if role == "web" else "which all of them then show"
        raise UnexpectedError(
            "one that the domains lead to, since the authority asks any of them, and only one knows the answer",
            found=f"{len(hosts)} hosts in roles.{role}",
            hint=f"give your own certificate: {{certificate: FILE, key: FILE}}, {instead}",
        )
