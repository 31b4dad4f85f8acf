"""Interactive programs on a host, attached to this terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

import paramiko

from ..errors import ConnectError, UsageError
from .ssh import CHANNEL_TIMEOUT, label, opened

if TYPE_CHECKING:
    from fabric import Connection

_CHUNK = 65536


def check() -> None:
    """Check that there is a terminal.

    :raises UsageError: there is none.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("`fab shell` needs a terminal; use `fab run -- ...` for commands without one")


def attached(c: Connection, command: str) -> int:
    """Run a command in a terminal on the host that is attached to this one.

    :param command: for the host's shell, quoted.
    :returns: its exit status.
    :raises ConnectError: the connection breaks.
    """
    try:
        channel = opened(c).transport.open_session(timeout=CHANNEL_TIMEOUT)
        size = shutil.get_terminal_size()
        channel.get_pty(os.environ.get("TERM", "vt100"), size.columns, size.lines)
        channel.exec_command(command)
        with channel, _raw(), _resizing(channel):
            _pass_on(channel)
            return int(channel.recv_exit_status())
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise ConnectError(f"{label(c)}: the connection broke: {error or type(error).__name__}") from None


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Put the terminal into raw mode for a `with` block: Ctrl-C goes to the host, too."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resizing(channel: paramiko.Channel) -> Iterator[None]:
    """Forward changes of the terminal's size for a `with` block."""

    def resized(signum: int, frame: Any) -> None:
        size = shutil.get_terminal_size()
        with contextlib.suppress(paramiko.SSHException, OSError):
            channel.resize_pty(size.columns, size.lines)

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _pass_on(channel: paramiko.Channel) -> None:
    """Copy keys to the host and output from it until the program ends."""
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    with DefaultSelector() as selector:
        selector.register(channel, EVENT_READ)
        selector.register(stdin, EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if channel in ready:
                data = channel.recv(_CHUNK)
                if not data:
                    return
                while data:
                    data = data[os.write(stdout, data) :]
            if stdin in ready:
                keys = os.read(stdin, _CHUNK)
                if not keys:
                    selector.unregister(stdin)
                with contextlib.suppress(socket.error):
                    channel.sendall(keys)
