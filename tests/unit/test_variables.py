"""Which value of a variable counts, and that all hosts of a fleet get the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostsmith.contract import redact
from hostsmith.environment.secret_file import Key, SecretFile
from hostsmith.environment.variables import Given, Kept, given, lacking, reference, wanted
from hostsmith.hostkit.app import passwords
from hostsmith.hostkit.app.layout import Layout, Record
from hostsmith.hostkit.app.variables import Variable, Variables, kept, remember_all
from hostsmith.resources import Secret
from hostsmith.settings import Settings


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(app="blog", **values).placed(folder, {})


def host(label: str, live: str | None = "20260101-000000-a", bad: str = "", since: str = "", **chosen: str) -> Kept:
    variables = Variables({}, {name: Secret(value) for name, value in chosen.items()}, since)
    return Kept(label, Record(live) if live else None, frozenset(bad.split()), variables, {})


def made(label: str, **values: str) -> Kept:
    return Kept(label, None, frozenset(), Variables(), {name: Secret(value) for name, value in values.items()})


class TestGiven:
    """What the settings give."""

    def test_the_encrypted_file_wins_over_the_settings_and_the_shell_over_both(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = Key.new()
        monkeypatch.setenv("HOSTSMITH_KEY", key.text)
        monkeypatch.setenv("FABRIC_ENVIRONMENT_C", "c of the shell")
        names = ("B", "C", "D")
        SecretFile(tmp_path / "secrets.enc.yaml").write(key, {name: Secret(f"{name} of the file") for name in names})
        values = {"A": "a 1", "B": "b 1", "C": "c of the shell", "E": {"command": ["echo", "e"]}, "F": {"generate": 16}}
        found = given(settings(tmp_path, environment=values))
        assert {name: (each.text, each.origin) for name, each in found.known.items()} == {
            "A": ("a 1", "settings"),
            "B": ("B of the file", "secrets.enc.yaml"),
            "C": ("c of the shell", "environment"),
            "D": ("D of the file", "secrets.enc.yaml"),
            "E": ("e", "command"),
        }
        assert found.generated == {"F": 16}

    @pytest.mark.parametrize("value", ["blog.settings", "production", "/srv/blog/shared", "8000", "true"])
    def test_plain_words_in_the_settings_may_be_told(self, tmp_path: Path, value: str) -> None:
        assert given(settings(tmp_path, environment={"MODE": value})).known["MODE"].value == value

    @pytest.mark.parametrize(
        ("name", "value"),
        [("MODE", "hunter2"), ("MODE", "two words"), ("DB_PASSWORD", "correcthorse"), ("SECRET_KEY", "12345")],
    )
    def test_all_else_is_a_secret(self, tmp_path: Path, name: str, value: str) -> None:
        assert given(settings(tmp_path, environment={name: value})).known[name].value == Secret(value)

    def test_a_text_that_looks_like_a_command_is_a_text(self, tmp_path: Path) -> None:
        found = given(settings(tmp_path, environment={"A": "$(id)", "B": "{command: [id]}"}))
        assert (found.known["A"].text, found.known["B"].text) == ("$(id)", "{command: [id]}")


class TestWanted:
    """What a release gets."""

    def test_what_was_set_wins(self) -> None:
        found = wanted(Given({"A": Variable(Secret("given"), "settings")}), [host("web1", A="chosen", since="1")])
        assert found.variables.all()["A"] == Variable(Secret("chosen"), "config.set")

    def test_the_host_on_which_something_was_set_last_is_right_and_the_others_are_named(self) -> None:
        hosts = [host("web1", A="old", since="1"), host("web2", A="new", B="x", since="2")]
        found = wanted(Given({}), hosts)
        assert found.variables.chosen == {"A": Secret("new"), "B": Secret("x")}
        assert found.remarks == ["web1 had other values of config.set than web2, and gets those: A, B"]

    @pytest.mark.parametrize("since", ["20260101-000000-b", "20991231-235959-x"])
    def test_a_host_that_says_it_was_set_when_it_cannot_have_been_is_not_right(self, since: str) -> None:
        true = host("web1", A="true", since="20250101-000000-a")
        assert reference([true, host("web2", A="of an attacker", since=since)]) is true
        future = host("web2", live="20991231-235959-x", A="of an attacker", since=since)
        assert reference([true, future]) is (future if since < "2027" else true)

    def test_a_host_that_missed_a_rollback_is_not_right(self) -> None:
        back = host("web1", live="1", bad="2", since="1", A="old")
        behind = host("web2", live="2", since="2", A="taken back")
        assert reference([behind, back]) is back
        assert reference([behind]) is behind

    def test_a_host_that_joins_gets_what_the_others_have(self) -> None:
        found = wanted(Given({}), [host("web3", live=None), host("web1", A="value", since="1")])
        assert found.variables.chosen == {"A": Secret("value")}
        assert found.remarks == []

    def test_a_made_up_value_is_made_up_once(self) -> None:
        values = Given({}, {"KEY": 40})
        first = wanted(values, [made("web1"), made("web2")])
        assert len(first.generated["KEY"].reveal()) == 40
        assert wanted(values, [made("web1", KEY="kept"), made("web2")]).generated == {"KEY": Secret("kept")}
        assert first.generated != wanted(values, [made("web1")]).generated

    def test_one_that_is_not_wanted_any_more_is_kept_for_when_it_is(self) -> None:
        found = wanted(Given({}), [made("web1", KEY="kept")])
        assert (found.variables.all(), found.generated) == ({}, {"KEY": Secret("kept")})

    def test_two_that_differ_become_one_and_that_is_told(self) -> None:
        found = wanted(Given({}, {"KEY": 16}), [made("web1", KEY="one"), made("web2", KEY="two")])
        assert found.generated == {"KEY": Secret("one")}
        assert found.remarks == ["web2 had another generated value of KEY than web1, and gets that one"]

    def test_other_hosts_are_asked_when_these_cannot_know(self) -> None:
        assert lacking(Given({}), [host("web1", live=None)])
        assert not lacking(Given({}), [host("web1", live=None), host("web2")])
        assert lacking(Given({}, {"KEY": 16}), [host("web1")])


class TestKeptOnTheHost:
    """What a release keeps of its variables."""

    @pytest.fixture
    def layout(self, tmp_path: Path) -> Layout:
        layout = Layout("blog", str(tmp_path))
        Path(layout.release("1")).mkdir(parents=True)
        return layout

    def test_it_is_read_as_it_was_written(self, layout: Layout) -> None:
        given = {"A": Variable(Secret("a"), "settings"), "B": Variable("plain", "settings")}
        variables = Variables(given, {"C": Secret("c")}, "1")
        Path(layout.release("1"), "config.json").write_text(json.dumps(variables.to_json()))
        assert kept(layout, "1") == variables

    def test_a_release_from_before_origins_were_kept(self, layout: Layout) -> None:
        Path(layout.release("1"), "env").write_text("HOSTSMITH_APP=blog\nA='it'\"'\"'s'\nB=\n")
        assert kept(layout, "1") == Variables(
            {"A": Variable(Secret("it's"), "settings"), "B": Variable(Secret(""), "settings")}
        )


def test_the_secrets_of_all_live_apps_are_known_to_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact._Known, "spellings", ())
    for app, env in (("blog", "A=planted-one\nMODE=production\nBY_HAND=planted-two\n"), ("shop", "B='unclosed\n")):
        layout = Layout(app, str(tmp_path))
        Path(layout.release("1")).mkdir(parents=True)
        Path(layout.current).symlink_to("releases/1")
        Path(layout.current, "env").write_text(env)
    given = {"A": Variable(Secret("planted-one"), "settings"), "MODE": Variable("production", "settings")}
    Path(tmp_path, "blog/current/config.json").write_text(json.dumps(Variables(given).to_json()))
    remember_all(base=str(tmp_path))
    assert redact.text("planted-one planted-two production") == "*** *** production"


def test_behind_the_gate_it_knows_those_of_the_one_app_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact._Known, "spellings", ())
    for app in ("shop", "shop-admin", "sho"):
        layout = Layout(app, str(tmp_path))
        Path(layout.release("1")).mkdir(parents=True)
        Path(layout.current).symlink_to("releases/1")
        Path(layout.current, "env").write_text(f"TOKEN=secret-of-{app}.\n")
        folder = tmp_path / "state" / app
        folder.mkdir(parents=True)
        (folder / "services.json").write_text(json.dumps({"redis": {"password": f"password-of-{app}."}}))
    remember_all("shop", str(tmp_path))
    passwords.remember_all("shop", str(tmp_path / "state"))
    said = "secret-of-shop. secret-of-shop-admin. secret-of-sho. password-of-shop. password-of-shop-admin."
    assert redact.text(said) == "*** secret-of-shop-admin. secret-of-sho. *** password-of-shop-admin."
