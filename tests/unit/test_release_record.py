"""What a host knows of its releases: where they are, what each says of itself, and which have had their time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hostsmith.hostkit.app.layout import Layout, Record
from hostsmith.resources import ResourceError
from hostsmith.resources.release.release import outdated


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout("blog", str(tmp_path))
    os.makedirs(found.releases)
    return found


def add(layout: Layout, *ids: str) -> None:
    for release_id in ids:
        os.mkdir(layout.release(release_id))
        layout.write_record(Record(release_id, "abc", 'It\'s a "subject"\nünï ☃', "ann@laptop", "now"))


FIRST, SECOND = "20260101-000000-aaaaaaa", "20260102-000000-bbbbbbb"


class TestLayout:
    """Where things are, and which releases there are."""

    def test_before_the_first_deploy(self, tmp_path: Path) -> None:
        layout = Layout("blog", str(tmp_path))
        assert (layout.live(), layout.records()) == (None, [])

    def test_records_are_kept_and_listed_oldest_first(self, layout: Layout) -> None:
        add(layout, SECOND, FIRST)
        assert [record.id for record in layout.records()] == [FIRST, SECOND]
        assert layout.records()[0].subject == 'It\'s a "subject"\nünï ☃'

    def test_live_is_what_current_points_to(self, layout: Layout) -> None:
        for target in ("releases/1", "releases/2", "/elsewhere/releases/3"):
            Path(layout.current).unlink(missing_ok=True)
            os.symlink(target, layout.current)
            assert layout.live() == target.rpartition("/")[2]

    def test_marking_changes_the_state_and_the_reason_alone(self, layout: Layout) -> None:
        add(layout, FIRST)
        before = layout.record(FIRST)
        layout.mark(FIRST, "bad", "rolled back by bob")
        after = layout.record(FIRST)
        assert (after.state, after.reason) == ("bad", "rolled back by bob")
        assert (after.subject, after.who, after.created) == (before.subject, before.who, before.created)
        layout.mark(FIRST, "proven")
        assert (layout.record(FIRST).state, layout.record(FIRST).reason) == ("proven", "")

    def test_a_release_that_was_cut_off_before_its_record_has_its_id(self, layout: Layout) -> None:
        os.mkdir(layout.release(FIRST))
        assert layout.records() == [Record(FIRST, state="building")]

    def test_a_record_of_another_version_is_read_as_far_as_it_is_known(self, layout: Layout) -> None:
        os.mkdir(layout.release(FIRST))
        text = json.dumps({"id": FIRST, "state": "proven", "added_later": True})
        Path(layout.release(FIRST), "release.json").write_text(text)
        assert layout.records() == [Record(FIRST, state="proven")]

    def test_what_is_no_release_is_not_taken_for_one(self, layout: Layout) -> None:
        """It would be pruned."""
        add(layout, FIRST)
        Path(layout.releases, "lost+found").mkdir()
        Path(layout.releases, "notes.txt").write_text("by hand")
        Path(layout.releases, SECOND).write_text("a file")
        assert [record.id for record in layout.records()] == [FIRST]

    def test_the_socket_of_the_longest_app_name_fits_in_a_socket_address(self) -> None:
        """108 bytes with the NUL at the end, see unix(7)."""
        assert len(Layout("a" * 31).socket("20261231-235959-1234567-dirty").encode()) < 108

    @pytest.mark.parametrize("other", ["shop", "blog-candidate", "blog-1"])
    def test_apps_and_releases_share_no_path(self, other: str) -> None:
        paths = [
            (x.root, x.logs, x.boot_config, x.candidate_config, x.group("1"), x.socket("1"), x.socket("2"))
            for x in (Layout("blog"), Layout(other))
        ]
        assert len({path for group in paths for path in group}) == 14


def record(text: str) -> Record:
    """ "3f": the release 3, failed; p: proven, f: failed, b: bad, u: building."""
    return Record(text[0], state={"p": "proven", "f": "failed", "b": "bad", "u": "building"}[text[1]])


class TestOutdated:
    """Which releases have had their time."""

    @pytest.mark.parametrize(
        ("releases", "live", "keep", "expected"),
        [
            ("", None, 5, ""),
            ("1p", "1", 1, ""),
            ("1p 2p", "2", 1, "1"),
            ("1p 2p", "2", 2, ""),
            ("1p 2p 3p", "3", 2, "1"),
            ("1p 2p 3p 4p", "4", 2, "1 2"),
            # The live one stays wherever it stands, as after a rollback.
            ("1p 2p 3p", "1", 1, "2 3"),
            ("1p 2b 3b", "1", 3, "2"),
            # Failed ones crowd out none that can be gone back to; the newest stays to be looked into.
            ("1p 2f 3f 4f 5p", "5", 2, "2 3"),
            ("1p 2p 3f 4f 5f 6f 7p", "7", 3, "3 4 5"),
            ("1p 2f 3b 4u 5p", "5", 5, "2 3"),
            # Nothing is live: the first deploy failed, and the next ones.
            ("1f 2f 3f", None, 5, "1 2"),
            ("1p 2p 3p", None, 2, "1 2"),
        ],
    )
    def test_which_go(self, releases: str, live: str | None, keep: int, expected: str) -> None:
        records = [record(text) for text in releases.split()]
        assert [gone.id for gone in outdated(records, live, keep)] == expected.split()

    @pytest.mark.parametrize("keep", range(1, 7))
    def test_the_live_one_never_goes_and_as_many_proven_ones_stay_as_asked(self, keep: int) -> None:
        records = [record(f"{number}p") for number in range(1, 7)]
        for live in [record.id for record in records]:
            gone = {record.id for record in outdated(records, live, keep)}
            assert live not in gone
            assert 6 - len(gone) == min(keep, 6)

    def test_keeping_none_is_refused(self) -> None:
        with pytest.raises(ResourceError, match="at least 1"):
            outdated([], None, 0)
