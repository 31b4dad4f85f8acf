"""Distribution, mirror and apt sources of a base.

They are this machine's apt sources with the suite replaced. Only entries of the distribution's archive are used:
repositories of third parties are not part of a fresh VPS. A mirror of the distribution carries `<suite>-updates` or
`<suite>-security`. Formats: sources.list(5), both one-line (.list) and deb822 (.sources).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import SandboxError
from . import tools

# debootstrap of an older release lacks the scripts of newer suites; these names map a suite to its family.
_UBUNTU = {"jammy", "noble", "plucky", "questing", "resolute"}
_DEBIAN = {"bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
_ALIASES = {"debian": {"oldstable", "stable", "testing", "unstable", "sid"}, "ubuntu": {"devel"}}
_POCKETS = ("-updates", "-security", "/updates")
_PROGRAM = Path("/usr/sbin/debootstrap")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}


@dataclass(frozen=True)
class Entry:
    """One apt source, a deb822 stanza. `options` are its other fields, unchanged."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BasePlan:
    """Input of debootstrap and of the base's apt.

    `script` is the debootstrap script: its family's for a suite newer than this debootstrap.
    """

    distribution: str
    suite: str
    mirror: str
    script: str
    entries: tuple[Entry, ...]

    @property
    def components(self) -> tuple[str, ...]:
        return next((e.components for e in self.entries if self.suite in e.suites), ("main",))

    @property
    def signed_by(self) -> str | None:
        """Keyring of the archive in this machine's sources: a path, or a key block."""
        return next((e.options.get("Signed-By") for e in self.entries if self.suite in e.suites), None)

    @property
    def trusted(self) -> bool:
        """Whether this machine's sources accept an unsigned archive."""
        return any(e.options.get("Trusted", "").lower() == "yes" for e in self.entries if self.suite in e.suites)

    def deb822(self) -> str:
        """Write the base's .sources file."""
        return "\n".join(_stanza(entry) for entry in self.entries)


def plan(suite: str | None, etc: Path = Path("/etc"), architecture: str = "amd64") -> BasePlan:
    """Choose suite, mirror and sources.

    :param suite: None for the suite of this machine.
    :raises SandboxError: the suite is unknown, or the machine is neither Debian nor Ubuntu and names no suite.
    """
    distribution, codename = machine(etc)
    if suite is None:
        if not codename:
            raise SandboxError(
                f"this machine runs {distribution or 'an unknown system'}, not Debian or Ubuntu, so it has no suite "
                "to take for a sandbox host. Name one: fab sandbox.up --suite bookworm"
            )
        suite = codename
    family = _family(suite, distribution, codename)
    entries: tuple[Entry, ...] = ()
    if family == distribution:
        names = {codename} | _ALIASES[family]
        entries = tuple(_turn(archive_entries(read(etc / "apt"), names), names, suite))
    entries = entries or tuple(_stock(family, suite, architecture))
    mirror = next(e.uris[0] for e in entries if suite in e.suites)
    return BasePlan(family, suite, mirror, _script(suite, family), entries)


def machine(etc: Path = Path("/etc")) -> tuple[str, str]:
    """Read this machine's distribution ("debian", "ubuntu") and codename; derivatives count as neither."""
    try:
        lines = (etc / "os-release").read_text().splitlines()
    except OSError:
        return "", ""
    release = {name: "".join(shlex.split(value)) for name, _, value in (line.partition("=") for line in lines)}
    distribution = release.get("ID", "")
    return distribution, release.get("VERSION_CODENAME", "") if distribution in _KEYRINGS else ""


def read(apt: Path) -> list[Entry]:
    """Read all enabled binary sources of an apt folder."""
    entries = list(_one_line(_text(apt / "sources.list")))
    for path in sorted((apt / "sources.list.d").glob("*")):
        if path.suffix == ".list":
            entries += _one_line(_text(path))
        elif path.suffix == ".sources":
            entries += _stanzas(_text(path))
    return [replace(entry, uris=tuple(_expand(entry.uris))) for entry in entries]


def archive_entries(entries: list[Entry], names: set[str]) -> list[Entry]:
    """Select the sources of the distribution's archive."""
    pockets = {name + pocket for name in names for pocket in _POCKETS}
    with_main = [entry for entry in entries if "main" in entry.components]
    mirrors = {uri for entry in with_main if pockets & set(entry.suites) for uri in entry.uris}
    plain = [entry for entry in with_main if names & set(entry.suites)]
    if not any(mirrors & set(entry.uris) for entry in plain):
        mirrors |= set(plain[0].uris) if plain else set()
    return [entry for entry in with_main if mirrors & set(entry.uris)]


def _turn(entries: Iterable[Entry], names: set[str], suite: str) -> Iterator[Entry]:
    """Replace the machine's suite by the requested one; backports and the like are left out."""
    wanted = {name + pocket: suite + pocket for name in names for pocket in ("", *_POCKETS)}
    found = []
    for entry in entries:
        suites = tuple(dict.fromkeys(wanted[name] for name in entry.suites if name in wanted))
        if suite == "sid":  # has no pockets
            suites = tuple(name for name in suites if name == "sid")
        if suites:
            found.append(replace(entry, suites=suites))
    if any(suite in entry.suites for entry in found):
        yield from found


