"""Streaming of gzipped data to and from programs, in pieces."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import zlib
from collections.abc import Callable, Sequence
from typing import IO

from ...contract.base import ResourceError
from ...contract.interruption import uninterrupted
from . import system

# Bytes that are read at once; a piece that is sent is hardly larger.
PIECE = 1 << 16
# The format of gzip(1), at a slightly faster level.
_LEVEL, _GZIP = 4, 31
# Seconds a program gets to end after the stop signal.
_PATIENCE = 5


class _Program:
    """A program that runs as root with a pipe to us; its standard error is kept in memory."""

    def __init__(self, argv: Sequence[str], *, stdin: int, stdout: int) -> None:
        self._name = os.path.basename(argv[0])
        # An interruption between its start and the assignment would leave it running.
        with uninterrupted():
            self._errors = os.fdopen(os.memfd_create("stderr"), "w+b")
            try:
                self._process: subprocess.Popen[bytes] = subprocess.Popen(
                    argv,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=self._errors,
                    env=system.environment(),
                    start_new_session=True,
                )
            except OSError as error:
                self._errors.close()
                raise ResourceError(f"{error.filename or argv[0]}: {error.strerror}") from error

    def finish(self) -> None:
        """Wait until it ends.

        :raises ResourceError: its exit status is not 0; the message has its last lines.
        """
        while not system.has_ended(self._process, 0.1):
            continue
        if status := self._process.returncode:
            self._errors.seek(max(0, os.fstat(self._errors.fileno()).st_size - PIECE))
            lines = system.tail(self._errors.read())
            raise ResourceError(f"{self._name}: ended with status {status}" + (f"\n{lines}" if lines else ""))

    @uninterrupted()
    def end(self) -> None:
        """Stop it and its children, if it is still running."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        self._errors.close()


def dump(argv: Sequence[str], write: Callable[[bytes], None]) -> int:
    """Run a program and pass on its output, gzipped.

    A slow receiver slows the program down: no more than a piece is ever in memory.

    :param write: called with each piece.
    :returns: the number of bytes that the program printed.
    :raises ResourceError: it failed.
    """
    program = _Program(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        size = _compressed(_pipe(program._process.stdout), write)
        program.finish()
    finally:
        program.end()
    return size


def _compressed(source: IO[bytes], write: Callable[[bytes], None]) -> int:
    packer, size = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP), 0
    while data := os.read(source.fileno(), PIECE):
        size += len(data)
        if packed := packer.compress(data):
            write(packed)
    write(packer.flush())
    return size


def packed(data: bytes) -> bytes:
    """Gzip data in memory."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


class Load(_Program):
    """A program that reads gzipped data, piece by piece."""

    def __init__(self, argv: Sequence[str]) -> None:
        super().__init__(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._unpacker = zlib.decompressobj(_GZIP)

    def write(self, data: bytes) -> None:
        """Pass gzipped data to it.

        :raises ResourceError: the data is not gzipped, or the program has failed.
        """
        try:
            while data:
                # However well it is compressed, no more than a piece is in memory.
                self._give(self._unpacker.decompress(data, PIECE))
                data = self._unpacker.unconsumed_tail
        except zlib.error as error:
            raise ResourceError(f"received data that is not gzipped: {error}") from None

    def close(self) -> None:
        """Signal the end of the data.

        :raises ResourceError: it failed, or the data was cut off.
        """
        # The decompressor may still hold the end of the data.
        self._give(self._unpacker.flush())
        if not self._unpacker.eof:
            raise ResourceError("received data that was cut off")
        _pipe(self._process.stdin).close()
        self.finish()

    def _give(self, data: bytes) -> None:
        try:
            stdin = _pipe(self._process.stdin)
            stdin.write(data)
            stdin.flush()
        except BrokenPipeError:
            self.finish()
            raise ResourceError(f"{self._name}: stopped reading before the end") from None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
