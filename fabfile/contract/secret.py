"""Secret text that prints as `***`."""

from __future__ import annotations


class Secret:
    """A text such as a password. Printing, formatting and joining it never shows it.

    On purpose not a `str`: `"".join`, `json.dumps` and `+` refuse it instead of leaking it.

    :param text: the text to keep.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __repr__(self) -> str:
        return "Secret('***')"
