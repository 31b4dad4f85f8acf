"""Files and directories: make, check, search, append lines.

Every helper takes `sudo=`, `runner_method=` and `runner=` too (see `util.set_runner`) and costs one command. Paths
are literal, whatever characters they hold, except for a leading `~`, `~user` or `$HOME` (see `util.quote_path`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from invoke.context import Context

from ..errors import PatchworkError
from .util import ANSWER_NO, Runner, ask_script, quote_path, run_script, set_runner

Path = str | os.PathLike[str]

# $1 path, $2 mode to create with, $3 owner, $4 group, $5 mode. A numeric mode holds from the first moment on.
_DIRECTORY = """\
if [ -n "$2" ]; then mkdir -p -m "$2" -- "$1"; else mkdir -p -- "$1"; fi || exit
if [ -n "$3" ]; then chown -- "$3:$4" "$1" || exit; elif [ -n "$4" ]; then chgrp -- "$4" "$1" || exit; fi
if [ -n "$5" ]; then chmod -- "$5" "$1"; fi
"""

_EXISTS = f'[ -e "$1" ] || exit {ANSWER_NO}'

# $1 file, $2 text, $3... options of grep.
_CONTAINS_LINE = f"""\
[ -e "$1" ] || exit {ANSWER_NO}
file=$1 text=$2
shift 2
grep "$@" -q -e "$text" < "$file"
status=$?
[ "$status" != 1 ] || exit {ANSWER_NO}
exit "$status"
"""

# grep reads the lines of a pattern as alternatives, so text of several lines is searched in the whole file.
# The file comes by stdin: awk takes an argument such as `a=b` for an assignment, not for a file.
_CONTAINS_LINES = f"""\
[ -e "$1" ] || exit {ANSWER_NO}
TEXT=$2 LC_ALL=C awk '
    {{ content = content $0 "\\n" }}
    END {{ exit index("\\n" content, ENVIRON["TEXT"]) ? 0 : {ANSWER_NO} }}
