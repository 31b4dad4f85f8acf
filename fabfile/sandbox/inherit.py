"""Settings of this machine with which apt and pip work inside a host.

Proxies, apt's fetch options and credentials, pip's indexes, name servers and trusted certificates. All other
settings are left out: a host is a plain VPS, not a copy of this machine.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from . import tools
from .sources import BasePlan

# The options of pip that set where packages come from and how to get there.
_PIP_PLACES = {"index-url", "extra-index-url", "find-links"}
_PIP_OPTIONS = _PIP_PLACES | {
    "client-cert",
    "default-timeout",
    "disable-pip-version-check",
    "no-index",
    "prefer-binary",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
}
_HOST_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Folders of the host's system; nothing of this machine may cover them.
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class HostFile:
    """A file of a host: its path there, content and mode."""

    path: str
    data: bytes
    mode: int = 0o644


def files(plan: BasePlan, gateway: str | None) -> list[HostFile]:
    """Collect all files but the certificates: a base gets those once.

    :param gateway: the address by which a host sees this machine; None when 127.0.0.1 is still this machine.
    """
    return [*apt_files(plan, gateway), *_pip_file(gateway)]


def apt_files(plan: BasePlan, gateway: str | None) -> list[HostFile]:
    found = [
        HostFile("/etc/apt/sources.list", b""),
        HostFile(f"/etc/apt/sources.list.d/{plan.distribution}.sources", plan.deb822().encode()),
        HostFile("/etc/apt/apt.conf.d/90machine", _reachable(_apt_options(), gateway).encode()),
    ]
    for entry in plan.entries:
        keyring = Path(entry.options.get("Signed-By", ""))
        if keyring.is_absolute() and keyring.is_file():
            found.append(HostFile(str(keyring), keyring.read_bytes()))
    credentials = [Path("/etc/apt/auth.conf"), *sorted(Path("/etc/apt/auth.conf.d").glob("*.conf"))]
    found += [HostFile(str(path), path.read_bytes(), 0o600) for path in credentials if path.is_file()]
    return found


def _apt_options() -> str:
    """Collect apt's options for fetching in one file; hooks and policies of this machine are left out."""
    lines = tools.call(["apt-config", "dump", "Acquire"], what="reading apt's options").splitlines()
    own = ("Acquire::IndexTargets", "Acquire::Changelogs", "Acquire::CompressionTypes", "Acquire::cdrom")
    kept = [line for line in lines if not line.startswith(own) and not line.endswith(' "";')]
    return "".join(f"{line}\n" for line in kept)


def environment_lines(gateway: str) -> str:
    """Build lines for /etc/environment with the proxies that this machine uses."""
    return "".join(f'{name}="{_reachable(value, gateway)}"\n' for name, value in tools.proxies().items())


def resolv_conf(etc: Path = Path("/etc"), run: Path = Path("/run")) -> str:
    """Build a resolv.conf of name servers that a host can reach.

    A resolver on 127.0.0.53 is replaced by the servers behind it; without any, public servers are used.
    """
    for path in (etc / "resolv.conf", run / "systemd/resolve/resolv.conf"):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        kept = [line for line in lines if line.strip() and not re.match(r"\s*([#;]|nameserver\s+(127\.|::1))", line)]
        if any(line.split()[0] == "nameserver" for line in kept):
            return "".join(f"{line}\n" for line in kept)
    return "nameserver 9.9.9.9\nnameserver 1.1.1.1\n"


