"""The schema: what is accepted, and what the settings answer."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hostsmith.contract.secret import Secret
from hostsmith.settings.project import Settings
from hostsmith.settings.schema import Schema
from pydantic import ValidationError


def make(**keys: Any) -> Settings:
    return Settings(**{"app": "blog", **keys})


def test_only_the_name_is_required() -> None:
    settings = Settings(app="blog")
    assert settings.source_is_local
    assert settings.requirements is None
    assert "requirements.txt" in settings.requirement_files
    assert settings.keep_releases == 5
    assert settings.workers is None


def test_what_can_be_set_is_compiled_once() -> None:
    """Each command waits for pydantic to do that before it does anything."""
    assert Settings.__pydantic_complete__
    assert not Schema.__pydantic_complete__


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        make().app = "other"  # type: ignore[misc]


@pytest.mark.parametrize("app", ["", "Blog", "1blog", "my_blog", "a" * 32, "b/..", "root", "www-data", "news"])
def test_names_that_could_not_be_a_user_or_folder_of_their_own(app: str) -> None:
    with pytest.raises(ValidationError):
        make(app=app)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("WWW.Example.COM", "www.example.com"),
        ("example.com.", "example.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("localhost", "localhost"),
    ],
)
def test_domains_are_put_in_the_form_that_a_request_has(written: str, meant: str) -> None:
    assert make(domains=[written]).domains == [meant]


@pytest.mark.parametrize(
    "domains",
    [
        ["exa mple.com"],
        ["https://example.com"],
        ["example.com:8080"],
        ["example.com/blog"],
        ["-example.com"],
        ["example..com"],
        ["a" * 64 + ".com"],
        [".".join(["abcdefgh"] * 29)],
        ["exa;mple.com"],
        ["203.0.113.7"],
        ["straße.de"],
        ["*.example.com", "example.com"],
        ["example.com", "www.*.com"],
        ["example.com", "*"],
        ["example.com", "EXAMPLE.com"],
        ["münchen.de", "xn--mnchen-3ya.de"],
        "example.com",
        [""],
        [None],
    ],
)
def test_bad_domains_are_refused(domains: Any) -> None:
    with pytest.raises(ValidationError):
        make(domains=domains)


def test_a_wildcard_may_follow_a_plain_name() -> None:
    assert make(domains=["example.com", "*.Example.com"]).domains == ["example.com", "*.example.com"]


def test_www_and_bare_domains_lead_to_the_listed_one() -> None:
    settings = make(domains=["example.com", "www.example.org", "*.example.net"])
    assert settings.redirects == {"www.example.com": "example.com", "example.org": "www.example.org"}


def test_nothing_is_redirected_that_is_listed_or_not_wanted() -> None:
    assert make(domains=["example.com", "www.example.com"]).redirects == {}
    assert make(domains=["example.com"], www_redirect=False).redirects == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/blog.git",
        "ssh://git@example.com:2222/blog.git",
        "git://example.com/blog.git",
        "file:///srv/git/blog.git",
        "git@github.com:example/blog.git",
        "gitserver:blog.git",
    ],
)
def test_a_git_url_is_pulled(url: str) -> None:
    assert not make(source=url).source_is_local


@pytest.mark.parametrize("folder", [".", "..", "site", "/srv/blog", "~/blog", "./a:b", "with space"])
def test_a_folder_is_pushed(folder: str) -> None:
    assert make(source=folder).source_is_local


def test_a_local_source_is_seen_from_the_project_folder(tmp_path: Path) -> None:
    assert make(source="site").placed(tmp_path, {}).source_folder == tmp_path / "site"
    assert make(source="/srv/blog").placed(tmp_path, {}).source_folder == Path("/srv/blog")


@pytest.mark.parametrize(
    "keys",
    [
        {"source": "--upload-pack=x"},
        {"source": "ext::sh -c x\n"},
        {"revision": "--all"},
        {"revision": "a..b"},
        {"revision": "two words"},
        {"python": "python3 -E"},
        {"python": "-c"},
        {"python": "bin/python"},
        {"requirements": "/etc/passwd"},
        {"requirements": "a/../../b"},
        {"requirements": ["a.txt", "a.txt"]},
        {"static": {"/static/": "../secrets"}},
        {"static": {"/": "static"}},
        {"static": {"/static": "static"}},
        {"static": {"/st;atic/": "static"}},
        {"processes": {"a:b": "x"}},
        {"processes": {"web": "two\nlines"}},
        {"processes": {"web": " "}},
        {"roles": {"my role": ["a"]}},
        {"roles": {"web": "a"}},
        {"health": {"path": "up"}},
        {"health": {"path": "/a b"}},
        {"health": {"host": "a b"}},
        {"health": {"statuses": []}},
        {"health": {"statuses": [99]}},
        {"health": {"statuses": ["299-200"]}},
        {"health": None},
        {"workers": 0},
        {"workers": True},
        {"workers": 1.5},
        {"threads": None},
        {"keep_releases": 0},
        {"drain_timeout": -1},
        {"client_max_body_size": "10 m"},
        {"client_max_body_size": "10mb"},
        {"packages": ["libpq5; rm"]},
        {"packages": ["-y"]},
        {"environment": {"A-B": "x"}},
        {"environment": {"A": "nul\0"}},
        {"environment": {"A": ["x"]}},
        {"environment": ["A=x"]},
        {"surprise": 1},
    ],
)
def test_values_that_make_no_sense_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**keys)


def test_shorthands() -> None:
    assert make(static="public").static == {"/static/": "public"}
    assert make(requirements="a.txt").requirements == ["a.txt"]
    assert make(requirements=[]).requirements == []
    assert make(client_max_body_size=0).client_max_body_size == "0"
    assert make(health={"statuses": 204}).health.statuses == ["204"]


def test_healthy_is_any_2xx_unless_said_otherwise() -> None:
    assert make().health.status_ranges == [(200, 299)]
    assert make(health={"statuses": [200, "300-399"]}).health.status_ranges == [(200, 200), (300, 399)]


def test_the_health_page_is_asked_by_the_canonical_name() -> None:
    assert make().health_host == "localhost"
    assert make(domains=["example.com", "example.org"]).health_host == "example.com"
    assert make(domains=["example.com"], health={"host": "internal"}).health_host == "internal"


def test_processes_stand_over_those_of_the_procfile(tmp_path: Path) -> None:
    settings = make(processes={"web": "gunicorn b", "beat": "beat"})
    placed = settings.placed(tmp_path, {"web": "gunicorn a", "release": "migrate"})
    commands = {name: process.command for name, process in placed.processes.items()}
    assert commands == {"web": "gunicorn b", "release": "migrate", "beat": "beat"}
    assert placed.project == tmp_path
    assert set(settings.processes) == {"web", "beat"}


def test_values_of_the_environment_become_text() -> None:
    values = make(environment={"A": True, "B": 1, "C": 1.5, "D": "two\nlines", "E": ""}).environment
    assert {name: value.reveal() for name, value in values.items()} == {
        "A": "true",
        "B": "1",
        "C": "1.5",
        "D": "two\nlines",
        "E": "",
    }


def test_values_of_the_environment_are_not_shown() -> None:
    settings = make(environment={"KEY": "hunter2"})
    shown = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    assert not any("hunter2" in text for text in shown)
    assert all("***" in text for text in shown)


def test_values_of_the_environment_are_not_in_an_error() -> None:
    with pytest.raises(ValidationError) as caught:
        make(environment={"KEY": ["hunter2"], "OTHER": "hunter2"}, app="hunter 3")
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_shown_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {secret:>5} {[secret]}" == "*** Secret('***')   *** [Secret('***')]"
    assert "%s" % secret == "***"  # noqa: UP031
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        "".join([secret])  # type: ignore[list-item]


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")
