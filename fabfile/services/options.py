"""Options of several services."""

from __future__ import annotations

from typing import Annotated

from ..settings.kinds import Text

_MEMORY = "an amount of memory such as 64m or 2g"
Memory = Annotated[str | None, Text(_MEMORY, r"[1-9][0-9]{0,5}[mMgG]")]