def certificates() -> set[str]:
    """Collect the certificate authorities that programs on this machine trust, as PEM blocks."""
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")]
    named += [_HOST_BUNDLE, ssl.get_default_verify_paths().cafile, pip_options().get("global", {}).get("cert")]
    bundles = {Path(name) for name in named if name}
    bundles |= set(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    return {block for path in bundles if path.is_file() for block in pem_blocks(path.read_text(errors="replace"))}


def pem_blocks(text: str) -> set[str]:
    return {"\n".join(line.strip() for line in block.splitlines()) for block in _CERTIFICATE.findall(text)}


def _pip_file(gateway: str | None) -> Iterator[HostFile]:
    parser = configparser.RawConfigParser()
    for section, options in pip_options().items():
        kept = {name: value for name, value in options.items() if name in _PIP_OPTIONS}
        for name in _PIP_PLACES & set(kept):
            kept[name] = "\n".join(place for place in kept[name].split() if _place_for_host(place))
        if "cert" in options:
            kept["cert"] = _HOST_BUNDLE  # the base trusts that bundle
        kept = {name: _reachable(value, gateway) for name, value in kept.items() if value}
        if kept:
            parser[section] = kept
    if parser.sections():
        text = io.StringIO()
        parser.write(text)
        yield HostFile("/etc/pip.conf", text.getvalue().encode(), 0o644)


def pip_options(etc: Path = Path("/etc"), home: Path | None = None) -> dict[str, dict[str, str]]:
    """Read pip's settings on this machine by section; later files win, the environment wins over all.

    Order and names: https://pip.pypa.io/en/stable/topics/configuration/
    """
    home = home or Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    candidates = [
        etc / "xdg/pip/pip.conf",
        etc / "pip.conf",
        home / ".pip/pip.conf",
        config_home / "pip/pip.conf",
    ]
    if os.environ.get("PIP_CONFIG_FILE"):
        candidates.append(Path(os.environ["PIP_CONFIG_FILE"]))
    if os.environ.get("PIP_CONFIG_FILE") == os.devnull:
        candidates = []
    options: dict[str, dict[str, str]] = {}
    for path in candidates:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip reports it
        for section in parser.sections():
            mine = options.setdefault(section, {})
            mine.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for variable, value in os.environ.items():
        if variable.startswith("PIP_") and variable != "PIP_CONFIG_FILE" and value:
            name = variable[4:].lower().replace("_", "-")
            for others in options.values():
                others.pop(name, None)
            options.setdefault("global", {})[name] = value
    return options


def binds() -> list[Path]:
    """Collect the local files and folders that pip's settings name; a host sees them read-only at the same path."""
    found: set[Path] = set()
    for options in pip_options().values():
        for name in _PIP_PLACES:
            for place in options.get(name, "").split():
                path = _place_for_host(place)
                if isinstance(path, Path):
                    # An index links to files beside itself (simple/ next to packages/): show its parent.
                    roomy = name != "find-links" and len(path.parent.parts) > 2
                    found.add(path.parent if roomy else path)
        certificate = Path(options.get("client-cert", ""))
        if certificate.is_file() and not _covers_system(certificate):
            found.add(certificate)
    return sorted(path for path in found if not any(other in path.parents for other in found))


def _place_for_host(place: str) -> Path | str | None:
    """Translate an index or folder for a host: a URL, a path of this machine to bind, or None."""
    parts = urlsplit(place)
    if parts.scheme and parts.scheme != "file":
        return place
    path = Path(unquote(parts.path) if parts.scheme else place).expanduser()
    if not path.is_absolute() or not path.exists() or _covers_system(path):
        return None
    return path


def _covers_system(path: Path) -> bool:
    resolved = [str(path), str(path.resolve())]
    return len(path.parts) < 3 or any(one == root or one.startswith(root + "/") for one in resolved for root in _SYSTEM)


def _reachable(text: str, gateway: str | None) -> str:
    """Replace this machine's loopback in the URL of a proxy or index by the address that a host sees."""
    if gateway is None:
        return text
    return re.sub(r"(//(?:[^/\s@]*@)?)(?:127\.0\.0\.1|localhost)(?=[:/\"\s]|$)", rf"\g<1>{gateway}", text)


def missing_certificates(bundle: str, trusted: Iterable[str]) -> list[str]:
    """List the trusted certificates that a bundle lacks, in a stable order."""
    return sorted(set(trusted) - pem_blocks(bundle))
