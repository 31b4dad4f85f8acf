"""Shell commands of the helpers: runners, quoting and errors.

`set_runner` and `munge_docstring` come from patchwork. The helpers are built on `run_script`, `ask_script` and
`quote_path`; use them in your `@set_runner` functions to get the same behaviour under sudo.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import shlex
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any, TypeVar, cast

from fabric import Connection
from invoke.context import Context
from invoke.exceptions import AuthFailure, UnexpectedExit
from invoke.runners import Result

from ..connection.ssh import opened
from ..errors import PatchworkError

R = TypeVar("R")
Runner = Callable[..., Any]

ANSWER_NO = 100
"""Exit status of a script that means "no". Not 1: that is also a failure of sudo, `cd` and the shell."""

# Linux refuses any single argument of 128 KiB (MAX_ARG_STRLEN), and the command of a shell is one.
_LONGEST_COMMAND = 120_000

# The beginnings of a path that a shell would expand and that fabfiles rely on. Nothing else in a path is special.
_HOME = re.compile(r"(~[A-Za-z0-9_.-]*|\$HOME|\$\{HOME\})(?=/|\Z)")

_RUNNER_PARAMETERS = [
    Parameter("sudo", Parameter.KEYWORD_ONLY, default=False),
    Parameter("runner_method", Parameter.KEYWORD_ONLY, default="run"),
    Parameter("runner", Parameter.KEYWORD_ONLY, default=None),
]

_RUNNER_DOC = """\
:param bool sudo:
    Whether to run shell commands via ``sudo``.
:param str runner_method:
    Name of the context's method that runs shell commands.
:param runner:
    Callable that runs shell commands; best a bound method of the given context.
