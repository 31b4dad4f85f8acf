"""This terminal, for as long as a program on a host has it: keys go there as they are, and what it draws comes here."""

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
    """See that there is a terminal at all.

    :raises UsageError: there is none.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "found no terminal here, expected one for `fab shell`; a command without one is for `fab run -- ...`"
        )


def attached(c: Connection, command: str) -> int:
    """Run a command on a host, on a terminal of its own there that is this one.

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
    """While no key means anything here, not even Ctrl-C."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resizing(channel: paramiko.Channel) -> Iterator[None]:
    """While the host is told of each new size."""

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
    """Keys there, output here, until the program has ended."""
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
