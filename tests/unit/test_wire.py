"""The wire: what a recipe says arrives on the host as it was."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hostsmith
import pytest
from hostsmith.contract import events, wire
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.hostkit.app.layout import Record
from hostsmith.resources import (
    Absent,
    Command,
    Directory,
    File,
    GitCheckout,
    Group,
    Package,
    Program,
    Reload,
    Resource,
    ResourceError,
    Restart,
    Secret,
    Service,
    Symlink,
    User,
    Validated,
    Virtualenv,
)
from hostsmith.resources.release.assets import Assets
from hostsmith.resources.release.django import Collected, DeployCheck
from hostsmith.resources.release.live import Live
from hostsmith.resources.release.release import Pruned, ReleaseCode, ReleaseRecord, ReleaseVenv
from hostsmith.resources.release.release_command import ReleaseCommand
from local_host import NASTY
from own_resources import Append, Half


def travelled(value: Any) -> Any:
    return wire.load(json.loads(json.dumps(wire.dump(value)).encode("ascii")))


RESOURCES: list[Resource] = [
    Absent("/a", notify=Reload("x")),
    Command(["a", "b c"], unless=["true"], env={"A": "1"}, timeout=1.5),
    Directory("/a", mode=0o750, owner="www-data"),
    File("/a", "text", notify=(Reload("nginx"), Restart("x"))),
    File("/a", b"\0\xff"),
    File("/a", Secret("hunter2")),
    GitCheckout("/a", "https://example.com/a.git", "main"),
    Group("a", system=True),
    Package("a", "b", max_age=5, notify=Reload("nginx")),
    Program("a", "true", environment={"A": "1"}),
    Service("a", running=False),
    Symlink("/a", "b"),
    User("a", groups=("b", "c"), authorized_keys=("ssh-ed25519 AAAA me",)),
    Validated("a", (File("/a", "x"), Validated("b", (Absent("/b"),))), ["nginx", "-t"], notify=Reload("nginx")),
    Virtualenv("/a", ("/requirements.txt",)),
    ReleaseRecord("a", Record("1", reason="x")),
    ReleaseCode("a", "1", "abc", pack=b"PACK\0"),
    ReleaseVenv("a", "1", "python3", ("requirements.txt",), ("gunicorn",)),
    Collected("a", "1", 30),
    DeployCheck("a", "1", 30),
    ReleaseCommand("a", "1", 30, "release: x"),
    Assets("a", "1", {"/static/": "code/static"}),
    ReleaseVenv("a", "1", None, None),
    Pruned("a", 5),
    Live("a", "1", HealthCheck("/", "localhost", ((200, 299),), 60.0), 80, 30.0),
    Half("/a", notify=Append("/b")),
]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: type(resource).__name__)
def test_resources_arrive_equal_and_of_their_own_class(resource: Resource) -> None:
    arrived = travelled(resource)
    assert type(arrived) is type(resource)
    assert arrived == resource
    assert list(arrived.handlers()) == list(resource.handlers())


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 2**70, 1.5, math.inf, "", b"", [], (), {}),
        *(*NASTY.values(), "\0", "\ud800", bytes(range(256))),
        *([1, [2, (3, [4])]], (1, (2,)), {"a": {"b": (1,)}}, {1: "a", (1, 2): "b", None: "c"}),
        *({"$type": "x", "fields": {}}, {"$secret": "x"}, [b"\xff", Secret("x")]),
    ],
    ids=repr,
)
def test_values_arrive_equal_and_of_their_own_type(value: Any) -> None:
    arrived = travelled(value)
    assert arrived == value
    assert type(arrived) is type(value)


@dataclass(frozen=True)
class Outer:
    """Stands in a test, whose module the host would get with it."""

    @dataclass(frozen=True)
    class Inner(Resource):
        """A class in a class cannot be found by its module and name."""


@pytest.mark.parametrize("value", [Path("/etc/motd"), {1, 2}, object(), File, lambda: None, 1j])
def test_what_does_not_travel_is_refused_with_what_does(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be sent to a host: expected text, numbers, lists"):
        wire.dump([{"key": value}])


def test_a_secret_among_what_does_not_travel_is_not_in_the_error() -> None:
    with pytest.raises(TypeError) as caught:
        wire.dump({Secret("hunter2"), 1})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:X", "No module named 'no_such_module'"),
        ("own_resources:Missing", "has no attribute 'Missing'"),
        ("test_wire:Outer.Inner", "has no attribute 'Outer.Inner'"),
        ("os:getcwd", "dataclass"),
        ("own_resources:Append", r"found \[\], expected \['line', 'path'\]"),
    ],
)
def test_what_the_host_cannot_load_is_named(name: str, why: str) -> None:
    with pytest.raises(ResourceError, match=f"the host cannot load {name}: .*{why}"):
        wire.load({"$type": name, "fields": {}})


def test_in_a_checkout_and_installed_it_has_one_name_on_the_wire() -> None:
    assert wire.type_name(File) == "hostsmith.resources.file:File"
    assert wire.type_name(Append) == "own_resources:Append"
    script = "import json; from fabfile.contract import wire; from fabfile.resources import File\n"
    script += "data = wire.dump(File('/a', 'x')); assert wire.load(data) == File('/a', 'x'); print(data['$type'])"
    argv = [sys.executable, "-c", script]
    checkout = Path(hostsmith.__file__).parent.parent
    if not (checkout / "fabfile").is_dir():
        pytest.skip("the library is installed, not in a checkout")
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout == "hostsmith.resources.file:File\n"


def test_every_kind_of_event_that_a_host_sends_is_known_to_the_controller() -> None:
    package = Path(events.__file__).parents[1]
    sent = {kind for path in package.rglob("*.py") for kind in re.findall(r'\bemit\("(\w+)"', path.read_text())}
    assert "prove" in sent
    assert sent <= set(events._FIELDS)


class TestWhatAHostHasKept:
    """The journal and what is owed, written by a version whose classes had fewer fields."""

    def without(self, resource: Resource, *names: str) -> Any:
        data = wire.dump(resource)
        for name in names:
            del data["fields"][name]
        return json.loads(json.dumps(data))

    def test_fields_that_were_added_have_their_defaults(self) -> None:
        resource = Validated("v", (Symlink("/a", "b"),), ["true"])
        data = self.without(resource, "notify")
        data["fields"]["resources"]["$tuple"][0] = self.without(Symlink("/a", "b"), "notify")
        assert wire.load_kept(data) == resource

    def test_a_field_without_a_default_is_missed(self) -> None:
        with pytest.raises(ResourceError, match="the host cannot load hostsmith.resources.symlink:Symlink: found"):
            wire.load_kept(self.without(Symlink("/a", "b"), "target"))

    def test_one_that_was_removed_is_refused(self) -> None:
        data = wire.dump(Symlink("/a", "b"))
        data["fields"]["gone"] = 1
        with pytest.raises(ResourceError, match="gone"):
            wire.load_kept(data)

    def test_what_is_sent_must_have_all_fields(self) -> None:
        with pytest.raises(ResourceError, match="found"):
            wire.load(self.without(Symlink("/a", "b"), "notify"))