def _stock(family: str, suite: str, architecture: str) -> Iterator[Entry]:
    options = {"Signed-By": _KEYRINGS[family]}
    if not Path(_KEYRINGS[family]).exists():
        raise SandboxError(
            f"{suite} is an {family.capitalize()} suite, and the keys of its archive are not on this machine "
            f"({_KEYRINGS[family]}). Run: apt-get install {family}-"
            f"{'archive-keyring' if family == 'debian' else 'keyring'}"
        )
    mirror = _default_mirror(family, suite, architecture)
    if family == "debian":
        pockets: tuple[str, ...] = (suite,) if suite == "sid" else (suite, f"{suite}-updates")
        yield Entry((mirror,), pockets, ("main",), options)
        if suite != "sid":
            yield Entry((f"{mirror}-security",), (f"{suite}-security",), ("main",), options)
        return
    pockets = (suite, f"{suite}-updates", f"{suite}-security")
    yield Entry((mirror,), pockets, ("main", "universe"), options)


def _default_mirror(family: str, suite: str, architecture: str) -> str:
    """Read debootstrap's default mirror from its program or its script for the suite."""
    if family == "debian":
        found = re.search(r'^DEF_MIRROR="(.+)"$', _text(_PROGRAM), re.MULTILINE)
        mirror = found.group(1) if found else ""
    else:
        # The script calls this first, in a case of architecture and suite.
        stop = 'default_mirror() { echo "$1"; exit; }; ARCH=$2 SUITE=$3; . "$1"'
        argv = ["sh", "-c", stop, "sh", _script(suite, family), architecture, suite]
        mirror = tools.call(argv, what="reading debootstrap's default mirror").strip()
    if not mirror:
        raise SandboxError(f"debootstrap names no mirror for {suite}; add one to this machine's apt sources")
    return mirror


def _family(suite: str, distribution: str, codename: str) -> str:
    if suite == codename and distribution in _KEYRINGS:
        return distribution
    if suite in _UBUNTU or _script_of(suite) in ("gutsy", "hardy"):
        return "ubuntu"
    if suite in _DEBIAN or _script_of(suite) in ("sid", "etch"):
        return "debian"
    known = ", ".join(sorted(_DEBIAN) + sorted(_UBUNTU))
    raise SandboxError(f"no Debian or Ubuntu suite is called {suite!r}. Known ones: {known}")


def _script(suite: str, family: str) -> str:
    own = _SCRIPTS / suite
    return str(own if own.exists() else _SCRIPTS / {"debian": "sid", "ubuntu": "gutsy"}[family])


def _script_of(suite: str) -> str:
    path = _SCRIPTS / suite
    return path.resolve().name if re.fullmatch(r"[a-z]+", suite) and path.exists() else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _expand(uris: Iterable[str]) -> Iterator[str]:
    """Read the mirrors of cloud images from their file: `mirror+file:/etc/apt/mirrors/debian.list`."""
    for uri in uris:
        if not uri.startswith("mirror+file:"):
            yield uri.rstrip("/")
            continue
        lines = _text(Path(uri.removeprefix("mirror+file:").replace("//", "/"))).splitlines()
        yield from (line.split()[0].rstrip("/") for line in lines if line.strip() and not line.startswith("#"))


def _one_line(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        match = re.fullmatch(r"\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?", line)
        if match and not match[3].endswith("/"):
            options, uri, suite, components = match.groups()
            pairs = (option.partition("=") for option in (options or "").split())
            named = {"-".join(w.capitalize() for w in name.split("-")): value for name, _, value in pairs}
            # One-line options are lists with commas, deb822 ones with spaces.
            fields = {_FIELDS.get(name, name): value.replace(",", " ") for name, value in named.items()}
            yield Entry((uri,), (suite,), tuple(components.split()), fields)


_FIELDS = {"Arch": "Architectures", "Lang": "Languages", "Target": "Targets"}


def _stanzas(text: str) -> Iterator[Entry]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = "-".join(word.capitalize() for word in name.strip().split("-"))
                name = {"Uris": "URIs"}.get(name, name)
                fields[name] = value.strip()
        enabled = fields.pop("Enabled", "yes").lower() not in ("no", "false", "0")
        types = fields.pop("Types", "").split()
        uris, suites = fields.pop("URIs", "").split(), fields.pop("Suites", "").split()
        components = fields.pop("Components", "").split()
        if enabled and "deb" in types and uris and suites:
            yield Entry(tuple(uris), tuple(suites), tuple(components), fields)


def _stanza(entry: Entry) -> str:
    fields = {
        "Types": "deb",
        "URIs": " ".join(entry.uris),
        "Suites": " ".join(entry.suites),
        "Components": " ".join(entry.components),
        **entry.options,
    }
    return "".join(f"{name}:{'' if value.startswith(chr(10)) else ' '}{value}\n" for name, value in fields.items())