' < "$1"
"""

# Reads a file, prints what has to be added to it. Arguments: "partial" or "", then the texts. One is there when it
# begins a line (partial) or when the file has exactly these lines one after the other. Empty ones are blank lines
# that belong to the text they precede: repeating a call must not pile them up.
_MISSING_LINES = """\
BEGIN {
    partial = ARGV[1]
    for (i = 2; i < ARGC; i++) text[i] = ARGV[i]
    count = ARGC
    ARGC = 1
}
{ content = content $0 "\\n" }
END {
    content = "\\n" content
    for (i = 2; i < count; i++) {
        if (text[i] == "") { blank = blank "\\n"; continue }
        named = 1
        if (index(content added, "\\n" text[i] (partial ? "" : "\\n"))) { blank = ""; continue }
        added = added blank text[i] "\\n"
        blank = ""
    }
    if (added != "" || (!named && content !~ /\\n\\n$/)) added = added blank
    printf "%s", added
}
"""

# $1 file, $2 the program above, $3... its arguments. The lines go in with one append in place, which keeps owner,
# mode, links and mounts and loses no line that somebody else appends meanwhile; a failed one is reverted. By tee,
# which reports why it failed: the printf of dash calls a full disk an "I/O error".
_APPEND = """\
LC_ALL=C
export LC_ALL
file=$1 program=$2
shift 2
before=/dev/null
[ ! -e "$file" ] || before=$file
lines=$(awk -- "$program" "$@" < "$before" && echo .) || exit
lines=${lines%.}
[ -n "$lines" ] || exit 0
size=$(wc -c < "$before") || exit
[ -z "$(tail -c 1 < "$before")" ] || lines="
$lines"
printf %s "$lines" | tee -a -- "$file" > /dev/null && exit
status=$?
if [ "$before" = /dev/null ]; then rm -f -- "$file"
elif [ "$(wc -c < "$file")" != "$size" ]; then truncate -s "$size" -- "$file"
fi
exit "$status"
"""


@set_runner
def directory(
    c: Context, runner: Runner, path: Path, user: str | None = None, group: str | None = None, mode: str | None = None
) -> None:
    """Ensure that a directory exists with its parents, and has this owner, group and mode.

    :param user: its owner; left alone when None.
    :param group: its group; that of the same name as `user` when only this is given.
    :param mode: what `chmod` takes, as text: "0750", "g+s". A number is refused: `0o755` is 493, and patchwork
        would have given the directory that mode.
    :raises PatchworkError: that failed; with the host's message.
    """
    if mode is not None and not isinstance(mode, str):
        raise PatchworkError(f"directory(): mode is {mode!r}, expected text such as '0755' or 'u=rwx,go=rx'.")
    owner = "" if user is None else str(user)
    its_group = owner if group is None else str(group)
    first_mode = mode if mode and set(mode) <= set("01234567") else ""
    words = [shlex.quote(word) for word in (first_mode, owner, its_group, mode or "")]
    doing = f"creating the directory {os.fspath(path)!r}"
    run_script(c, runner, _DIRECTORY, quote_path(path), *words, doing=doing)


@set_runner
def exists(c: Context, runner: Runner, path: Path) -> bool:
    """Whether something is at a path; a symlink does not count when it leads nowhere.

    What the user may not see does not exist for them: `sudo=True` checks as root.

    :raises PatchworkError: the command failed.
    """
    return ask_script(c, runner, _EXISTS, quote_path(path), doing=f"looking for {os.fspath(path)!r}")


@set_runner
def contains(c: Context, runner: Runner, filename: Path, text: str, exact: bool = False, escape: bool = True) -> bool:
    """Whether a file contains a text; a file that is not there contains nothing.

    :param text: literal; may be of several lines.
    :param exact: whether it has to be a whole line, or whole lines.
    :param escape: False: `text` is an extended regular expression as `grep -E` takes it, and `exact` is not used.
    :raises PatchworkError: the file cannot be read, is a directory, or the expression is not valid.
    """
    doing = f"looking for {text!r} in {os.fspath(filename)!r}"
    where = quote_path(filename)
    if escape and "\n" in text:
        lines = "\n" + text.removesuffix("\n") + "\n" if exact else text
        return ask_script(c, runner, _CONTAINS_LINES, where, shlex.quote(lines), doing=doing)
    options = ["-E"] if not escape else ["-F", "-x"] if exact else ["-F"]
    return ask_script(c, runner, _CONTAINS_LINE, where, shlex.quote(text), *options, doing=doing)


@set_runner
def append(
    c: Context,
    runner: Runner,
    filename: Path,
    text: str | Iterable[str],
    partial: bool = False,
    escape: bool = True,
) -> None:
    """Append each text to a file unless it is a line of it already; create the file if it is missing.

    All missing texts are written at once; when that fails (a full disk), the file is truncated to its old length. A
    last line without a newline is finished first. A newline at the end of a text ends that line. An empty text is a
    blank line before the next missing text; alone it is written unless the file ends with one.

    :param text: a line, or several; each text of an iterable is looked for and appended on its own, in order.
    :param partial: whether a line that only begins with the text counts as well.
    :param escape: False leaves the text to the shell, between single quotes: one that was written for such a place
        (`it'\\''s`) is understood.
    :raises PatchworkError: the file cannot be read or written.
    """
    lines = [line.removesuffix("\n") for line in ([text] if isinstance(text, str) else text)]
    if not lines:
        return
    words = [shlex.quote(line) if escape else f"\"$(echo '{line}')\"" for line in lines]
    program = [shlex.quote(_MISSING_LINES), "partial" if partial else "''"]
    doing = f"appending to {os.fspath(filename)!r}"
    run_script(c, runner, _APPEND, quote_path(filename), *program, *words, doing=doing)
