"""Users of an app's own: what sudo gives to a name is found, whichever way a file says it."""

from __future__ import annotations

import pytest
from hostsmith.resources.own_user import names_in_sudoers


@pytest.mark.parametrize(
    "line",
    [
        "carol ALL=(ALL) NOPASSWD: ALL",
        "\tcarol\tALL=(ALL:ALL) ALL",
        "bob, carol ALL = (root) /bin/ls",
        "bob,carol web1=ALL",
        "carol \\\n ALL=ALL",
        "User_Alias ADMINS = bob, carol",
        "User_Alias ADMINS=carol",
    ],
)
def test_who_is_given_something_by_sudo_is_found(line: str) -> None:
    assert "carol" in names_in_sudoers(f"Defaults env_reset\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "# carol ALL=(ALL) ALL",
        "bob ALL=(carol) NOPASSWD: ALL",
        "bob ALL=(ALL) NOPASSWD: /bin/systemctl restart carol",
        "%carol ALL=(ALL) ALL",
        "carolina ALL=(ALL) ALL",
    ],
)
def test_who_is_only_mentioned_is_not(line: str) -> None:
    assert "carol" not in names_in_sudoers(f"Defaults env_reset\n{line}\n")
