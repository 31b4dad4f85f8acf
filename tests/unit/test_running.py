"""What processes have in memory, whatever an app has made of its own."""

from __future__ import annotations

import pytest
from hostsmith.hostkit.supervisor.running import _Memory


@pytest.mark.parametrize(
    "children",
    [
        {n: [n + 1] for n in range(1, 5000)},
        {1: list(range(2, 5001))},
        {**{n: [n + 1] for n in range(1, 5000)}, 5000: [1]},
    ],
    ids=["a line", "a crowd", "a circle, by a number that was given again"],
)
def test_all_children_count_once(children: dict[int, list[int]]) -> None:
    memory = _Memory()
    memory._resident, memory._children = dict.fromkeys(range(1, 5001), 1), children
    assert memory.of(1) == 5000
    assert memory.of(0) == 0
