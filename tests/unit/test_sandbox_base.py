"""Cached bases stay while anyone stands on them or works on them, and go when nobody does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.sandbox.base import remove_unused
from hostsmith.sandbox.store import HostRecord, ImageRecord, State, Store, locked


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """Two projects: a host on bookworm-1 in one, an image of trixie-1 in the other."""
    host = HostRecord("sandbox-1", "10.77.0.2", "bookworm", "bookworm-1", "ssh-ed25519 AAAA")
    image = ImageRecord("trixie", "trixie-1", ("web-1",))
    one = State("one", "10.77.0.0/24", hosts={"sandbox-1": host})
    two = State("two", "10.77.1.0/24", images={"app": image})
    for state in (one, two):
        store = Store(tmp_path / state.project, root=tmp_path / "states")
        store.folder.mkdir(parents=True)
        store.write(state)
    return tmp_path / "states"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    cache = tmp_path / "cache"
    for name in ("bookworm-1", "bookworm-0", "trixie-1", "noble-0.partial"):
        (cache / name / "etc").mkdir(parents=True)
        (cache / f"{name.removesuffix('.partial')}.lock").touch()
    return cache


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_only_bases_in_use_stay(cache: Path, states: Path) -> None:
    remove_unused(cache=cache, states=states)
    assert names(cache) == ["bookworm-1", "trixie-1"]
    assert len(list(cache.glob("*.lock"))) == 2


def test_a_base_that_another_run_works_on_is_let_alone(cache: Path, states: Path) -> None:
    with locked(cache / "bookworm-0.lock"), locked(cache / "noble-0.lock"):
        remove_unused(cache=cache, states=states)
        assert names(cache) == ["bookworm-0", "bookworm-1", "noble-0.partial", "trixie-1"]


def test_a_new_base_takes_the_place_of_older_ones_of_its_suite_alone(cache: Path, states: Path) -> None:
    with locked(cache / "bookworm-2.lock"):
        (cache / "bookworm-2").mkdir()
        remove_unused("bookworm-", keep="bookworm-2", cache=cache, states=states)
    assert names(cache) == ["bookworm-1", "bookworm-2", "noble-0.partial", "trixie-1"]


def test_with_the_last_base_the_cache_goes(cache: Path, tmp_path: Path) -> None:
    remove_unused(cache=cache, states=tmp_path / "no-sandboxes")
    assert not cache.exists()
    remove_unused(cache=cache, states=tmp_path / "no-sandboxes")
