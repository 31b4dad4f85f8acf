"""Frames that look right: real ones of a deploy with something in them changed, which must not get past the gate."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import hostile
from hostsmith.agent.deployers.rules import Allowed
from hostsmith.contract import wire
from hostsmith.resources import Command, File, Package, Reload, ResourceError
from hypothesis import given, settings
from hypothesis import strategies as st
from test_allowed import FRAMES, SEVERAL, sent

ID = "20261121-101500-1f3c2ab"
# All that a deploy, a rollback and the other tasks of a deployer send.
REAL = [
    *FRAMES,
    *(
        {"op": "converge", "resources": [wire.dump(resource)], "modules": {}, "hold": False}
        for values in (
            {},
            {"framework": "django", "domains": ["a.example"]},
            {"processes": {"web": "gunicorn a:b", "x": SEVERAL}},
        )
        for resource in sent(**values)
    ),
]
# What gets a sender somewhere when it passes in a place where it must not.
EVIL = [
    *("shop-admin", "../shop-admin", "/etc/shadow", "..", "root", "0", "", "\0", "\x1b[2J", "a\nb", "\ud800", "\udc80"),
    *("file:///etc", "ext::sh -c id", "--upload-pack=id", f"../../shop-admin/releases/{ID}", f"{ID}\n", "x" * 3000),
    *(0, -1, 1.5, True, None, 10**400, 1 << 64, math.inf, math.nan, [], {}, [[]], [None]),
    *(
        {"$secret": "x"},
        {"$secret": 1},
        {"$bytes": "AA=="},
        {"$bytes": "?"},
        {"$tuple": []},
        {"$dict": []},
        {"$dict": 1},
    ),
    *({"$type": "os:system", "fields": {}}, {"$type": 1, "fields": {}}, {"$type": "x"}, {"$x": 1}),
    *(wire.dump(each) for each in (Package("x"), Command(["id"]), File("/etc/passwd", "x"), Reload("nginx"))),
]
KNOWN = {
    *("assets:Assets", "backed_up:BackedUp", "django:Collected", "django:DeployCheck", "drained:Drained"),
    *("environment:Environment", "environment:GeneratedValues", "live:Live", "maintenance:Maintenance"),
    *("maintenance:NoMaintenance", "release:Pruned", "release:ReleaseCode", "release:ReleaseCopy"),
    *("release:ReleaseRecord", "release:ReleaseVenv", "release_command:ReleaseCommand", "restarted:Restarted"),
    *("scaled:Scaled", "settled:Settled", "singletons:Singletons", "singletons:SingletonsEnded"),
    *("validated:Validated", "file:File", "directory:Directory"),
    *("layout:Record", "health:HealthCheck", "variables:Variable", "variables:Variables"),
}
# Texts by the names of their fields.
TEXTS = {
    **dict.fromkeys(("release", "id"), r"\d{8}-\d{6}-[\w.+-]+"),
    **dict.fromkeys(("who", "subject", "label", "origin", "created", "retire"), r"[^\x00-\x1f\x7f]*"),
    "app": "shop",
    "url": r"(https?|ssh|git)://[^-].*|([^-/:][^/:]*@)?[^-/:][^/:]*:(?!//|:).*",
    "base": "/srv",
    "sites": "/etc/nginx/sites-enabled",
    "socket": "/run/haproxy/admin.sock",
    "owner": "root",
    "group": "root",
    "state": "building",
    "query": r"\w+",
    "action": r"\w+",
}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or mapping within a value, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def frames(draw: st.DrawFn) -> Any:
    frame = copy.deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(frame))
        if not found:
            return frame
        inside, key = draw(st.sampled_from(found))
        evil = copy.deepcopy(draw(st.sampled_from(EVIL) | hostile.texts))
        change = draw(st.sampled_from(["put", "put", "remove", "add", "wrap", "swap", "double"]))
        if change == "put":
            inside[key] = evil
        elif change == "remove":
            del inside[key]
        elif change == "add" and isinstance(inside, dict):
            inside[draw(st.sampled_from(["path", "folder", "user", "notify", "modules", "$type", "op", "argv"]))] = evil
        elif change == "wrap":
            old = inside[key]
            inside[key] = draw(st.sampled_from([[old], {"$tuple": [old]}, {"$dict": [["a", old]]}, {"$secret": old}]))
        elif change == "swap":
            other, there = draw(st.sampled_from(found))
            inside[key] = copy.deepcopy(other.get(there) if isinstance(other, dict) else evil)
        elif change == "double" and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
    return frame


def fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value with the name of the field that it is in, and what types there are as `$type`."""
    if isinstance(value, list):
        for each in value:
            yield from fields(each, name)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from fields(each, name if key in ("$tuple", "$secret", "$dict", "$bytes") else key)
    else:
        yield name, value


def require_harmless(frame: dict[str, Any]) -> None:
    """See that what has passed is nothing but what a deploy of the shop sends."""
    for name, value in fields(frame):
        if name == "$type":
            assert value.rpartition(".")[2] in KNOWN
        elif isinstance(value, str):
            assert "\0" not in value
            assert not re.search("[\ud800-\udc7f]", value)
            assert name == "argv" or not re.search("[\ud800-\udfff]", value)
            if name in TEXTS:
                assert re.fullmatch(TEXTS[name], value), (name, value)
            if name == "path" and not value.startswith(f"/srv/shop/releases/{ID}"):
                # Of a health page.
                assert re.fullmatch(r"/[!-~]*", value)
                assert frame["op"] == "ask" or "HealthCheck" in json.dumps(frame)
        elif isinstance(value, float) or type(value) is int:
            assert math.isfinite(value)
            assert value >= 0
            assert value <= 1_000_000 or name.isdigit()
    assert frame.get("modules", {}) == {}


@given(frame=frames())
@settings(max_examples=20 * settings.default.max_examples)  # each costs next to nothing
def test_what_passes_is_harmless_and_the_rest_is_refused_in_words(frame: Any) -> None:
    data = json.loads(json.dumps(frame))
    try:
        Allowed("shop").check(data)
    except ResourceError as error:
        assert str(error).startswith(("refused: ", "found what cannot have been sent", "the host cannot load"))
        assert len(str(error)) < 2000
        return
    require_harmless(data)


def test_the_real_ones_are_harmless_and_pass() -> None:
    for frame in REAL:
        Allowed("shop").check(json.loads(json.dumps(frame)))
        require_harmless(json.loads(json.dumps(frame)))
