"""docs/settings.md is what the schema says, and its example is valid and complete."""

from __future__ import annotations

from pathlib import Path

from hostsmith.inventory.project import settings_of
from hostsmith.settings.backup import Backup
from hostsmith.settings.balancer import Balancer
from hostsmith.settings.environment import kinds
from hostsmith.settings.hardening import Firewall, Hardening
from hostsmith.settings.health import Health
from hostsmith.settings.project import Settings
from hostsmith.settings.reference import EXAMPLE, render
from invoke.util import yaml

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run: python -m hostsmith.settings.reference > docs/settings.md"


# Settings whose own settings have a row each.
_OF_SEVERAL = ("health", "backup", "balancer", "deployers", "hardening", "firewall", "tls")


def test_every_key_has_a_row_with_its_meaning_and_variable() -> None:
    page = render()
    for key, _ in kinds():
        if key not in {
            ("health",),
            ("backup",),
            ("balancer",),
            ("deployers",),
            ("hardening",),
            ("firewall",),
            ("tls",),
        }:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{'.'.join(key)}` |"))
            assert all(cell.strip() for cell in row.strip("|").split("|"))
            assert f"`FABRIC_{'_'.join(key).upper()}`" in row


def test_the_example_is_valid_and_shows_every_key() -> None:
    example = yaml.safe_load(EXAMPLE)
    ours = {key: value for key, value in example.items() if not key.startswith("x-")}
    settings = settings_of(**ours)
    assert set(ours) == set(Settings.model_fields)
    assert set(ours["health"]) == set(Health.model_fields)
    assert set(ours["backup"]) == set(Backup.model_fields)
    assert set(ours["balancer"]) == set(Balancer.model_fields)
    assert set(ours["hardening"]) == set(Hardening.model_fields)
    assert set(ours["firewall"]) == set(Firewall.model_fields)
    assert settings.redirects == {"example.com": "www.example.com"}
