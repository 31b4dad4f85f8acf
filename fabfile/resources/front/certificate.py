"""Certificates with their keys: from an ACME authority by certbot, or self-signed."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...contract.undo import Undo
from ...hostkit.linux import filesystem
from ...hostkit.programs import certbot, certificates
from ..found import FoundFile, FoundNothing
from ..validated import Validated

CHALLENGES = "/.well-known/acme-challenge/"
# Seconds before its expiry at which a self-signed one is replaced.
_LEFT = 30 * 86400


@dataclass(frozen=True)
class Certificate(Resource):
    """A certificate from an ACME authority, kept and renewed by certbot, for exactly these domains.

    The authority sends a challenge to the domains, by HTTP. Where the server here does not pass challenges on yet,
    `first` sets that up; it is rolled back if no certificate is issued.

    :param name: its name for certbot.
    :param domains: its domains.
    :param redirected: further domains, left out while they are not in DNS.
    :param server: URL of the authority's directory.
    :param email: contact for the authority.
    :param challenge: certbot's options for the challenge.
    :param configuration: the server's configuration, which passes challenges on if it contains their path.
    :param first: a configuration that does, without a certificate.
    """

    name: str
    domains: tuple[str, ...]
    redirected: tuple[str, ...]
    server: str
    email: str | None
    challenge: tuple[str, ...]
    configuration: str
    first: Validated

    def describe(self) -> str:
        return f"certificate {self.name}"

    def check(self) -> Change | None:
        path = certbot.certificate(self.name)
        have = certificates.found(path)
        wanted = self._wanted(have.names if have else frozenset())
        if have is None:
            reason = f"issued for {_listed(wanted)}"
        elif have.names != frozenset(wanted):
            reason = f"{_listed(sorted(have.names))} -> {_listed(wanted)}"
        elif problem := self._cannot_be_renewed():
            reason = problem
        elif have.expired:
            reason = "renewed: it had expired"
        else:
            return None
        undo = Undo()
        return Change(reason, lambda: self._issue(wanted, undo), undo.run)

    def _wanted(self, have: frozenset[str]) -> list[str]:
        return [*self.domains, *(name for name in self.redirected if _in_dns(name, otherwise=name in have))]

    def _cannot_be_renewed(self) -> str | None:
        """Return why a certificate with the right domains must be issued again; None when it can be renewed."""
        kept = certbot.renewal(self.name)
        if kept.get("server") != self.server:
            return f"{kept.get('server')} -> {self.server}"
        if f"--{kept.get('authenticator')}" not in self.challenge:
            return "issued again: the challenge is answered in another way now"
        return None

    def _issue(self, domains: list[str], undo: Undo) -> None:
        if not os.path.exists(certbot.certificate(self.name)) or not self._is_answered():
            self._answer(undo)
        try:
            certbot.issue(self.name, domains, self.server, self.email, self.challenge)
        except ResourceError as error:
            hint = "The names must resolve to this host, and its port 80 must be open to everybody."
            if asked := [domain for domain in domains if domain in self.redirected]:
                hint += f" {_listed(asked)} is included to be redirected; `www_redirect: false` leaves it out."
            raise ResourceError(f"{error}\n{hint}") from error
        if left_out := [domain for domain in self.redirected if domain not in domains]:
            note(f"the certificate is without {_listed(left_out)}, which is not in DNS")

    def _is_answered(self) -> bool:
        return CHALLENGES.encode() in (filesystem.read(self.configuration) or b"")

    def _answer(self, undo: Undo) -> None:
        handlers = list(self.first.handlers())
        if change := self.first.check():
            # Undone in reverse: first the previous configuration, then the reload.
            for handler in handlers:
                undo.register(handler.run)
            undo.register(change.undo)
            change.apply()
        # Also without a change: a killed run may have written it, but not reloaded the server.
        for handler in handlers:
            handler.run()


@dataclass(frozen=True)
class SelfSigned(Resource):
    """A self-signed certificate, and its key at the same path with the suffix `.key`.

    :param path: of the certificate; its folder must exist.
    :param domains: its domains.
    :param remark: note for the user when it is created.
    """

    path: str
    domains: tuple[str, ...]
    remark: str = ""

    def describe(self) -> str:
        return f"self-signed certificate {self.path}"

    def check(self) -> Change | None:
        have = certificates.found(self.path, within=_LEFT)
        right = have is not None and have.names == frozenset(self.domains) and not have.expired
        if right and os.path.exists(f"{self.path}.key"):
            return None
        undo = Undo()
        for path in (self.path, f"{self.path}.key"):
            undo.register(FoundFile.take(path) or FoundNothing(path))
        return Change("created" if have is None else "created again", self._make, undo.run)

    def _make(self) -> None:
        certificate, key = certificates.self_signed(self.domains)
        filesystem.write_atomic(f"{self.path}.key", key, mode=0o600)
        filesystem.write_atomic(self.path, certificate, mode=0o644)
        if self.remark:
            note(self.remark)


def _in_dns(domain: str, otherwise: bool) -> bool:
    """Whether a name has an address; `otherwise` when DNS does not answer."""
    try:
        return bool(socket.getaddrinfo(domain, 80))
    except socket.gaierror as error:
        unknown = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
        return False if error.errno in unknown else otherwise


def _listed(domains: list[str]) -> str:
    return ", ".join(domains)
