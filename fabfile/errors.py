"""Every error that hostsmith raises on purpose, as one tree.

    HostsmithError            anything below; exit code 1
    +-- UsageError            the command line makes no sense; exit code 2
    +-- SettingsError         fabric.yaml, the Procfile or the environment is wrong; exit code 2
    +-- ConnectError          no SSH connection, or no way to become root
    |   +-- HostKeyError      the host's key is not the trusted one
    +-- AgentError            the code on the host broke the protocol or died
    |   +-- LostError         the connection to a host was lost in the middle of a run
    +-- ConvergeError         a resource could not be brought to its desired state
    |   +-- FleetError        a run failed on some of its hosts
    +-- DriftError            `--check` found a difference; exit code 3
    +-- LockedError           another run holds the host's lock
    +-- InterruptedRunError   Ctrl-C; the host has undone the unfinished step
    +-- SourceError           the code to deploy could not be found, or the tree is dirty
    +-- ReleaseError          there is no such release, or none to roll back to
    +-- SecretsError          the encrypted file, its key, or a command that prints a secret; never shows the value
    +-- ServiceError          a service of the app is not set up, or failed
    +-- BackupError           a backup could not be made, or an archive cannot be restored
    +-- SandboxError          a disposable host could not be made, started or removed
    +-- PatchworkError        a helper of `hostsmith.patchwork` failed

They derive from Invoke's `Exit`, which `fab` prints as one message without a traceback and turns into its exit
code; caught in Python they are ordinary exceptions. A message says what was found, what was expected and what to
do next; what a program needs to act on it is in attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from invoke.exceptions import Exit

from .printable import printable, without_logins

if TYPE_CHECKING:
    from .report import Report


class HostsmithError(Exit):
    """Base of all errors raised on purpose.

    :param message: what was found, what was expected, what to do next.
    :param host: the host that it is about, as the user wrote it; empty when it is about none or several.
    :cvar kind: name of the error in JSON documents.
    :cvar exit_code: of a `fab` that ends with it.
    """

    kind: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, host: str = "") -> None:
        # `fab` writes it to the terminal as it is, and it may quote a host, a log or a file.
        super().__init__(message=without_logins(printable(message)), code=self.exit_code)
        self.host = host

    def __str__(self) -> str:
        return str(self.message)


class UsageError(HostsmithError):
    """The command line makes no sense."""

    kind = "usage"
    exit_code = 2


class SettingsError(HostsmithError):
    """The settings are wrong; the message names the file, the key, what was found and what is expected."""

    kind = "settings"
    exit_code = 2


class ConnectError(HostsmithError):
    """No SSH connection to a host, or no way to become root on it."""

    kind = "unreachable"


class HostKeyError(ConnectError):
    """The host shows another key than the one trusted for it."""

    kind = "host_key"


class AgentError(HostsmithError):
    """The code that runs on the host broke the protocol or died."""

    kind = "agent"


class LostError(AgentError):
    """The connection to a host was lost in the middle of a run."""

    kind = "lost"


class ConvergeError(HostsmithError):
    """A resource could not be brought to its desired state.

    :param report: what happened on the host; None when the error is about several hosts.
    """

    kind = "converge"

    def __init__(self, message: str, *, host: str = "", report: Report | None = None) -> None:
        super().__init__(message, host=host)
        self.report = report


class FleetError(ConvergeError):
    """A run failed on some of its hosts.

    :param reports: of all hosts of the run, those without an error too.

    >>> from hostsmith.report import Report
    >>> error = FleetError("failed", reports=[Report("web1"), Report("web2", error="disk full")])
    >>> [report.host for report in error.failed]
    ['web2']
    """

    kind = "fleet"

    def __init__(self, message: str, *, reports: Sequence[Report] = ()) -> None:
        super().__init__(message)
        self.reports = list(reports)
        if len(self.failed) == 1:
            self.report, self.host = self.failed[0], self.failed[0].host

    @property
    def failed(self) -> list[Report]:
        """The reports of the hosts that the run failed on."""
        return [report for report in self.reports if not report.ok]


class DriftError(HostsmithError):
    """`--check` found that hosts are not as they should be.

    :param hosts: those hosts.
    """

    kind = "drift"
    exit_code = 3

    def __init__(self, message: str, *, hosts: Sequence[str] = ()) -> None:
        super().__init__(message, host=hosts[0] if len(hosts) == 1 else "")
        self.hosts = list(hosts)


class LockedError(HostsmithError):
    """Another run holds the host's lock.

    :param holder: who holds it, what for and since when, in words.
    """

    kind = "locked"

    def __init__(self, message: str, *, host: str = "", holder: str = "") -> None:
        super().__init__(message, host=host)
        self.holder = holder


class InterruptedRunError(HostsmithError):
    """Ctrl-C ended the run; the host has undone the unfinished step.

    :param reports: of all hosts of the run, if it was one over a fleet.
    """

    kind = "interrupted"

    def __init__(self, message: str, *, host: str = "", reports: Sequence[Report] = ()) -> None:
        super().__init__(message, host=host)
        self.reports = list(reports)


class SourceError(HostsmithError):
    """The code to deploy could not be found or may not be deployed as it is."""

    kind = "source"


class ReleaseError(HostsmithError):
    """There is no such release, or none to roll back to."""

    kind = "release"


class SecretsError(HostsmithError):
    """The encrypted file or its key is not as expected, or a command did not print a secret."""

    kind = "secrets"


class ServiceError(HostsmithError):
    """A service of the app is not set up, or failed."""

    kind = "service"


class BackupError(HostsmithError):
    """A backup could not be made, or an archive cannot be restored."""

    kind = "backup"


class SandboxError(HostsmithError):
    """A disposable host could not be made, started or removed."""

    kind = "sandbox"


class PatchworkError(HostsmithError):
    """A helper of `hostsmith.patchwork` failed."""

    kind = "patchwork"
