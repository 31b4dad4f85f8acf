"""certbot: its files of a certificate, and issuing one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...contract.base import ResourceError
from ..linux import filesystem, system

FOLDER = "/etc/letsencrypt"
_TIMEOUT = 300.0


def certificate(name: str) -> str:
    """Return the path of a name's newest certificate, with its intermediates."""
    return f"{FOLDER}/live/{name}/fullchain.pem"


def key(name: str) -> str:
    """Return the path of the private key of a name's newest certificate."""
    return f"{FOLDER}/live/{name}/privkey.pem"


def renewal(name: str) -> dict[str, str]:
    """Read how a certificate is renewed, such as {"server": ..., "authenticator": ...}; empty when there is none."""
    text = (filesystem.read(f"{FOLDER}/renewal/{name}.conf") or b"").decode("utf-8", "replace")
    return dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))


def issue(name: str, domains: Sequence[str], server: str, email: str | None, challenge: Sequence[str]) -> None:
    """Issue a certificate for exactly these domains, replacing one of the same name.

    :param challenge: certbot's options for the authority's challenge.
    :raises ResourceError: it failed, with the authority's reason for each domain; a previous certificate is unchanged.
    """
    argv = [
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", name, "--server", server,
        "--key-type", "ecdsa", "--renew-with-new-domains", "--force-renewal", *challenge,
        *(["--email", email, "--no-eff-email"] if email else ["--register-unsafely-without-email"]),
    ]  # fmt: skip
    for domain in domains:
        argv += ["--domain", domain]
    done = system.run(argv, ok=range(256), timeout=_TIMEOUT, label="certbot")
    if done.returncode:
        raise ResourceError(
            f"{server} issued no certificate for {', '.join(domains)}\n{reasons(done.stdout, done.stderr)}"
        )


def reasons(out: bytes, err: bytes) -> str:
    """Extract the authority's reason for each domain; the end of certbot's output when there is none."""
    text = (out + b"\n" + err).decode("utf-8", "replace")
    found = re.findall(r"^\s*Domain: (.*)\n\s*Type: +(.*)\n\s*Detail: (.*)$", text, re.MULTILINE)
    return "\n".join(f"{domain}: {kind}: {detail}" for domain, kind, detail in found) or system.tail(text.encode(), 20)
