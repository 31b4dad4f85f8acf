"""The setting `services`: which services an app asks for, and what is told when that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hostsmith.inventory.project import settings_of
from hostsmith.services import registry
from hostsmith.services.base import Access, AppService, Argv, Restore
from hostsmith.settings.kinds import UnexpectedError
from hostsmith.settings.project import Settings
from pydantic import ValidationError


class Search(AppService):
    name = "search"

    def install(self) -> list[Any]:
        return []

    def env(self, access: Access) -> dict[str, Any]:
        return {}

    def backup(self) -> Argv:
        return []

    def restore(self) -> Restore | None:
        return None

    def clear(self) -> list[Argv]:
        return []

    def check(self) -> Argv:
        return ["true"]


@pytest.fixture(autouse=True)
def search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_KINDS", registry.known())
    registry.register(Search)


def settings(services: Any) -> Settings:
    return settings_of(app="hello", services=services)


def problem(services: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        settings(services)
    (detail,) = raised.value.errors()
    cause = detail["ctx"]["error"]
    assert isinstance(cause, UnexpectedError)
    return f"{cause.found}|{cause}|{cause.hint}"


def test_a_list_of_names_is_short_for_a_mapping() -> None:
    assert settings(["search"]).services == settings({"search": None}).services == settings({"search": {}}).services


def test_no_service_is_asked_for_by_default() -> None:
    assert settings_of(app="hello").services == {}


def test_a_service_nobody_knows_is_told_with_those_that_there_are() -> None:
    told = problem(["sarch"])
    assert told.startswith("the service 'sarch'|expected one of: ") and "search" in told
    assert told.endswith("|did you mean search?")


def test_a_service_that_is_named_twice_is_told() -> None:
    assert problem(["search", "search"]).startswith("'search' twice|expected each service once")


def test_a_single_name_is_no_list() -> None:
    assert "expected a list of services" in problem("search")


def test_an_option_nobody_knows_is_told_with_those_that_there_are() -> None:
    assert problem({"search": {"rule": "db"}}) == "`search.rule`|expected one of: role|did you mean role?"


def test_options_that_are_no_mapping_are_told() -> None:
    assert problem({"search": "db"}) == "'db' for search|expected a mapping|write `search: {}`"


def test_an_option_that_is_not_as_expected_is_told() -> None:
    assert problem({"search": {"role": "a b"}}).startswith("'a b' for `search.role`|expected a role name")


def test_a_kind_of_service_has_a_name_of_its_own() -> None:
    other = type("Other", (Search,), {"name": "search"})
    with pytest.raises(Exception, match="expected one that Search has not taken"):
        registry.register(other)
    with pytest.raises(Exception, match="expected one such as search"):
        registry.register(type("Nameless", (Search,), {"name": "No Name"}))
