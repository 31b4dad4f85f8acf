"""The number of the protocol: raised whenever deployers' machines and hosts could misunderstand each other."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import protocol_shape
import pytest
from hostsmith.agent.deployers import resources, rules, values
from hostsmith.connection import answers
from hostsmith.contract import checks, events
from hostsmith.contract.protocol import PROTOCOL
from hostsmith.resources.release.release import Pruned


def test_what_both_ends_must_agree_on_changes_with_the_number_alone() -> None:
    kept = protocol_shape.kept()
    now = json.loads(json.dumps(protocol_shape.shape()))
    changed = [part for part in now.keys() | kept["shape"].keys() if now.get(part) != kept["shape"].get(part)]
    assert (kept["protocol"], changed) == (PROTOCOL, []), (
        "what deployers' machines and hosts must agree on has changed: raise PROTOCOL in fabfile/contract/protocol.py "
        f"if hostsmith {kept['since']} was released, then run `python tests/unit/protocol_shape.py`"
    )


Change = Callable[[pytest.MonkeyPatch], None]


def _frame(patch: pytest.MonkeyPatch) -> None:
    made = rules.Allowed.__init__

    def init(self: rules.Allowed, app: str) -> None:
        made(self, app)
        self._frames["more"] = {}

    patch.setattr(rules.Allowed, "__init__", init)


def _rule(patch: pytest.MonkeyPatch) -> None:
    made = resources.AllowedResources.__init__

    def init(self: resources.AllowedResources, app: str) -> None:
        made(self, app)
        self.classes[Pruned]["keep"] = checks.whole(1, 5)

    patch.setattr(resources.AllowedResources, "__init__", init)


def _field(patch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class More(Pruned):
        more: int = 0

    fields = dataclasses.fields
    patch.setattr(dataclasses, "fields", lambda cls: fields(More) if cls is Pruned else fields(cls))


def _pattern(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(values, "process", checks.text("[a-z]+"))
    protocol_shape._named.cache_clear()


def _answer(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(answers.ANSWERS, "status", checks.record(live=checks.anything))


def _event(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(events._FIELDS, "more", {})


@pytest.mark.parametrize(
    "change", [_frame, _rule, _field, _pattern, _answer, _event], ids=lambda change: change.__name__
)
def test_a_change_of_any_of_it_is_seen(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    before = copy.deepcopy(protocol_shape.shape())
    change(monkeypatch)
    try:
        assert protocol_shape.shape() != before
    finally:
        monkeypatch.undo()
        protocol_shape._named.cache_clear()
    assert protocol_shape.shape() == before


def test_a_picture_of_a_released_protocol_is_not_taken_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    picture = tmp_path / "protocol.json"
    monkeypatch.setattr(protocol_shape, "PICTURE", picture)
    picture.write_text(json.dumps({"protocol": PROTOCOL, "since": "0.0.1", "shape": {}}))
    with pytest.raises(SystemExit, match=re.escape("raise PROTOCOL in fabfile/contract/protocol.py")):
        protocol_shape.main()
    picture.write_text(json.dumps({"protocol": PROTOCOL - 1, "since": "0.0.1", "shape": {}}))
    protocol_shape.main()
    found = protocol_shape.kept()
    assert found["protocol"] == PROTOCOL
    # Nobody has it before this version is released.
    assert not protocol_shape.is_released(found)
    assert protocol_shape.is_released(found, "77.0")


def test_it_says_the_same_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert protocol_shape.shape() == protocol_shape.shape()
