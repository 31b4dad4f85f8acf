"""Values that go wrong wherever they are not quoted, for hypothesis to draw from."""

from __future__ import annotations

import re
from typing import Any

from hostsmith.settings.environment import kinds
from hostsmith.settings.kinds import Text
from hypothesis import strategies as st

# A command that gets through leaves this file where it was run.
MARKER = "marker"

_PIECES = [
    f"$(touch {MARKER})",
    f"`touch {MARKER}`",
    f";touch {MARKER};",
    f"\ntouch {MARKER}\n",
    f"'; touch {MARKER} '",
    f'"; touch {MARKER} "',
    f" || touch {MARKER} #",
    f"\ncommand=touch {MARKER}\n[program:x]\n",
    ";;",
    ") ",
    "esac",
    "%(ENV_HOME)s",
    "%s%n",
    "${HOME}",
    "$request_uri",
    "{{ 1 }}",
    "{% raw %}",
    "} server { ",
    "'",
    '"',
    "\\",
    "#",
    " # ",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\x1b]0;title\x07\x1b[2J",
    "\x7f\x9b",
    "\udcff",
    "\u202e",
    "\u2028",
    "é☃😀",
    "~root",
    "..",
    "/",
    "-rf",
    "--",
    "*",
    "=",
    ":",
    ",",
    "@",
    "[1:3]",
    "[",
    "%0a",
    "1e999",
    "0x_",
    "2026-13-45",
]


class Huge(str):
    """A long text that hypothesis prints in a few letters; `str` of it is the text that is tried."""

    def __repr__(self) -> str:
        return f"Huge({self[:5]!r}...)"


#: Short texts made of what is dangerous, with plain letters between.
pieces = st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), max_size=5).map("".join)

#: A text of 1 MB.
huge = st.sampled_from(["x", "[1:1]", "é", "' ", "a.", "9", "$(:)", "\n"]).map(
    lambda unit: Huge(unit * (2**20 // len(unit)))
)

texts = pieces | st.text()

#: What a program can be given: no NUL, and nothing that UTF-8 cannot say.
arguments = texts.map(lambda text: re.sub("[\0\ud800-\udfff]", "", text))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**4000, -(10**30), 0, 1, 65536])
    | st.floats()
    | st.dates()
    | st.binary(max_size=8)
    | texts
)

#: Whatever a YAML file may hold.
structures = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3)
)

#: Every key of the schema that takes texts of a certain form, with that form.
forms: dict[str, str] = {
    ".".join(key): kind.pattern for key, kind in kinds() if isinstance(kind, Text) and kind.pattern != Text.pattern
}


def of_form(annotated: Any) -> st.SearchStrategy[str]:
    """Texts that an annotated type of `settings.values` takes, by its own pattern, drawn from all that it allows."""
    (pattern,) = [note.pattern for note in annotated.__metadata__ if isinstance(note, Text)]
    return st.from_regex(pattern, fullmatch=True)
