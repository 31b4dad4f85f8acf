"""Validated: a group holds as a whole, or everything is put back and no service hears of it."""

from __future__ import annotations

from pathlib import Path

from hostsmith.resources import Absent, Command, Directory, File, Secret, Symlink, Validated
from local_host import LocalHost, tree
from own_resources import Append, Half


def site(place: Path, text: str, *, reload: Path, valid: bool = True) -> Validated:
    """What a site of nginx is made of; a configuration with the word "bad" is refused."""
    check = ["sh", "-c", 'grep -qs bad "$0" && { echo "site: line 1: bad" >&2; exit 1; } || exit 0', f"{place}/site"]
    return Validated(
        "site",
        (
            Directory(f"{place}/folder", mode=0o750),
            File(f"{place}/site", text),
            Symlink(f"{place}/enabled", f"{place}/site"),
            Absent(f"{place}/default"),
        ),
        validate=check,
        notify=Append(str(reload), "reload"),
    )


def test_made_then_kept_then_changed_then_changed_again(host: LocalHost, place: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (place / "default").write_text("Debian's own")
    for number, text in enumerate(("one", "two", "one"), 1):
        outcome = host.converge(site(place, text, reload=log))
        assert outcome.results == [("site", "changed"), ("append reload", "ran")]
        assert log.read_text() == "reload\n" * number
        assert host.converge(site(place, text, reload=log)).results == [("site", "ok")]
    assert log.read_text() == "reload\n" * 3
    assert sorted(tree(place)) == ["enabled", "folder", "site"]


def test_a_refused_group_is_put_back_as_it_was_and_the_service_left_alone(
    host: LocalHost, place: Path, tmp_path: Path
) -> None:
    (place / "default").write_text("Debian's own")
    (place / "default").chmod(0o600)
    (place / "site").write_bytes(b"by hand \xff\n")
    (place / "site").chmod(0o640)
    (place / "enabled").symlink_to("elsewhere")
    before = tree(place)
    outcome = host.converge(site(place, "bad", reload=tmp_path / "log"))
    assert outcome.results == [("site", "failed")]
    assert "the new configuration was rejected and rolled back" in outcome.error
    assert outcome.error.endswith("site: line 1: bad"), "the tool's own words"
    assert tree(place) == before
    assert host.owed == []
    assert not (tmp_path / "log").exists()


def test_a_handler_that_was_owed_before_stays_owed(host: LocalHost, place: Path, tmp_path: Path) -> None:
    log = tmp_path / "later/log"
    assert not host.converge(site(place, "good", reload=log)).ok, "there is no folder for the handler's file yet"
    outcome = host.converge(site(place, "bad", reload=log))
    assert outcome.results == [("site", "failed")]
    assert host.owed == [Append(str(log), "reload")]
    log.parent.mkdir()
    outcome = host.converge(site(place, "good", reload=log))
    assert outcome.results == [("site", "ok"), ("append reload", "ran")]


def test_a_member_that_fails_puts_back_those_before_it_and_itself(host: LocalHost, place: Path, tmp_path: Path) -> None:
    log = Append(str(tmp_path / "log"))
    group = Validated("group", (File(f"{place}/one", "1", notify=log), Half(f"{place}/two"), File(f"{place}/3", "")))
    outcome = host.converge(group)
    assert outcome.error == "the other half is missing"
    assert tree(place) == {}
    assert host.owed == []


def test_without_a_check_it_only_belongs_together(host: LocalHost, place: Path) -> None:
    group = Validated("group", (File(f"{place}/one", "1"), File(f"{place}/two", "2")))
    assert host.converge(group).summary == "one, two"
    assert host.converge(group).states == ["ok"]


def test_handlers_of_the_members_count(host: LocalHost, place: Path, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    inner = File(f"{place}/one", "1", notify=(Append(log, "first"), Append(log, "second")))
    outcome = host.converge(Validated("group", (inner,), ["true"], notify=Append(log, "group")))
    assert outcome.results[1:] == [("append group", "ran"), ("append first", "ran"), ("append second", "ran")]


def test_groups_within_groups(host: LocalHost, place: Path) -> None:
    inner = Validated("inner", (File(f"{place}/one", "1"), Directory(f"{place}/folder")), ["true"])
    assert not host.converge(Validated("outer", (inner, File(f"{place}/two", "2")), ["false"])).ok
    assert tree(place) == {}
    assert host.converge(Validated("outer", (inner, File(f"{place}/two", "2")), ["true"])).ok
    assert sorted(tree(place)) == ["folder", "one", "two"]


def test_a_member_sees_what_the_one_before_it_did(host: LocalHost, place: Path) -> None:
    (place / "thing").symlink_to("elsewhere")
    group = Validated(
        "group", (Directory(f"{place}/new"), File(f"{place}/new/file", "text"), Command(["test", "-e", f"{place}/new"]))
    )
    assert host.converge(group).ok
    assert (place / "new/file").read_text() == "text"


def test_a_dry_run_shows_the_diffs_of_all_and_no_secret(host: LocalHost, place: Path) -> None:
    group = Validated(
        "group", (File(f"{place}/one", "1\n"), File(f"{place}/env", Secret("hunter2")), File(f"{place}/two", "2\n"))
    )
    outcome = host.plan(group)
    assert [line for line in outcome.diff.splitlines() if line[:1] == "+" and line[:3] != "+++"] == ["+1", "+2"]
    assert "hunter2" not in outcome.text + host.undo(group).text + repr(group)
    assert tree(place) == {}


def test_a_check_program_that_is_not_there_puts_everything_back(host: LocalHost, place: Path) -> None:
    outcome = host.converge(Validated("group", (File(f"{place}/one", "1"),), ["no-such-program-anywhere", "-t"]))
    assert "no-such-program-anywhere: No such file or directory" in outcome.error
    assert tree(place) == {}
