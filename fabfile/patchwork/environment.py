"""Environment of a host's shell: its programs."""

from __future__ import annotations

import shlex

from invoke.context import Context
from invoke.runners import Result

from .util import ANSWER_NO, run_script

# By hand, because `which` is missing on small systems and `command -v` also finds what is not a program. An empty
# field of PATH means the working directory.
_FIND_PROGRAM = f"""\
case $1 in
    */*) folders=: name=$1 ;;
    *) folders=$PATH: name=/$1 ;;
esac
while [ -n "$folders" ]; do
    folder=${{folders%%:*}} folders=${{folders#*:}}
    case $name in /"$1") folder=${{folder:-.}} ;; esac
    [ -f "$folder$name" ] && [ -x "$folder$name" ] && printf '%s\\n' "$folder$name" && exit
done
exit {ANSWER_NO}
"""


def have_program(c: Context, name: str) -> Result:
    """Look for a program in the user's PATH: the result is true if it is there, and its `stdout` is the path.

    Over SSH this is the short PATH of a shell that is not a login shell, often without `/usr/sbin`.

    :raises PatchworkError: the command failed.
    """
    doing = f"looking for the program {name!r}"
    return run_script(c, c.run, _FIND_PROGRAM, shlex.quote(name), doing=doing, expect=(0, ANSWER_NO))
