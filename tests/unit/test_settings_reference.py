"""docs/settings.md: every key of the schema once, with its type, default and a valid example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hostsmith.inventory.project import settings_of
from hostsmith.settings.cron import CronEntry
from hostsmith.settings.entries import HostEntry
from hostsmith.settings.environment import kind_of
from hostsmith.settings.hardening import Allow
from hostsmith.settings.processes import Process
from hostsmith.settings.project import Settings
from hostsmith.settings.reference import commented, keys, render
from hostsmith.settings.reference_groups import GROUPS
from hostsmith.settings.services import ServiceOptions
from invoke.util import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
EXAMPLES = [example for _, _, example in GROUPS]
# Keys that exclude others of their group.
ALTERNATIVES = {
    "staging": {"staging": True},
    "certificate": {"certificate": "tls/example.pem", "key": "~/secrets/example.key"},
    "self_signed": {"self_signed": True},
}


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model of the schema, and those of the mappings in it."""
    yield model
    for info in model.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from models(info.annotation)


MODELS = [*models(Settings), HostEntry, Process, CronEntry, Allow, ServiceOptions]
FIELDS = [(model, name) for model in MODELS for name in model.model_fields]


def comments(text: str, info: FieldInfo) -> list[str]:
    """The comments in which a field is described, each on one line."""
    blocks = re.findall(r"(?:^ *# .*\n)+", text, flags=re.MULTILINE)
    lines = [" ".join(re.sub(r"^ *# ", "", block, flags=re.MULTILINE).split()) for block in blocks]
    start = str(info.description).partition(" Default: ")[0]
    return [line for line in lines if line.startswith(f"{start} Type: {kind_of(info).text}.")]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run: python -m hostsmith.settings.reference > docs/settings.md"


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_key_stands_once_with_what_it_does_its_type_and_its_default(model: type[BaseModel], name: str) -> None:
    info = model.model_fields[name]
    (comment,) = comments(render(), info)
    if info.is_required():
        assert comment.endswith(". Required.")
        return
    default = info.get_default(call_default_factory=True)
    if default is None or default == "":
        assert re.search(r"\. Default: .+\.$", comment), "where there is no value, the description names the default"
    elif not isinstance(default, BaseModel):
        shown = default if isinstance(default, str) else json.dumps(default)
        assert comment.endswith(f". Default: `{shown}`.")


def test_each_group_begins_with_the_keys_of_the_schema_and_all_are_in_one() -> None:
    given = [key for example in EXAMPLES for key in yaml.safe_load(example)]
    assert sorted(given) == sorted(Settings.model_fields)
    found = [name for example in EXAMPLES for _, _, info in keys(example) for name in _names(info)]
    assert len(found) == len(FIELDS)


def _names(info: FieldInfo) -> list[str]:
    return [name for model in MODELS for name, other in model.model_fields.items() if other is info]


@pytest.mark.parametrize("title", [title for title, _, _ in GROUPS])
def test_the_example_of_each_group_is_valid_and_comments_change_nothing(title: str) -> None:
    example = next(example for name, _, example in GROUPS if name == title)
    found: dict[str, Any] = yaml.safe_load(example)
    assert yaml.safe_load(commented(example)) == found
    settings_of(**{"app": "blog", **found})


def test_the_examples_together_are_valid() -> None:
    settings = settings_of(**{key: value for example in EXAMPLES for key, value in yaml.safe_load(example).items()})
    assert settings.redirects == {"example.com": "www.example.com", "example.org": "www.example.org"}


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_a_key_that_is_an_alternative_is_valid_in_place_of_those_above_it(alternative: str) -> None:
    (example,) = [example for example in EXAMPLES if "\ntls:" in example]
    tls = yaml.safe_load(example)["tls"]
    given = ALTERNATIVES[alternative]
    assert not given.keys() & tls.keys()
    assert given.items() <= yaml.safe_load(example.replace("  #", "  "))["tls"].items()
    kept = {key: value for key, value in tls.items() if key not in ("server", "ca")}
    settings_of(app="blog", domains=["www.example.com"], tls={**kept, **given})


def test_no_default_is_named_that_the_schema_has_itself() -> None:
    for model, name in FIELDS:
        info = model.model_fields[name]
        if "Default:" in str(info.description):
            assert info.get_default(call_default_factory=True) in (None, ""), name


def test_the_kinds_of_optional_values_are_found() -> None:
    assert get_args(Settings.model_fields["workers"].annotation)
    assert kind_of(Settings.model_fields["workers"]).text == "a whole number, 1 or more"
