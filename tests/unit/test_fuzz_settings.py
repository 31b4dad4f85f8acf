"""Bad settings: whatever the files and the environment hold, there are valid settings or one clear error."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any
from unittest import mock

import hostile
import pytest
from hostsmith.errors import SettingsError, UsageError
from hostsmith.inventory.project import load
from hostsmith.openssh.host import Host, listed
from hostsmith.settings import Settings, load_procfile
from hostsmith.settings import values as kind
from hostsmith.settings.fabric_config import ProjectConfig
from hypothesis import given
from hypothesis import strategies as st
from invoke.context import Context
from invoke.util import yaml

SECRET = "hunter2-hunter2"
VALID: dict[str, Any] = {
    "app": "blog",
    "source": ".",
    "revision": "main",
    "domains": ["www.example.com", "*.example.org"],
    "www_redirect": True,
    "roles": {"web": ["root@web[1:2].example.com", {"host": "big", "weight": 3}], "lb": ["lb1"], "db": None},
    "concurrency": 5,
    "batch": "25%",
    "python": "python3.12",
    "requirements": ["requirements.txt"],
    "processes": {"web": "gunicorn app:app", "worker": "python worker.py"},
    "workers": 4,
    "health": {"path": "/healthz", "host": "www.example.com", "timeout": 5, "statuses": ["200-299", 301]},
    "balancer": {"algorithm": "leastconn", "drain": True, "rate_limit": 50},
    "environment": {"KEY": SECRET, "DEBUG": False},
    "client_max_body_size": "10m",
    "static": {"/static/": "assets"},
    "drain_timeout": 0,
    "packages": ["libpq5"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def outcome(project: Path, environ: dict[str, str] | None = None) -> Settings | str:
    """The settings of a project as `fab` loads them, or what is wrong with them."""
    # Not what the machine that runs the tests has set.
    with mock.patch.dict(os.environ, environ or {}):
        try:
            config = ProjectConfig(lazy=True, project_location=project)
            config.load_project()
            config.load_shell_env()
            return load(Context(config))
        except SettingsError as error:
            return str(error)


def is_clear(message: str) -> None:
    """Assert that each line of an error says where and what, is not long, and holds nothing that a terminal obeys."""
    for line in message.split("\n"):
        assert re.match(r"[^:]+: \S", line), line
        assert "expected" in line or "unknown key" in line or "valid" in line or "missing" in line or "hosts" in line
        assert len(line) < 1000
        assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs")], repr(line)
    assert SECRET not in message


def check(found: Settings | str) -> None:
    if isinstance(found, str):
        is_clear(found)
    else:
        json.dumps(found.model_dump(mode="json")).encode("utf-8")


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Valid settings of which one or two values, at any depth, are something else, or have another name."""
    data = json.loads(json.dumps(VALID))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = data
        while True:
            key = draw(st.sampled_from(sorted(place, key=str) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
                break
            place = place[key]
        if isinstance(place, dict) and draw(st.integers(0, 3)) == 0:
            place[draw(hostile.texts)] = place.pop(key)
        else:
            place[key] = draw(hostile.structures | hostile.texts | hostile.huge)
    return data


def as_yaml(data: Any) -> bytes:
    text: str = yaml.safe_dump(data, allow_unicode=True)
    return text.encode("utf-8", "surrogateescape")


@given(data=mutated())
def test_a_value_that_is_wrong_is_told_with_its_file_and_key(project: Path, data: dict[str, Any]) -> None:
    # As JSON, of which a 1 MB text is read a hundred times as fast.
    (project / "fabric.yaml").unlink(missing_ok=True)
    (project / "fabric.json").write_text(json.dumps(data, default=str))
    try:
        check(outcome(project))
    finally:
        (project / "fabric.json").unlink()


@given(data=hostile.structures)
def test_any_structure_is_settings_or_a_clear_error(project: Path, data: Any) -> None:
    (project / "fabric.yaml").write_bytes(as_yaml(data))
    check(outcome(project))


@given(
    text=st.lists(
        st.sampled_from(
            ["app: blog", "\n", "  ", "- ", "[", "]", "{", "}", ": ", "&a ", "*a", "!!binary ", "!!set ", "!x ", "? "]
            + ["|", "2026-13-45", "0x_", "1" * 5000, "0x" + "f" * 5000, "[" * 2000, "'", '"', "\t", "<<: ", "web:"]
        )
        | st.text(max_size=5),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_any_text_is_settings_or_a_clear_error(project: Path, text: str) -> None:
    (project / "fabric.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    check(outcome(project))


@given(
    environ=st.dictionaries(
        st.sampled_from(["APP", "ROLES", "DOMAINS", "WORKERS", "HEALTH", "STATIC", "BATCH", "SOURCE", "PYTHON"])
        | st.text("ABC_", min_size=1).map("ENVIRONMENT_{}".format),
        (hostile.texts | st.sampled_from(["2026-13-45", "{a: 0x_}", "[" * 2000, "{&a a: *a}"])).filter(
            lambda text: "\0" not in text and not re.search("[\ud800-\udc7f\udd00-\udfff]", text)
        ),
        max_size=3,
    )
)  # fmt: skip
def test_any_variable_of_the_shell_is_a_setting_or_a_clear_error(project: Path, environ: dict[str, str]) -> None:
    (project / "fabric.yaml").write_bytes(as_yaml({key: VALID[key] for key in ("app", "processes")}))
    check(outcome(project, {f"FABRIC_{name}": value for name, value in environ.items()}))


@given(
    text=st.binary()
    | st.lists(st.sampled_from(["web: gunicorn app", "\n", "#", "run: x", "a", ":", "\r"]) | hostile.texts)
    .map("".join)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_procfile_is_processes_or_a_clear_error(project: Path, text: bytes) -> None:
    (project / "Procfile").write_bytes(text)
    try:
        found = load_procfile(project)
    except SettingsError as error:
        is_clear(str(error))
        return
    finally:
        (project / "Procfile").unlink()
    for name, command in found.items():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name)
        assert command == command.strip() != ""
        Settings(app="blog", processes={name: command})


hosts = (
    hostile.texts
    | hostile.huge
    | st.from_regex(r"([a-z]+@)?[a-z.]+(\[[0-9]{1,4}:[0-9]{1,4}\])?(:[0-9]{1,6})?", fullmatch=True)
    | st.tuples(st.ip_addresses(v=6).map(str), hostile.texts).map(lambda pair: f"root@[{pair[0]}%{pair[1]}]:22")
)


@given(spec=hosts)
def test_a_host_is_read_or_refused_and_says_no_more_than_it_is(spec: str) -> None:
    try:
        host = Host.parse(str(spec))
    except SettingsError as error:
        is_clear(f"-H: {error}")
        return
    assert Host.parse(host.spec) == host
    # What may stand, unquoted and in any place, on a command line, in a URL and in a configuration file.
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9a-f:.]+(%[A-Za-z0-9_.-]+)?", host.host)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\\+-]*", host.user or "root")


@given(text=st.lists(hosts, max_size=3).map(",".join))
def test_a_list_of_hosts_is_read_or_refused(text: str) -> None:
    try:
        found = listed(text, "-H")
    except UsageError as error:
        is_clear(str(error))
        return
    assert 0 < len(found) <= 3 * 1000 or len(text) > 1000


@given(text=hostile.texts | hostile.huge | st.from_regex(r"-?[0-9]{0,12}%?", fullmatch=True))
def test_a_batch_is_a_number_of_hosts_or_refused(text: str) -> None:
    try:
        found = Settings(app="blog").in_batches(str(text))
    except UsageError as error:
        is_clear(str(error))
        return
    assert [found.batch_of(hosts) for hosts in (1, 7)] <= [1, 7]
    assert found.batch_of(7) >= 1


@given(value=hostile.texts | hostile.huge | hostile.of_form(kind.Address))
def test_an_address_can_stand_in_any_configuration_file(value: str) -> None:
    try:
        found = Settings(app="blog", roles={"web": [{"host": "web1", "address": str(value)}]})
    except ValueError:
        return
    assert re.fullmatch(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9a-f:.]+(%[A-Za-z0-9_.-]+)?", found.roles["web"][0].address or ""
    )
