"""Every error that hostsmith raises on purpose, as one tree.

    HostsmithError            anything below; exit code 1
    +-- UsageError            the command line asks for something that makes no sense; exit code 2
    +-- SettingsError         fabric.yaml, the Procfile or the environment is wrong; exit code 2
    +-- ConnectError          no SSH connection, or no way to become root
    |   +-- HostKeyError      the host's key is not the one that was remembered
    +-- AgentError            the code on the host broke the protocol or died
    |   +-- LostError         nothing is heard of a host any more, in the middle of a run
    +-- ConvergeError         a resource could not be brought to its desired state
    |   +-- FleetError        a run over several hosts failed on some of them
    +-- DriftError            `--check` found a difference; exit code 2
    +-- LockedError           another run holds the host
    +-- InterruptedRunError   Ctrl-C; the host has put back what was half-way
    +-- SourceError           the code to deploy could not be found, or the tree is dirty
    +-- ReleaseError          there is no such release, or none to go back to
    +-- SecretsError          the encrypted file, its key, or a command that tells a secret; never tells the value
    +-- ServiceError          a service of the app is not set up, or does not do what was asked of it
    +-- BackupError           a backup could not be made, or is none that can be put back
    +-- SandboxError          a disposable host could not be made, started or removed
    +-- PatchworkError        a helper of `hostsmith.patchwork` could not do its work

They derive from Invoke's `Exit`, which `fab` prints as one message without a traceback and turns into its exit
code; caught in Python they are ordinary exceptions. A message says what was found, what was expected and what to
do next.
"""

from __future__ import annotations

from invoke.exceptions import Exit

from .printable import printable, without_logins


class HostsmithError(Exit):
    """Base of all errors raised on purpose.

    :param message: what was found, what was expected, what to do next.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        # `fab` writes it to the terminal as it is, and it may quote a host, a log or a file.
        super().__init__(message=without_logins(printable(message)), code=self.exit_code)

    def __str__(self) -> str:
        return str(self.message)


class UsageError(HostsmithError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class SettingsError(HostsmithError):
    """The settings are wrong; the message names the file, the key, what was found and what is expected."""

    exit_code = 2


class ConnectError(HostsmithError):
    """No SSH connection to a host, or no way to become root on it."""


class HostKeyError(ConnectError):
    """The host shows another key than the one remembered for it."""


class AgentError(HostsmithError):
    """The code that runs on the host broke the protocol or died."""


class LostError(AgentError):
    """Nothing is heard of a host any more, in the middle of a run."""


class ConvergeError(HostsmithError):
    """A resource could not be brought to its desired state."""


class FleetError(ConvergeError):
    """A run over several hosts failed on some of them."""


class DriftError(HostsmithError):
    """`--check` found that a host is not as it should be."""

    exit_code = 2


class LockedError(HostsmithError):
    """Another run holds the host."""


class InterruptedRunError(HostsmithError):
    """Ctrl-C ended the run; the host has put back what was half-way."""


class SourceError(HostsmithError):
    """The code to deploy could not be found or may not be deployed as it is."""


class ReleaseError(HostsmithError):
    """There is no such release, or none to go back to."""


class SecretsError(HostsmithError):
    """The encrypted file or its key is not as expected, or a command did not tell a secret."""


class ServiceError(HostsmithError):
    """A service of the app is not set up, or does not do what was asked of it."""


class BackupError(HostsmithError):
    """A backup could not be made, or an archive is none that can be put back."""


class SandboxError(HostsmithError):
    """A disposable host could not be made, started or removed."""


class PatchworkError(HostsmithError):
    """A helper of `hostsmith.patchwork` could not do its work."""
