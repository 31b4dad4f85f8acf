"""Releases seen from the controller: their ids, their states, and which one a rollback goes to."""

from __future__ import annotations

import calendar
from collections.abc import Sequence

import pytest
from hostsmith.deployment.releases import new_record, shared, state, to_go_back_to
from hostsmith.deployment.source import Source
from hostsmith.errors import ReleaseError
from hostsmith.hostkit.app.layout import Record, State

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Source("tree", COMMIT, "Add a page")
NOON = float(calendar.timegm((2026, 3, 4, 12, 0, 0)))


def test_a_record_says_what_who_and_when() -> None:
    assert new_record(SOURCE, "ann@laptop", NOON, []) == Record(
        id="20260304-120000-0123456",
        revision=COMMIT,
        subject="Add a page",
        who="ann@laptop",
        created="2026-03-04 12:00:00Z",
        state="building",
    )


def test_a_dirty_tree_is_seen_in_the_id() -> None:
    assert new_record(Source("tree", f"{COMMIT}+dirty", ""), "", NOON, []).id == "20260304-120000-0123456-dirty"


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (["20260304-115959-ffffff"], "20260304-120000"),
        (["20260304-120000-ffffff"], "20260304-120001"),
        (["20260304-120000-000000", "20260301-000000-fffffff"], "20260304-120001"),
        # Another machine's clock is ahead.
        (["20260304-235959-ffffff"], "20260305-000000"),
        (["20261231-235959-ffffff"], "20270101-000000"),
    ],
)
def test_an_id_sorts_after_all_that_are_there(existing: Sequence[str], expected: str) -> None:
    record = new_record(SOURCE, "", NOON, existing)
    assert record.id == f"{expected}-0123456"
    assert record.id > max(existing)


def test_states() -> None:
    assert state(Record("1", state="proven"), "1") == "live"
    assert [state(Record("1", state=s), "2") for s in ("proven", "failed", "bad")] == ["proven", "failed", "bad"]
    assert state(Record("1", state="building"), None) == "failed", "it was cut off"


RECORDS = [
    Record("20260101-000000-aaaaaaa", "aaaaaaa1", state="proven"),
    Record("20260102-000000-bbbbbbb", "bbbbbbb1", state="proven"),
    Record("20260103-000000-ccccccc", "ccccccc1", state="failed", reason="not healthy within 60 s"),
    Record("20260104-000000-ddddddd", "ddddddd1", state="proven"),
    Record("20260105-000000-eeeeeee", "eeeeeee1", state="bad"),
    Record("20260106-000000-aaaaaaa", "aaaaaaa1", state="building"),
]
LIVE = RECORDS[3].id


class TestOfSeveralHosts:
    """What a fleet can go back to: it goes there together."""

    ONE, TWO, THREE = (f"2026010{day}-000000-x" for day in (1, 2, 3))

    def test_are_those_that_each_of_them_has_oldest_first(self) -> None:
        first = [Record(self.ONE, state="proven"), Record(self.TWO, state="proven"), Record(self.THREE, state="proven")]
        assert shared([first, first[1:]]) == shared([first[1:], first]) == first[1:]
        assert shared([first, first]) == shared([first]) == first
        assert shared([first, []]) == shared([]) == []

    @pytest.mark.parametrize("other", ["failed", "bad", "building"])
    def test_are_proven_only_where_all_of_them_say_so(self, other: State) -> None:
        proven, not_there = Record(self.ONE, state="proven"), Record(self.ONE, state=other, reason="it crashed")
        for listings in ([[proven], [not_there]], [[not_there], [proven]], [[proven], [proven], [not_there]]):
            (found,) = shared(listings)
            assert (found.state, found.reason) == (other, "it crashed")


class TestGoingBack:
    @pytest.mark.parametrize(
        ("live", "expected"), [(RECORDS[3].id, RECORDS[1].id), (RECORDS[1].id, RECORDS[0].id), ("9", RECORDS[3].id)]
    )
    def test_is_to_the_newest_proven_one_before_the_live_one(self, live: str, expected: str) -> None:
        assert to_go_back_to(RECORDS, live, None).id == expected

    def test_twice_goes_further_back_and_not_forth_again(self) -> None:
        first = to_go_back_to(RECORDS[:4], RECORDS[3].id, None)
        assert to_go_back_to(RECORDS[:4], first.id, None).id == RECORDS[0].id

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (RECORDS[0].id, 0),
            ("20260102", 1),
            ("bbbbbbb", 1),
            ("bbbb", 1),
            # One that was gone back from can be gone to when it is asked for.
            ("20260105", 4),
            ("eeeeeee1", 4),
        ],
    )
    def test_to_one_that_is_asked_for_by_its_id_or_revision(self, wanted: str, expected: int) -> None:
        assert to_go_back_to(RECORDS, LIVE, wanted) is RECORDS[expected]

    @pytest.mark.parametrize(
        ("records", "live", "wanted", "expected"),
        [
            (RECORDS, None, None, "nothing is live yet"),
            (RECORDS, None, "20260101", "nothing is live yet"),
            (RECORDS[:1], RECORDS[0].id, None, "there is no proven release before 20260101-000000-aaaaaaa"),
            (RECORDS[2:], RECORDS[3].id, None, "there is no proven release before"),
            (RECORDS, LIVE, "nope", "there is no release 'nope'; there are 20260101-000000-aaaaaaa, "),
            (RECORDS, LIVE, "aaaaaaa", "'aaaaaaa' could be any of 20260101-000000-aaaaaaa, 20260106-000000-aaaaaaa"),
            (RECORDS, LIVE, "2026", "say more of it"),
            (RECORDS, LIVE, "", "say more of it"),
            (RECORDS, LIVE, LIVE, "is live already"),
            (RECORDS, LIVE, "ccccccc", r"was never healthy \(not healthy within 60 s\)"),
            (RECORDS, LIVE, "20260106", r"was never healthy \(it was cut off\)"),
        ],
    )
    def test_is_refused_with_the_reason(
        self, records: Sequence[Record], live: str | None, wanted: str | None, expected: str
    ) -> None:
        with pytest.raises(ReleaseError, match=expected):
            to_go_back_to(records, live, wanted)


def test_a_host_whose_releases_are_of_days_to_come_does_not_choose_the_next_id() -> None:
    now = 1_800_000_000.0
    true = new_record(Source("c", "c" * 40, ""), "me", now, ["20270115-080001-aaaaaaa"])
    for claimed in ("99991231-235959-x", "20991231-235959-x"):
        found = new_record(Source("c", "c" * 40, ""), "me", now, ["20270115-080001-aaaaaaa", claimed])
        assert found.id == true.id
