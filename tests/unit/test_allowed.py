"""What the gate lets deployers have done: all that a deploy and a rollback send, and nothing besides."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostsmith.agent import actions, main, queries
from hostsmith.agent.deployers.rules import Allowed
from hostsmith.contract import wire
from hostsmith.contract.checks import anything
from hostsmith.environment.variables import Wanted
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.hostkit.app.layout import Layout, Record
from hostsmith.hostkit.app.variables import Variable, Variables
from hostsmith.hostkit.supervisor.supervisor_config import is_of_release
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.openssh.host import Host
from hostsmith.recipes import release as recipe
from hostsmith.recipes.haproxy import server_name
from hostsmith.rendering.rendered import rendered
from hostsmith.resources import (  # fmt: skip
    Absent,
    Command,
    Directory,
    File,
    Package,
    Reload,
    Resource,
    ResourceError,
    Secret,
    Service,
    Symlink,
    User,
    Validated,
)
from hostsmith.resources.release.assets import Assets
from hostsmith.resources.release.backed_up import BackedUp
from hostsmith.resources.release.django import Collected, DeployCheck
from hostsmith.resources.release.drained import Drained
from hostsmith.resources.release.environment import Environment, GeneratedValues
from hostsmith.resources.release.live import Live
from hostsmith.resources.release.maintenance import Maintenance, NoMaintenance
from hostsmith.resources.release.release import Pruned, ReleaseCode, ReleaseCopy, ReleaseRecord, ReleaseVenv
from hostsmith.resources.release.release_command import ReleaseCommand
from hostsmith.resources.release.restarted import Restarted
from hostsmith.resources.release.scaled import Scaled
from hostsmith.resources.release.settled import Settled
from hostsmith.resources.release.singletons import Singletons, SingletonsEnded
from hostsmith.settings.project import Settings

ID = "20261121-101500-1f3c2ab"
FOLDER = f"/srv/shop/releases/{ID}"
COMMIT = "1f3c2ab" + "0" * 33
RECORD = Record(ID, f"{COMMIT}+dirty", 'Größe, "quoted" & more', "ann@laptop", "2026-11-21 10:15:00Z")
VARIABLES = Variables(
    {"A": Variable(Secret("two\nlines"), "secrets.enc.yaml"), "B": Variable("$(x) 'y' ☃", "settings")},
    {"C": Secret("chosen")},
    ID,
    {"worker": 2},
)
HEALTH = HealthCheck("/healthz?x=1", "www.example.org", ((200, 299), (301, 301)), 60)


def settings(**values: Any) -> Settings:
    found = Settings(
        **{"app": "shop", "processes": {"web": "gunicorn shop:app", "release": "flask db upgrade"}, **values}
    )
    return found.placed(Path("/nowhere"), {})


def passes(*resources: Resource, **frame: Any) -> None:
    """Have the gate look at what a controller would send, as JSON has carried it.

    :raises ResourceError: it refuses.
    """
    data = {"op": "converge", "resources": wire.dump(list(resources)), "modules": {}, "hold": False, **frame}
    Allowed("shop").check(json.loads(json.dumps(data)))


def sent(**values: Any) -> list[Resource]:
    """All that a deploy and a rollback send to a host."""
    found = settings(**values)
    code = ReleaseCode("shop", ID, COMMIT, None, b"PACK")
    wanted = Wanted(VARIABLES, {"KEY": Secret("made up")})
    resources = [
        *recipe.prepared(found, ALL_ROLES, RECORD, code, wanted),
        *recipe.reconfigured(found, ALL_ROLES, RECORD, "20261120-101500-dirty", wanted),
        *recipe.release_command(found, ID),
        recipe.live(found, ALL_ROLES, ID),
        recipe.settled(found, ID, None),
        recipe.settled(found, ID, "20261120-101500-dirty", "rolled back by ann@laptop"),
        recipe.singletons_ended(found, ID),
        recipe.singletons(found, ID),
        Restarted("shop", ID, "worker-1"),
        recipe.pruned(found),
    ]
    return rendered(resources, Path("/nowhere"), "web1")


SEVERAL = {
    **{"command": "w | x", "scale": 3, "stop_signal": "INT"},
    **{"stop_timeout": 300, "memory": "1g", "start_timeout": 9},
}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"requirements": []},
        {"requirements": ["requirements/base.txt", "more.txt"], "python": "/opt/python3.13/bin/python"},
        {"cron": {"tidy": {"schedule": "@daily", "command": "rm -rf /tmp/x; true"}}},
        {"processes": {"web": "gunicorn a:b", "clock": {"command": "c", "singleton": True}, "w": SEVERAL}},
        {"processes": {"web": "uvicorn x:y --uds $SOCKET", "worker-1": "A=b celery -A x | tee y", "beat": "sleep 9"}},
        {"processes": {"web": "gunicorn -k uvicorn_worker.UvicornWorker shop:app"}},
        {"processes": {"web": "gunicorn -k uvicorn.workers.UvicornWorker 'shop:create_app()'"}},
        {"workers": 3, "web_timeout": 300},
        {"health": {"path": "/~up/%20?a=b", "host": "shop.example.org", "statuses": [200, "301-302"], "timeout": 3600}},
        {"keep_releases": 1, "drain_timeout": 0, "release_timeout": 7200},
        {"domains": ["shop.example.org"], "tls": True},
        {"framework": "django", "static": {"/more/": "public"}},
    ],
)  # fmt: skip
def test_all_that_a_deploy_and_a_rollback_send_passes(values: dict[str, Any]) -> None:
    for resource in sent(**values):
        passes(resource)


def test_so_does_code_from_a_url_and_a_balancer_that_drains_a_host() -> None:
    urls = ["https://example.org/shop.git", "git@example.org:team/shop.git", "ssh://git@example.org:2222/shop.git"]
    passes(*(ReleaseCode("shop", ID, COMMIT, url) for url in [*urls, "example.org:shop.git", "git://[2001:db8::1]/x"]))
    passes(*(Drained("shop", server_name(Host.parse(name)), 30) for name in ("root@Web1.example.org:2222", "10.0.0.7")))


OTHER_ID = "../../shop-admin/releases/20261121-101500-1f3c2ab"
IDS = [OTHER_ID, "..", "", f"{ID}/..", f"{ID}\n", f"/{ID}", ID.replace("2", "٢"), None, [ID], 20261121]
ANOTHER = ["shop-admin", "sho", "shop/../shop-admin", "SHOP", "", None, ["shop"], Secret("shop")]

# For each class, an allowed instance, and for each of its fields what must be refused.
WRONG: list[tuple[Resource, dict[str, list[Any]]]] = [
    (
        ReleaseRecord("shop", RECORD),
        {
            "app": ANOTHER,
            "record": [
                *(dataclasses.replace(RECORD, id=name) for name in IDS),
                dataclasses.replace(RECORD, state="proven"),
                dataclasses.replace(RECORD, subject="\x1b]0;owned\x07"),
                dataclasses.replace(RECORD, who="a\nb"),
                dataclasses.replace(RECORD, reason="x"),
                "20261121-101500-1f3c2ab",
            ],
        },
    ),
    (
        ReleaseCode("shop", ID, COMMIT, None, b""),
        {
            "app": ANOTHER,
            "release": IDS,
            "name": ["--output=/etc/x", "HEAD", "refs/heads/main", "", None],
            "url": [
                "file:///srv/shop-admin/repo.git", "/srv/shop-admin/repo.git", "../shop-admin/repo.git",
                "file://srv/shop-admin/repo.git", "file://localhost/srv/shop-admin/repo.git",
                "ext::sh -c id", "ssh://-oProxyCommand=id/x", "-u", "fd::0", "FILE:///x", "localhost::x", "",
            ],
            "pack": ["text", None],
            "timeout": [-1, 1e9, "30", None],
        },
    ),
    (
        ReleaseVenv("shop", ID, "python3", ("requirements.txt",), ("gunicorn",)),
        {
            "app": ANOTHER,
            "release": IDS,
            "python": ["-c", "python3 -c id", "../evil", "", 3],
            "requirements": [("../../etc/shadow",), ("/etc/shadow",), ("a/../b",), ("..",), ("a\nb",), "x", [""]],
            "tools": [("--index-url=http://x",), ("evil",), ["gunicorn"]],
            "timeout": [-1, 1e9, "30", None],
        },
    ),
    (
        Assets("shop", ID, {"/static/": "code/public"}),
        {
            "app": ANOTHER,
            "release": IDS,
            "folders": [
                None, ["/static/"], {"/static/": "code/../../x"}, {"/static/": "env"}, {"/static/": "code/"},
                {"/static/": "/etc"}, {"/static/": "../code"}, {"/../": "code/x"}, {"/a/../": "code/x"},
                {"/a/./": "code/x"}, {"/": "code/x"}, {"static": "code/x"}, {"/a/": None},
            ],
        },
    ),
    (
        Live("shop", ID, HEALTH, 80, 30),
        {
            "app": ANOTHER,
            "release": IDS,
            "health": [
                dataclasses.replace(HEALTH, path="/ HTTP/1.1\r\nHost: x"),
                dataclasses.replace(HEALTH, host="x\r\ny"),
                dataclasses.replace(HEALTH, timeout=float("inf")),
                dataclasses.replace(HEALTH, timeout=float("nan")),
                dataclasses.replace(HEALTH, statuses="200"),
                Live("shop", ID, None, None, 30),
            ],
            "port": [22, 8080, "80", True],
            "drain_timeout": [-1, float("inf"), "30", None],
        },
    ),
    (
        Settled("shop", ID, ID, 30, "why"),
        {
            "app": ANOTHER,
            "release": IDS,
            "old": [name for name in IDS if name is not None],
            "drain_timeout": [-1, 1e9, "30", None, True],
            "retire": ["\x1b[2J", 3],
        },
    ),
    (
        BackedUp("shop"),
        {"app": ANOTHER},
    ),
    (Pruned("shop", 5), {"app": ANOTHER, "keep": [0, -1, "5", None, True]}),
    (
        Drained("shop", "web1", 30),
        {
            "app": ANOTHER,
            "server": ["web1; shutdown sessions server x", "web1\nshow env", "", None],
            "timeout": [-1, "1"],
            "socket": ["/run/other.sock", None],
        },
    ),
    (
        ReleaseCommand("shop", ID, 600, "release: x"),
        {"app": ANOTHER, "release": IDS, "timeout": [None, -1], "label": ["\x1b[2J", None]},
    ),
    *(
        (cls("shop", ID, 600), {"app": ANOTHER, "release": IDS, "timeout": [None, -1, "30"]})
        for cls in (Collected, DeployCheck)
    ),
    (
        Maintenance("shop", "<p>", ("203.0.113.7", "2001:db8::1"), 600, "ann@laptop", "2026-11-21 10:15:00Z", "a\nb"),
        {
            "app": ANOTHER,
            "page": [None, b"x", "\0"],
            "allow": [("../x",), ("/etc/x",), ("..",), (".",), ("",), ("1.2.3.4/24",), ["1.2.3.4"], "::1", None],
            "retry_after": [0, -1, 1.5, "600", "1/../x", None, True],
            "who": ["\x1b[2J", None],
            "since": ["\x1b[2J", None],
            "message": ["\x1b[2J", None],
            "sites": ["/tmp", None],
            "base": ["/tmp", "/srv/shop-admin", None],
        },
    ),
    (NoMaintenance("shop"), {"app": ANOTHER, "base": ["/tmp", None]}),
    (ReleaseCopy("shop", ID, "20261120-101500-dirty"), {"app": ANOTHER, "release": IDS, "source": IDS}),
    (
        GeneratedValues("shop", {"KEY": Secret("made up")}),
        {"app": ANOTHER, "values": [None, {"A=b\nB": Secret("x")}, {"A": "x"}, {"A": Secret("\0")}]},
    ),
    (
        Environment("shop", ID, VARIABLES),
        {
            "app": ANOTHER,
            "release": IDS,
            "variables": [
                None,
                *(dataclasses.replace(VARIABLES, scale=each) for each in (None, {"worker": -1}, {"worker": "1"})),
                *(dataclasses.replace(VARIABLES, since=name) for name in IDS if name != ""),
                *(dataclasses.replace(VARIABLES, chosen=each) for each in (None, {"A;id": Secret("x")}, {"A": "x"})),
                *(dataclasses.replace(VARIABLES, given=each) for each in (None, {"A": "x"}, {"A": Package("x")})),
                *(
                    dataclasses.replace(VARIABLES, given={"A": variable})
                    for variable in (Variable(b"x", "settings"), Variable("x", "\x1b[2J"), Variable("\0", ""))
                ),
            ],
        },
    ),
    (
        Validated("configuration", (File(f"{FOLDER}/gunicorn.conf.py", "x", mode=0o644),)),
        {
            "name": ["\x1b[2J", None],
            "validate": [["id"], []],
            "resources": [
                (Command([f"{FOLDER}/start", "release"], user="shop", timeout=600, label="x"),),
                (Validated("configuration", ()),),
                (Absent("/etc/sudoers"),),
                [],
                *(
                    (file,)
                    for file in (
                        File("/etc/sudoers.d/x", "shop ALL=(ALL) NOPASSWD: ALL\n", mode=0o440),
                        File(f"{FOLDER}/../../../../etc/cron.d/x", "x", mode=0o644),
                        File(f"{FOLDER}/code/start", "x", mode=0o755),
                        File(f"{FOLDER}/run/start", "x", mode=0o755),
                        File(f"/srv/shop-admin/releases/{ID}/start", "x", mode=0o755),
                        File(f"/srv/shop/releases/{OTHER_ID}/start", "x", mode=0o755),
                        File(f"{FOLDER}/start", "x", mode=0o4755),
                        File(f"{FOLDER}/start", "x", mode=0o755, owner="shop"),
                        File(f"{FOLDER}/env", "x", mode=0o640, owner="root", group="shop"),
                        File(f"{FOLDER}/release.json", "x", mode=0o644),
                        File(f"{FOLDER}/gunicorn.conf.py", b"x", mode=0o644),
                        File(f"{FOLDER}/gunicorn.conf.py", "x", mode=0o644, notify=Reload("nginx")),
                        File(f"{FOLDER}/supervisor.conf", "[supervisord]\n", mode=0o644),
                        Directory(f"{FOLDER}/run", mode=0o750, owner="shop", group="www-data"),
                        Directory(f"{FOLDER}/run", mode=0o777, owner="root", group="root"),
                        Directory(f"{FOLDER}/run", mode=0o1777, owner="shop", group="root"),
                        Directory(f"{FOLDER}/run", mode=0o1777, owner="root", group="root", passable=("shop",)),
                        Directory(FOLDER, mode=0o1777, owner="root", group="root"),
                        Directory("/srv/shop-admin/run", mode=0o1777, owner="root", group="root"),
                    )
                ),
            ],
        },
    ),
    (Singletons("shop", ID), {"app": ANOTHER, "release": IDS}),
    (SingletonsEnded("shop", ID), {"app": ANOTHER, "release": IDS}),
    (
        Scaled("shop", ID, {"worker": 3}),
        {
            "app": ANOTHER,
            "release": IDS,
            "scale": [None, {"w": -1}, {"w": 101}, {"w": True}, {"w": "3"}, {"a\nb": 1}, {"../x": 1}],
        },
    ),
    (Restarted("shop", ID, "worker"), {"app": ANOTHER, "release": IDS, "process": [None, "", "a:b", "a b", "../x"]}),
]  # fmt: skip


@pytest.mark.parametrize("resource", [resource for resource, _ in WRONG], ids=lambda resource: type(resource).__name__)
def test_each_class_of_a_deploy_has_an_instance_that_passes(resource: Resource) -> None:
    passes(resource)
    (wrong,) = [wrong for each, wrong in WRONG if each is resource]
    fields = {field.name for field in dataclasses.fields(resource)} - {"notify"}
    assert set(wrong) == fields, "each field of it is tried below"


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(dataclasses.replace(resource, **{field: value}), id=f"{type(resource).__name__}.{field}-{number}")
        for resource, wrong in WRONG
        for field, values in {**wrong, "notify": [Reload("nginx"), (Reload("nginx"),), None]}.items()
        for number, value in enumerate(values)
    ],
)
def test_an_instance_with_a_field_of_another_kind_is_refused(resource: Resource) -> None:
    with pytest.raises(ResourceError, match="refused: .* needs an admin"):
        passes(resource)


@pytest.mark.parametrize(
    "resource",
    [
        File(f"{FOLDER}/start", "x", mode=0o755),
        Directory(f"{FOLDER}/run", mode=0o1777, owner="root", group="root"),
        Package("nginx"),
        Symlink("/srv/shop/current", "/srv/shop-admin/current"),
        Absent("/srv/shop-admin"),
        User("shop", groups=("sudo",)),
        Service("ssh"),
    ],
    ids=lambda resource: type(resource).__name__,
)
def test_no_other_class_passes_by_itself(resource: Resource) -> None:
    with pytest.raises(ResourceError, match="refused"):
        passes(resource)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"$type": "os:system", "fields": {}}, "refused: system;"),
        ({"$type": "hostsmith.resources.release.release:ReleaseRecord", "fields": {}}, "cannot load .*:ReleaseRecord:"),
        (wire.dump(RECORD), "refused: a Record like this;"),
        ({"$secret": {"$type": "subprocess:Popen", "fields": {"args": "id"}}}, "refused: Popen;"),
        ({"$tuple": [wire.dump(Package("x"))]}, "refused: Package;"),
        ({"$dict": [["x", wire.dump(Package("x"))]]}, "refused: Package;"),
        ({"$type": ["hostsmith.resources.release.live:Live"], "fields": {}}, "refused: Live"),
        ("text", "refused: a str like this;"),
        (None, "refused: a NoneType like this;"),
        ([wire.dump(Package("x"))], "refused: Package;"),
        ([wire.dump(Pruned("shop", 5))], "refused: a list like this;"),
        ({}, "what cannot have been sent to a host"),
    ],
)
def test_what_is_no_resource_at_all_is_no_way_in(data: Any, why: str) -> None:
    with pytest.raises(ResourceError, match=why):
        Allowed("shop").check({"op": "converge", "resources": [data], "modules": {}, "hold": False})


FRAMES: list[dict[str, Any]] = [
    {"op": "lock", "holder": {"who": "ann@laptop", "what": "deploy"}, "wait": 30},
    {"op": "unlock"},
    {"op": "confirm"},
    {"op": "put_back"},
    {"op": "converge", "resources": [], "modules": {}, "hold": False},
    {"op": "run", "app": "shop", "argv": ["sh", "-c", "id; echo $HOME"]},
    {"op": "follow", "app": "shop", "names": ["web", "nginx"], "marks": {"123": 5_000_000_000}},
    {"op": "ask", "query": "releases", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "before_deploy", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "live_release", "arguments": {"app": "shop"}},
    {"op": "act", "action": "resolve", "arguments": {"app": "shop", "url": "https://example.org/x",
     "revision": "a/b-1.0~2", "timeout": 1800}},
    {"op": "ask", "query": "status", "arguments": {"app": "shop", "health": wire.dump(HEALTH)}},
    {"op": "ask", "query": "verify", "arguments": {"app": "shop", "release": ID, "health": None, "port": None}},
    {"op": "ask", "query": "log_lines", "arguments": {"app": "shop", "names": ["web"], "lines": 100}},
    {"op": "ask", "query": "history", "arguments": {"app": "shop", "url": "git@example.org:x.git", "revision": "HEAD",
     "since": [COMMIT], "files": ["Procfile", "a/b.txt"]}},
    {"op": "ask", "query": "kept_variables", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "services", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "app_processes", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "running_variables", "arguments": {"app": "shop"}},
    {"op": "ask", "query": "lock_holder", "arguments": {}},
    {"op": "act", "action": "break_lock", "arguments": {}},
]  # fmt: skip


def named(frame: dict[str, Any]) -> str | None:
    """The query or the action of a frame."""
    return frame.get("query") or frame.get("action")


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: named(frame) or frame["op"])
def test_every_frame_of_the_deployers_tasks_passes_and_none_with_more_in_it(frame: dict[str, Any]) -> None:
    allowed = Allowed("shop")
    allowed.check(frame)
    for given in (frame, frame.get("arguments", {})):
        for name in given.keys() - {"op"}:
            less = {key: value for key, value in given.items() if key != name}
            with pytest.raises(ResourceError, match=f"refused: .* without '{name}'"):
                allowed.check(less if given is frame else {**frame, "arguments": less})
    for more in ("path", "folder", "user", "socket"):
        with pytest.raises(ResourceError, match="refused"):
            allowed.check({**frame, more: "/etc"})
        if "arguments" in frame:
            with pytest.raises(ResourceError, match="refused"):
                allowed.check({**frame, "arguments": {**frame["arguments"], more: "/etc"}})
    if "app" in frame:
        with pytest.raises(ResourceError, match="refused"):
            allowed.check({**frame, "app": "shop-admin"})
    if "app" in frame.get("arguments", {}):
        with pytest.raises(ResourceError, match="refused"):
            allowed.check({**frame, "arguments": {**frame["arguments"], "app": "shop-admin"}})


TEXTS = ["\x1b[2J", "a\nb", "\0", "\ud800", None, 3, ["x"]]
NUMBERS = [-1, 1e9, 10**400, float("inf"), float("nan"), "30", None, True]
WHOLE = [-1, 1.5, 10**12, float("nan"), "5", None, True]
APPS = [name for name in ANOTHER if not isinstance(name, Secret)]
PLAIN_IDS = [OTHER_ID, "..", "", f"{ID}\n", f"/{ID}", [ID], 20261121]
URLS = ["file:///srv/shop-admin/repo.git", "file://srv/shop-admin/repo.git", "/x", "../x", "ext::sh -c id", "-u", "",
        "ssh://-oProxyCommand=id/x", None]  # fmt: skip
REVISIONS = ["--help", "-x", "", "a b", "a:b", "a\0b", None]
NAMES = [["../shop-admin/web"], ["a\nb"], [None], "web", None, ["w"] * 2000]
A_HEALTH = [wire.dump(Package("x")), {"$type": "os:system", "fields": {}}, "x", [], wire.dump(Secret("x"))]

# What is part of resources, what has it, and for each of its fields what must be refused.
PARTS: list[tuple[Any, Callable[[Any], Resource], dict[str, list[Any]]]] = [
    (
        RECORD,
        lambda part: ReleaseRecord("shop", part),
        {
            **dict.fromkeys(("revision", "subject", "who", "created"), TEXTS),
            **{"id": IDS, "state": ["proven", "failed", "", None], "reason": ["x", None]},
        },
    ),
    (
        HEALTH,
        lambda part: Live("shop", ID, part, 80, 30),
        {
            "path": ["/ HTTP/1.1\r\nHost: x", "x", "", "/\n", "/é", "/" * 5000, None],
            "host": ["x\r\ny", "", "a b", "é", None],
            "statuses": ["200", [[200, 299]], ((200,),), ((200, 299, 1),), ((True, 299),), ((200.0, 299),), (200, 299)],
            "timeout": NUMBERS,
            "request_timeout": NUMBERS,
        },
    ),
    (
        Variable(Secret("x"), "settings"),
        lambda part: Environment("shop", ID, Variables({"A": part})),
        {"value": [b"x", "\0", "\ud800", Secret("\0"), None, 3], "origin": TEXTS},
    ),
    (
        VARIABLES,
        lambda part: Environment("shop", ID, part),
        {
            "given": [None, {"A": "x"}, {"A;id": Variable("x", "")}, {"A": Package("x")}, {3: Variable("x", "")}],
            "chosen": [None, {"A": "x"}, {"A=b\nB": Secret("x")}, {"A": Secret("\0")}],
            "since": [name for name in IDS if name != ""],
            "scale": [None, {"w": -1}, {"w": 101}, {"w": True}, {"w": 1.0}, {"a\nb": 1}],
        },
    ),
]  # fmt: skip

# For each frame, and each query, what must be refused of each of its fields.
FRAMES_WRONG: dict[str, dict[str, list[Any]]] = {
    "lock": {
        "holder": [None, {}, {"who": "x"}, *({"who": text, "what": "x"} for text in TEXTS),
                   {"who": "x", "what": "x", "app": "shop-admin"}, {"who": "x", "what": "x", "pid": 1}],
        "wait": NUMBERS,
    },
    "unlock": {},
    "confirm": {},
    "put_back": {},
    "converge": {
        "resources": [{}, "x", None, {"$type": "os:system"}],
        "modules": [{"evil": "import os"}, None, []],
        "hold": [None, 1, "x", []],
    },
    "ask": {"query": ["asdict", "__import__", "backups", "examine", "check", "clock", "balancer", None, ["status"]],
            "arguments": [None, [], "x"]},
    "act": {"action": ["releases", "__import__", "lock", None, ["resolve"]], "arguments": [None, [], "x"]},
    "run": {"app": APPS, "argv": ["id", None, ["a\0b"], ["\ud800"], [3], [["id"]], {"0": "id"}]},
    "follow": {"app": APPS, "names": NAMES, "marks": [None, [], {"x": 1}, {"1": -1}, {"1": 1.0}, {"1": 1 << 64}]},
}  # fmt: skip
QUERIES_WRONG: dict[str, dict[str, list[Any]]] = {
    **{name: {"app": APPS} for name in ("releases", "before_deploy", "live_release", "app_processes")},
    **{name: {"app": APPS} for name in ("kept_variables", "services", "running_variables")},
    "lock_holder": {},
    "status": {"app": APPS, "health": A_HEALTH},
    "verify": {"app": APPS, "release": PLAIN_IDS, "health": A_HEALTH, "port": [22, "80", True, 80.0]},
    "log_lines": {"app": APPS, "names": NAMES, "lines": WHOLE},
    "history": {
        "app": APPS, "url": URLS, "revision": REVISIONS, "since": [["HEAD"], ["-x"], "x", None, [COMMIT] * 2000],
        "files": [["../../etc/passwd"], ["x"] * 2000, ["/etc/passwd"], ["a\0b"], "x", None],
    },
}  # fmt: skip

ACTIONS_WRONG: dict[str, dict[str, list[Any]]] = {
    "resolve": {"app": APPS, "url": URLS, "revision": REVISIONS, "timeout": NUMBERS},
    "break_lock": {},
}

Rule = tuple[str, Any, str]


def whole_frame(op: str, query: str = "") -> dict[str, Any]:
    (found, *_) = [each for each in FRAMES if each["op"] == op and query in (named(each), "")]
    return found


def bad_frames() -> dict[Rule, list[Any]]:
    """By rule, which is the check of one field, all that it must refuse, each in a frame that is right otherwise."""
    found: dict[Rule, list[Any]] = {}
    parts = [(resource, lambda part: part, wrong) for resource, wrong in WRONG]
    for instance, within, wrong in [*parts, *PARTS]:
        for name, values in wrong.items():
            for value in values:
                data = wire.dump([within(dataclasses.replace(instance, **{name: value}))])
                frame = {"op": "converge", "resources": data, "modules": {}, "hold": False}
                found.setdefault(("class", type(instance), name), []).append(frame)
    for op, fields in FRAMES_WRONG.items():
        for name, values in fields.items():
            found["frame", op, name] = [{**whole_frame(op), name: value} for value in values]
    for op, kind, rules in (("ask", "query", QUERIES_WRONG), ("act", "action", ACTIONS_WRONG)):
        for of, fields in rules.items():
            for name, values in fields.items():
                frame = whole_frame(op, of)
                found[kind, of, name] = [
                    {**frame, "arguments": {**frame["arguments"], name: value}} for value in values
                ]
    return found


BAD = bad_frames()


def tables(allowed: Allowed) -> dict[str, dict[Any, dict[str, Any]]]:
    return {"class": allowed._classes, "frame": allowed._frames, "query": allowed._queries, "action": allowed._actions}


def is_refused(allowed: Allowed, frame: Any) -> bool:
    """Whether the gate says no as it should; whatever else becomes of it is not that."""
    data = json.loads(json.dumps(frame))
    try:
        allowed.check(data)
    except ResourceError:
        return True
    except Exception:
        return False
    return False


def test_all_rules_are_tried() -> None:
    rules = {(kind, of, name) for kind, each in tables(Allowed("shop")).items() for of in each for name in each[of]}
    assert rules == set(BAD)


@pytest.mark.parametrize("rule", BAD, ids=lambda rule: f"{getattr(rule[1], '__name__', rule[1])}.{rule[2]}")
def test_each_rule_refuses_what_it_must_and_nothing_else_would_if_it_were_gone(rule: Rule) -> None:
    for frame in BAD[rule]:
        assert is_refused(Allowed("shop"), frame), frame
    allowed = Allowed("shop")
    kind, of, name = rule
    tables(allowed)[kind][of][name] = anything
    assert not all(is_refused(allowed, frame) for frame in BAD[rule])


def _maintained(seconds: int) -> Maintenance:
    return Maintenance("shop", "<p>", (), seconds, "ann@laptop", "2026-11-21 10:15:00Z", "back soon")


@pytest.mark.parametrize(
    ("resource", "least", "most"),
    [
        (lambda number: Pruned("shop", number), 1, 1_000_000),
        (lambda number: Scaled("shop", ID, {"worker": number}), 0, 100),
        (lambda number: Environment("shop", ID, Variables({}, {}, ID, {"worker": number})), 0, 100),
        (_maintained, 1, 1_000_000),
        (lambda number: Live("shop", ID, dataclasses.replace(HEALTH, statuses=((number, 999),)), 80, 30), 0, 999),
        (lambda number: Live("shop", ID, dataclasses.replace(HEALTH, statuses=((0, number),)), 80, 30), 0, 999),
    ],
    ids=["releases", "scaled", "scale", "retry", "first status", "last status"],
)
def test_a_number_passes_from_its_least_to_its_most_and_no_other(
    resource: Callable[[int], Resource], least: int, most: int
) -> None:
    passes(resource(least), resource(most))
    for number in (least - 1, most + 1):
        with pytest.raises(ResourceError, match="refused"):
            passes(resource(number))


def test_so_does_the_number_of_lines_of_a_log() -> None:
    arguments = {"app": "shop", "names": ["web"]}
    for lines, refused in ((-1, True), (0, False), (100_000, False), (100_001, True)):
        frame = {"op": "ask", "query": "log_lines", "arguments": {**arguments, "lines": lines}}
        assert is_refused(Allowed("shop"), frame) == refused, lines


def test_what_passes_the_gate_is_what_the_agent_can_be_called_with() -> None:
    allowed = Allowed("shop")
    functions = {**{name: getattr(queries, name) for name in allowed._queries}, **actions.ACTIONS}
    assert allowed._actions.keys() <= actions.ACTIONS.keys()
    for name, checks in {**allowed._queries, **allowed._actions}.items():
        known = inspect.signature(functions[name]).parameters
        needed = {each for each, parameter in known.items() if parameter.default is parameter.empty}
        assert needed <= checks.keys() <= known.keys(), name
    operations = main._Run(None, lambda frame: None)._operations
    for name, checks in allowed._frames.items():
        known = inspect.signature(operations[name]).parameters
        needed = {each for each, parameter in known.items() if parameter.default is parameter.empty}
        assert needed <= checks.keys() <= known.keys(), name


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ({"op": "exec", "argv": ["id"]}, "'exec'"),
        ({"op": "plan", "resources": [], "modules": {}}, "'plan'"),
        ({"op": "plan", "resources": [], "modules": {"evil": "import os; os.system('id')"}}, "'plan'"),
        ({"op": "dump", "argv": ["cat", "/etc/shadow"]}, "'dump'"),
        ({"op": "load", "argv": ["sh"]}, "'load'"),
        ({"op": "give", "data": "aWQK"}, "'give'"),
        ({"op": "given"}, "'given'"),
        ({"op": ["lock"]}, "['lock']"),
        ({}, "None"),
        ([], "None"),
        (None, "None"),
        ({"op": "converge", "resources": [], "modules": {"e": "import os"}, "hold": False},
         "converge with this modules"),
        ({"op": "converge", "resources": [], "modules": {"evil": ""}, "hold": True}, "converge with this modules"),
        ({"op": "converge", "resources": {}, "modules": {}, "hold": False}, "converge with this resources"),
        ({"op": "lock", "holder": {"who": "a\x1b[2J", "what": "x"}, "wait": 1}, "lock with this holder"),
        ({"op": "lock", "holder": {"pid": "1"}, "wait": 1}, "lock with this holder"),
        ({"op": "run", "app": "shop", "argv": "id"}, "run with this argv"),
        ({"op": "run", "app": "shop", "argv": ["a\0b"]}, "run with this argv"),
        ({"op": "follow", "app": "shop", "names": ["../shop-admin/web"], "marks": {}}, "follow with this names"),
        ({"op": "ask", "query": "log_lines",
          "arguments": {"app": "shop", "names": ["../shop-admin/web"], "lines": 1}}, "log_lines with this names"),
        ({"op": "ask", "query": "__import__", "arguments": {"name": "os"}}, "ask with this query"),
        ({"op": "ask", "query": "asdict", "arguments": {}}, "ask with this query"),
        ({"op": "ask", "arguments": {"app": "shop-admin"}}, "ask without 'query'"),
        ({"op": "ask", "query": "status", "arguments": {"app": "shop", "health": wire.dump(Package("x"))}},
         "status with this health"),
        ({"op": "act", "action": "resolve",
          "arguments": {"app": "shop", "url": "file:///x", "revision": "HEAD", "timeout": 1}}, "resolve with this url"),
        ({"op": "act", "action": "resolve",
          "arguments": {"app": "shop", "url": "git://x", "revision": "--help", "timeout": 1}},
         "resolve with this revision"),
        ({"op": "ask", "query": "history",
          "arguments": {"app": "shop", "url": "git://x", "revision": "HEAD", "since": [],
                        "files": ["../../etc/passwd"]}}, "history with this files"),
    ],
)  # fmt: skip
def test_any_other_frame_is_refused(frame: Any, why: str) -> None:
    """Each for the one thing that is wrong with it."""
    with pytest.raises(ResourceError, match=f"^refused: {re.escape(why)};"):
        Allowed("shop").check(frame)


@pytest.mark.parametrize(
    "nest", [lambda inner: [inner], lambda inner: {"$tuple": [inner]}, lambda inner: {"$dict": [["x", inner]]}]
)
def test_what_is_nested_deeper_than_it_can_be_looked_at_is_refused(nest: Callable[[Any], Any]) -> None:
    data = wire.dump(Pruned("shop", 5))
    for _ in range(10_000):
        data = nest(data)
    with pytest.raises(ResourceError, match="^refused: data that is nested too deep;"):
        Allowed("shop").check({"op": "converge", "resources": [data], "modules": {}, "hold": False})


def test_the_config_of_a_release_may_say_what_hostsmiths_template_says_and_no_more() -> None:
    group = f"shop-{ID}"
    program = (
        f"[program:{group}-web]\nprocess_name=web\ncommand={FOLDER}/start web\nuser=shop\n"
        f"stdout_logfile=/var/log/shop/web-{ID}.log\nredirect_stderr=true\n"
    )
    end = f"[group:{group}]\nprograms={group}-web\n"
    layout = Layout("shop")
    assert is_of_release(f"; a comment\n{program}stopwaitsecs=35\n\n{end}", layout, ID, group)
    several = program.replace("process_name=web", "process_name=web.%(process_num)d\nnumprocs=3\nnumprocs_start=1")
    assert is_of_release(several + end, layout, ID, group)
    wrong = {
        "another name for several": several.replace("web.%(process_num)d", "%(ENV_X)s"),
        "no name for several": program + "numprocs=3\n",
        "too many": several.replace("numprocs=3", "numprocs=3000"),
        "another first number": several.replace("start=1", "start=%(x)s"),
        "a first number alone": program + "numprocs_start=1\n",
        "another user": program.replace("user=shop", "user=root"),
        "another app's user": program.replace("user=shop", "user=shop-admin"),
        "no user": program.replace("user=shop\n", ""),
        "two users": program + "user=root\n",
        "another spelling": program + "User=root\n",
        "another sign": program + "user: root\n",
        "a continuation": program + " root\n",
        "a tab": program + "priority=1\n\troot\n",
        "a carriage return": program + "priority=1\ruser=root\n",
        "a line separator": program + "priority=1\u2028user=root\n",
        "a form feed": program + "priority=1\x0cuser=root\n",
        "an expansion": program + "priority=%(ENV_X)s\n",
        "another command": program.replace(f"{FOLDER}/start web", "/bin/sh -c id"),
        "a longer command": program.replace("start web", "start web;id"),
        "another log": program.replace(f"/var/log/shop/web-{ID}.log", "/etc/cron.d/x"),
        "another key": program + "environment=LD_PRELOAD=/tmp/x\n",
        "a log besides": program + "stderr_logfile=/etc/cron.d/x\n",
        "a folder": program + "directory=/root\n",
        "a section": program + "[include]\nfiles=/tmp/*.conf\n",
        "a listener": program + "[eventlistener:x]\ncommand=id\n",
        "the socket": program + "[unix_http_server]\nfile=/tmp/x\nchmod=0777\n",
        "another program": program + program.replace(group, "shop-admin-20261121-101500-1f3c2ab"),
        "twice": program + program,
        "a key without a section": "user=root\n" + program,
    }
    for what, text in wrong.items():
        assert not is_of_release(text + end, layout, ID, group), what
    for what, text in {
        "another group": end.replace(f"[group:{group}]", "[group:shop-admin]"),
        "another's program": end.replace("-web", "-web,shop-admin-20261121-101500-1f3c2ab-web"),
        "a group with more": end + "priority=1\n",
        "no programs": f"[group:{group}]\n",
    }.items():
        assert not is_of_release(program + text, layout, ID, group), what