"""


def set_runner(f: Callable[..., R]) -> Callable[..., R]:
    """Give the decorated function a `runner` as its second argument, chosen by the keywords of its caller.

    `runner=` is used as it is; else `runner_method=` names a method of the context; else `sudo=True` means its
    `sudo`, and the default is its `run`. When several are given, they win in that order.

    :raises PatchworkError: the first argument is not a context (the connection was forgotten).
    """

    @functools.wraps(f)
    def inner(c: Any, *args: Any, **kwargs: Any) -> R:
        runner = kwargs.pop("runner", None)
        method = kwargs.pop("runner_method", None)
        sudo = kwargs.pop("sudo", False)
        if runner is None:
            runner = _method_of(c, method or ("sudo" if sudo else "run"), f.__name__)
        if getattr(runner, "__name__", "") != "local":
            reach(c)
        return f(c, Sudo(c) if _is_sudo_of(c, runner) else runner, *args, **kwargs)

    inner.__signature__ = _public_signature(f)  # type: ignore[attr-defined]
    inner.__doc__ = munge_docstring(f, inner)
    return inner


def munge_docstring(f: Callable[..., Any], inner: Callable[..., Any]) -> str:
    """Build the docstring of a decorated function: its public signature, `inner`'s text and the added parameters.

    Sphinx reads the first line as the signature (its setting `autodoc_docstring_signature`).
    """
    parameters = _public_signature(f).parameters.values()
    names = ", ".join(str(p.replace(annotation=Parameter.empty)) for p in parameters)
    return f"{f.__name__}({names})\n{inspect.cleandoc(inner.__doc__ or '')}\n\n{_RUNNER_DOC}"


class Sudo:
    """`c.sudo`, which also works within `c.cd` and `c.prefix`, and needs no sudo program as root.

    Fabric puts the `cd` of `with c.cd(...)` behind the word `sudo`, where it fails
    (https://github.com/pyinvoke/invoke/issues/459). Here it is part of one script that runs under sudo.
    """

    def __init__(self, c: Context) -> None:
        self.c = c

    def __call__(self, command: str, **options: Any) -> Any:
        c = self.c
        if self.is_needless and "user" not in options:
            return c.run(command, **options)
        if c.command_cwds or c.command_prefixes:
            command = _with_surroundings(c, command, ())
        with _without_surroundings(c):
            return c.sudo(command, **options)

    @property
    def is_needless(self) -> bool:
        """Whether `c` is root already and no other user is requested."""
        root = self.c.user == "root" if isinstance(self.c, Connection) else os.geteuid() == 0
        return root and not self.c.config.sudo.user


def reach(c: Any) -> None:
    """Open a connection that is not open yet, with host keys checked as everywhere in hostsmith."""
    if isinstance(c, Connection):
        opened(c)


def quote_path(path: str | os.PathLike[str]) -> str:
    """Quote a path as one word for a shell: literal, except for a leading `~`, `~user` or `$HOME`.

    The shell of the user who is logged in expands those, as in patchwork. Write `./~name` for a file whose name
    begins so.

    :raises PatchworkError: it holds a NUL character.
    """
    text = os.fspath(path)
    if "\0" in text:
        raise PatchworkError(f"The path {text!r} holds a NUL character; no file can have that name.")
    found = _HOME.match(text)
    if not found:
        return shlex.quote(text)
    home = found[1] if found[1].startswith("~") else '"$HOME"'
    below = text[found.end() :].lstrip("/")
    return f"{home}/{shlex.quote(below)}" if below else home


def run_script(
    c: Context,
    runner: Runner,
    script: str,
    *words: str,
    doing: str = "running a script",
    expect: tuple[int, ...] = (0,),
    **options: Any,
) -> Result:
    """Run a POSIX shell script as one command; under sudo the whole of it, redirections included, has those rights.

    :param runner: as `set_runner` gives it.
    :param words: the script's `$1`, `$2`, ...; quoted already (`quote_path`, `shlex.quote`). The shell of the user
        who is logged in expands them, so that `~` is theirs also under sudo.
    :param doing: a description for errors: "creating the directory '/srv'".
    :param expect: exit statuses that are not errors.
    :param options: passed to the runner; `hide=True` unless given.
    :raises PatchworkError: another exit status, or sudo refused; with the host's message.
    """
    if getattr(runner, "__name__", "") != "local":
        reach(c)
    settings = {"hide": True, **options, "warn": True}
    try:
        result = _run(c, runner, script, words, settings)
    except AuthFailure as failure:
        raise PatchworkError(_sudo_refused(c, doing, failure)) from None
    except UnexpectedExit as failure:  # of a runner that ignores warn=True
        result = failure.result
    except _TooLongError as problem:
        raise PatchworkError(f"{doing}: {problem}; upload a file of that size with c.put().") from None
    if result.exited not in expect:
        raise PatchworkError(f"{doing} failed {place(c)} (exit {result.exited}): {said(c, result)}")
    return result


def ask_script(c: Context, runner: Runner, script: str, *words: str, **options: Any) -> bool:
    """Run a script that answers a question: exit 0 is yes, `ANSWER_NO` is no, all else is an error."""
    return run_script(c, runner, script, *words, expect=(0, ANSWER_NO), **options).exited == 0


def place(c: Context) -> str:
    """Name the place where commands of `c` run, for messages."""
    return f"on {c.host}" if isinstance(c, Connection) else "on this machine"


def said(c: Context, result: Result) -> str:
    """Return the last lines of a failed command's stderr, or of stdout where a pty has mixed the two."""
    prompt = c.config.sudo.prompt
    text = result.stderr.replace(prompt, "").strip() or result.stdout.replace(prompt, "").strip()
    return "\n".join(text.splitlines()[-15:]) or "it printed nothing"


class _TooLongError(Exception):
    """A command that is too long for a host."""


def _run(c: Context, runner: Runner, script: str, words: tuple[str, ...], settings: dict[str, Any]) -> Result:
    if isinstance(runner, Sudo) or _is_sudo_of(c, runner):
        runner = c.run if Sudo(c).is_needless else c.sudo
    if getattr(runner, "__name__", "") in ("run", "local"):
        # Invoke puts `cd` and prefixes before these itself, where they belong.
        return cast(Result, runner(_command("sh", script, words), **settings))
    command = _with_surroundings(c, script, words)
    with _without_surroundings(c):
        return cast(Result, runner(command, **settings))


def _command(shell: str, script: str, words: tuple[str, ...]) -> str:
    command = " ".join([shell, "-c", shlex.quote(script), "hostsmith", *words])
    size = len(command.encode(errors="surrogateescape"))
    if size > _LONGEST_COMMAND:
        raise _TooLongError(f"the command has {size} bytes, and a host accepts {_LONGEST_COMMAND}")
    return command


def _with_surroundings(c: Context, script: str, words: tuple[str, ...]) -> str:
    """Build a command with `c.cd` and `c.prefix` as parts of its script, with the same rights as the rest."""
    # Prefixes are written for the login shell (`source venv/bin/activate`), which usually is bash.
    shell = '"${BASH:-sh}"' if c.command_prefixes else "sh"
    script = "".join(f"{prefix} || exit\n" for prefix in c.command_prefixes) + script
    folder = c.cwd.replace("\\ ", " ")  # Context.cwd escapes spaces, and nothing else
    if folder:
        script = f'cd -- "$1" || exit\nshift\n{script}'
        words = (quote_path(folder), *words)
    return _command(shell, script, words)


@contextlib.contextmanager
def _without_surroundings(c: Context) -> Iterator[None]:
    folders, prefixes = list(c.command_cwds), list(c.command_prefixes)
    c.command_cwds.clear()
    c.command_prefixes.clear()
    try:
        yield
    finally:
        c.command_cwds[:] = folders
        c.command_prefixes[:] = prefixes


def _is_sudo_of(c: Context, runner: Runner) -> bool:
    return getattr(runner, "__self__", None) is c and getattr(runner, "__name__", "") == "sudo"


def _method_of(c: Any, method: str, function: str) -> Runner:
    found = getattr(c, method, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise PatchworkError(
        f"{function}(): found {c!r}, expected a Connection or Context with a method {method!r}: "
        f"call it as {function}(c, ...)."
    )


def _public_signature(f: Callable[..., Any]) -> inspect.Signature:
    own = inspect.signature(f)
    first, _, *others = own.parameters.values()
    last = [p for p in others if p.kind is Parameter.VAR_KEYWORD]
    others = [p for p in others if p not in last]
    return own.replace(parameters=[first, *others, *_RUNNER_PARAMETERS, *last])


def _sudo_refused(c: Context, doing: str, failure: AuthFailure) -> str:
    if c.config.sudo.password is None:
        found = "sudo asks for a password and none is configured"
    else:
        found = "sudo does not accept the configured password"
    return (
        f"{doing} failed {place(c)}: {found}. Run fab with --prompt-for-sudo-password, set sudo.password, "
        "or allow the user sudo without one."
    )
