"""Changes to the running `fab` when it imports a fabfile that uses hostsmith."""

from __future__ import annotations

import atexit
import gc
from typing import TYPE_CHECKING

from ..settings import fabric_config

if TYPE_CHECKING:
    from fabric.main import Fab

# New objects after which Python looks for garbage, instead of 700.
_GARBAGE_AFTER = 50_000


def adopt_running_program() -> None:
    """Give the running `fab` our configuration and command line; without one, as in a program of yours, do nothing."""
    program = fabric_config.running_program()
    if program is not None:
        _adopt(program)


def _adopt(program: Fab) -> None:
    # Here and not above: outside of `fab`, nobody needs its program.
    from . import remainder, words

    # To load modules makes very many objects and next to no garbage. Looking for it took a tenth of a command's start.
    gc.set_threshold(_GARBAGE_AFTER)
    # Python looks for garbage among all that is left when it ends, a few times over, which took as long as to import
    # Fabric. The process takes all of it along anyway.
    atexit.register(gc.freeze)
    # `fab` has not read the project's files yet: from here on what is wrong with them is said in one line.
    fabric_config.adopt(program)
    remainder.adopt(program)
    words.adopt(program)
