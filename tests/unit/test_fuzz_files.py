"""Valid settings of the worst kind: whatever a setting allows, the files that are made of it say that and no more.

Each file is read by the program that it is for, or by that program's own rules: /bin/sh, supervisord's parser, Python,
nginx's own parser (crossplane); and, where they are installed, by `nginx -t` and `haproxy -c`.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import crossplane
import hostile
import pytest
from hostsmith.environment import variables
from hostsmith.errors import SettingsError
from hostsmith.recipes import haproxy, nginx, release
from hostsmith.rendering.rendered import rendered
from hostsmith.rendering.template import Template, render
from hostsmith.resources import File, Resource, Secret, Validated
from hostsmith.resources.release.environment import Environment
from hostsmith.settings import Settings
from hostsmith.settings import values as kind
from hypothesis import assume, given
from hypothesis import strategies as st

ID = "20260101-120000-0123456"
WEB = ("web",)
NOWHERE = Path("/nowhere")


def settings(**values: Any) -> Settings:
    try:
        return Settings(**{"app": "blog", "processes": {"web": "gunicorn blog:app"}, **values})
    except ValueError:
        # A pattern allows more than all checks together.
        assume(False)
        raise


def text_of(resources: Iterable[Resource], path: str) -> str:
    """What a file would hold."""
    for resource in rendered(list(resources), NOWHERE, "web1"):
        if isinstance(resource, Validated):
            return text_of(resource.resources, path)
        if isinstance(resource, File) and resource.path == path:
            return resource.content.reveal() if isinstance(resource.content, Secret) else str(resource.content)
    raise AssertionError(f"no {path}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the app, below a folder for the tests instead of /srv."""
    path = tmp_path_factory.mktemp("files") / "re lease's $(x)"
    (path / "code").mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def etc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the configuration of nginx and HAProxy."""
    return tmp_path_factory.mktemp("etc")


def start_script(folder: Path, found: Settings) -> Path:
    """The start script and the environment of a release, for a folder of ours."""
    group = release.configuration(found, WEB, ID)
    assert isinstance(group, Validated)
    (script,) = [r for r in group.resources if isinstance(r, Template) and r.template == "app/start.sh.j2"]
    here = {"folder": str(folder), "home": f"{folder}/home", "socket": f"{folder}/run/web.sock"}
    (folder / "start").write_text(render(NOWHERE, script.template, {**script.variables, **here}))
    (folder / "start").chmod(0o755)
    (folder / "env").write_text(environment(found))
    return folder / "start"


def environment(found: Settings) -> str:
    """The environment of a release that the settings give all variables of."""
    wanted = variables.wanted(variables.given(found), [])
    (resource,) = release.environment(found, ID, wanted)
    assert isinstance(resource, Environment)
    return resource.text()


def started(script: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", str(script), *arguments],
        cwd=script.parent / "code",
        env={"PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def nothing_was_run(folder: Path) -> None:
    assert not list(folder.rglob(hostile.MARKER)), "a command that was not meant"


apps = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
# Names that mean something to a shell, beside all others.
names = hostile.of_form(kind.VariableName) | st.sampled_from(
    ["PATH", "HOME", "IFS", "ENV", "PWD", "OLDPWD", "PS1", "PS4", "_", "CDPATH", "PYTHONUNBUFFERED"]
)  # fmt: skip
values = hostile.arguments | st.sampled_from(["x" * 119_000, "'" * 100_000, "é\n" * 20_000]).map(hostile.Huge)


@given(environment=st.dictionaries(names, values, max_size=8))
def test_a_process_gets_each_variable_exactly_as_it_was_set(folder: Path, environment: dict[str, str]) -> None:
    done = started(start_script(folder, settings(environment=environment)), "run", "/usr/bin/env", "-0")
    assert (done.returncode, done.stderr) == (0, b"")
    found = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0")[:-1])
    assert found.pop("PATH") == f"{folder}/venv/bin:{environment.pop('PATH', os.defpath)}"
    assert {name: found.get(name) for name in environment} == environment
    nothing_was_run(folder)


@given(words=st.lists(hostile.arguments, min_size=1, max_size=5))
def test_a_command_of_the_users_gets_each_word_as_it_is(folder: Path, words: list[str]) -> None:
    show = "import os, sys; os.write(1, os.fsencode('\\0'.join(sys.argv[1:])))"
    done = started(start_script(folder, settings()), "run", sys.executable, "-I", "-S", "-c", show, *words)
    assert done.stdout.decode() == "\0".join(words)
    nothing_was_run(folder)


commands = hostile.arguments.map(str.strip)


@given(command=commands, name=hostile.of_form(kind.ProcessName) | st.just("esac"))
def test_a_broken_command_breaks_no_other_process(folder: Path, command: str, name: str) -> None:
    found = settings(processes={name: command, "web": "gunicorn $SOCKET", "other": "echo fine"})
    done = started(start_script(folder, found), "other")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fine\n", b"")
    nothing_was_run(folder)


@given(words=st.lists(hostile.arguments, min_size=1, max_size=4), name=hostile.of_form(kind.ProcessName))
def test_a_process_is_the_command_that_the_settings_name(folder: Path, words: list[str], name: str) -> None:
    command = shlex.join(["printf", "%s\\0", *words])
    assume(name != "web" and not re.search(r"[\x00-\x1f]", command))
    done = started(start_script(folder, settings(processes={"web": "gunicorn a:b", name: command})), name)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().split("\0")[:-1] == words
    nothing_was_run(folder)


@given(
    processes=st.dictionaries(hostile.of_form(kind.ProcessName), commands.filter(bool), max_size=3),
    app=apps,
)
def test_supervisord_finds_the_processes_and_nothing_else(processes: dict[str, str], app: str) -> None:
    found = settings(app=app, processes={**processes, "web": "gunicorn a:b"})
    text = text_of([release.configuration(found, WEB, ID)], f"/srv/{app}/releases/{ID}/supervisor.conf")
    # As supervisor 4 reads it (options.py, UnhosedConfigParser).
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(text)
    group = f"{app}-{ID}"
    wanted = [name for name in found.processes if name != "release"]
    assert parser.sections() == [*(f"program:{group}-{name}" for name in wanted), f"group:{group}"]
    assert dict(parser[f"group:{group}"]) == {"programs": ",".join(f"{group}-{name}" for name in wanted)}
    for name in wanted:
        section = dict(parser[f"program:{group}-{name}"])
        assert section.pop("stopasgroup", "true") == "true"
        assert [value for value in section.values() if "%" in value] == []
        assert section == {
            "process_name": name,
            "command": f"/srv/{app}/releases/{ID}/start {name}",
            "user": app,
            "autostart": "true",
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "3",
            "stopsignal": "TERM",
            "stopwaitsecs": "35",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": f"/var/log/{app}/{name}-{ID}.log",
            "stdout_logfile_maxbytes": "0",
        }


def gunicorn_config(app: str, **values: Any) -> tuple[list[str], dict[str, Any]]:
    """What gunicorn runs, and what it finds: its code, and the constants that it is given."""
    files = [release.configuration(settings(app=app, **values), WEB, ID)]
    code, constants = [], {}
    for statement in ast.parse(text_of(files, f"/srv/{app}/releases/{ID}/gunicorn.conf.py")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            constants[ast.unparse(statement.targets[0])] = statement.value.value
        else:
            code.append(ast.unparse(statement))
    return code, constants


@given(app=apps, numbers=st.tuples(*[st.integers(1, 10**6)] * 3))
def test_gunicorn_finds_settings_and_no_other_code(app: str, numbers: Sequence[int]) -> None:
    workers, threads, timeout = numbers
    code, constants = gunicorn_config(app, workers=workers, threads=threads, web_timeout=timeout)
    plain_code, plain_constants = gunicorn_config("blog", workers=1)
    assert (code, constants.keys()) == (plain_code, plain_constants.keys())
    assert (constants["workers"], constants["threads"], constants["timeout"]) == (workers, threads, timeout)
    assert (constants["bind"], constants["proc_name"]) == (f"unix:/srv/{app}/releases/{ID}/run/web.sock", app)


sites = st.fixed_dictionaries(
    {"app": apps},
    optional={
        "domains": st.lists(
            st.from_regex(r"(\*\.)?([a-zé0-9-]{1,20}\.){1,3}[A-Za-z]{2,9}\.?", fullmatch=True), max_size=3
        ),
        "static": st.dictionaries(hostile.of_form(kind.UrlPrefix), hostile.of_form(kind.SourcePath), max_size=2),
        "client_max_body_size": hostile.of_form(kind.Size),
        "web_timeout": st.integers(1, 10**6),
    },
)
addresses = st.lists(st.ip_addresses().map(str), max_size=3)


def directives(text: str, folder: Path) -> list[Any]:
    """What nginx reads, as nested [directive, arguments, block]."""
    file = folder / "site.conf"
    file.write_text(text)
    parsed = crossplane.parse(str(file), single=True, comments=False, check_ctx=False, check_args=False)
    assert parsed["errors"] == []

    def nested(block: list[dict[str, Any]]) -> list[Any]:
        return [[one["directive"], one["args"], nested(one.get("block", []))] for one in block]

    return nested(parsed["config"][0]["parsed"])


def shape(block: list[Any]) -> list[Any]:
    return [[name, shape(inner)] for name, _, inner in block]


def all_of(block: list[Any], wanted: str) -> list[list[str]]:
    """The arguments of each directive of a name, in all blocks."""
    found = []
    for name, arguments, inner in block:
        found += ([arguments] if name == wanted else []) + all_of(inner, wanted)
    return found


def site(found: Settings, balancers: list[str]) -> str:
    template = nginx.site_file(found)
    return render(NOWHERE, template.template, {**template.variables, "balancers": balancers})


@given(values=sites, balancers=addresses)
def test_nginx_finds_the_site_and_no_other_directive(etc: Path, values: dict[str, Any], balancers: list[str]) -> None:
    found = settings(**values)
    text = site(found, balancers)
    read = directives(text, etc)
    harmless = settings(domains=found.domains, static={f"/s{n}/": "static" for n in range(len(found.static))})
    plain = site(harmless, balancers)
    assert shape(read) == shape(directives(plain, etc))
    locations = [arguments for arguments in all_of(read, "location") if arguments[0] == "^~"]
    code = f"/srv/{found.app}/current/code"
    assert locations == [["^~", prefix] for prefix in found.static]
    assert all_of(read, "alias") == [[f"{code}/{path}/"] for path in found.static.values()]
    served = [name for arguments in all_of(read, "server_name") for name in arguments]
    assert served == [*found.redirects, *(found.domains or ["_"])]
    assert all(re.fullmatch(r"(\*\.)?[a-z0-9.-]+|_", name) for name in served)
    assert all_of(read, "client_max_body_size") == [[found.client_max_body_size]]


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
@given(values=sites, balancers=addresses)
def test_nginx_itself_accepts_the_site(etc: Path, values: dict[str, Any], balancers: list[str]) -> None:
    found = settings(**values)
    text = re.sub(r"/var/log/nginx/[^;\s]+", "/dev/null", site(found, balancers))
    (etc / "site.conf").write_text(text)
    main = etc / "nginx.conf"
    folders = [f"{name}_temp_path '{etc}/{name}';" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    # Room for the longest names, which Debian's default has not.
    room = "server_names_hash_bucket_size 1024; variables_hash_bucket_size 256;"
    main.write_text(
        f"pid '{etc}/pid'; error_log stderr; events {{}}\n"
        f"http {{ {' '.join(folders)} {room} include '{etc}/site.conf'; }}\n"
    )
    done = subprocess.run(["nginx", "-t", "-q", "-c", str(main)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


balancers = st.fixed_dictionaries(
    {"app": apps},
    optional={
        "health": st.fixed_dictionaries(
            {},
            optional={
                "path": hostile.of_form(kind.UrlPath),
                "host": st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,20}[A-Za-z0-9])?", fullmatch=True),
                "statuses": st.lists(st.sampled_from([200, "200-299", "301", "400-404"]), min_size=1, max_size=3),
            },
        ),
        "balancer": st.fixed_dictionaries(
            {},
            optional={"algorithm": st.sampled_from(["leastconn", "roundrobin"]), "rate_limit": st.integers(1, 10**6)},
        ),
        "web_timeout": st.integers(1, 10**5),
    },
)
webs = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True) | st.ip_addresses(v=6).map("[{}]".format),
        st.ip_addresses().map(str),
        st.integers(1, 256),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda web: web[0].lower().rstrip("."),
)


def balanced(values: dict[str, Any], webs: list[tuple[str, str, int]]) -> tuple[Settings, str]:
    roles = {"web": [{"host": host, "weight": weight} for host, _, weight in webs], "lb": ["lb1.example"]}
    found = settings(**values, roles=roles)
    known = {found.machine(entry.host): [web[1]] for entry, web in zip(found.roles["web"], webs, strict=True)}
    found = found.reached_at(known)
    return found, text_of(haproxy.haproxy(found), "/etc/haproxy/haproxy.cfg")


@given(values=balancers, webs=webs)
def test_haproxy_finds_the_balancer_and_no_other_line(values: dict[str, Any], webs: list[tuple[str, str, int]]) -> None:
    found, text = balanced(values, webs)
    harmless = {"balancer": {"rate_limit": 5}} if found.balancer.rate_limit else {}
    _, plain = balanced(harmless, [(f"w{n}", "10.0.0.1", 1) for n in range(len(webs))])

    def first_words(text: str) -> list[list[str]]:
        lines = [line.split()[:2] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        return [
            ["backend"] if line[0] in ("backend", "default_backend", "server", "balance") else line for line in lines
        ]

    assert first_words(text) == first_words(plain)
    (ask,) = [line for line in text.splitlines() if "http-check send" in line]
    # In HAProxy as in a shell, nothing ends a text in single quotes but another one.
    assert shlex.split(ask)[5] == found.health.path
    assert "'" not in found.health.path


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@given(values=balancers, webs=webs)
def test_haproxy_itself_accepts_the_balancer(
    etc: Path, values: dict[str, Any], webs: list[tuple[str, str, int]]
) -> None:
    _, text = balanced(values, webs)
    # What only a host with HAProxy has.
    text = re.sub(r"^ *(errorfile|chroot|user|group|stats socket) .*\n", "", text, flags=re.MULTILINE)
    (etc / "haproxy.cfg").write_text(text)
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(etc / "haproxy.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@given(path=hostile.of_form(kind.UrlPath), host=hostile.of_form(kind.HostName))
def test_a_health_page_can_be_asked_for_whatever_its_path(path: str, host: str) -> None:
    found = settings(health={"path": path, "host": host})
    answer = release.health_check(found).ask_socket("/no/such/socket")
    assert answer == "it is not listening on its socket yet"


@given(value=hostile.texts | hostile.huge | hostile.structures)
def test_a_template_takes_any_value_or_says_why_not(folder: Path, value: Any) -> None:
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "any.j2").write_text("printf %s {{ value | quote }}")
    script = render(folder, "any.j2", {"value": value})
    if re.search("[\0\ud800-\udfff]", script) or len(script) > 100_000:
        return
    done = subprocess.run(["/bin/sh", "-c", script], cwd=folder, capture_output=True, check=True)
    assert done.stdout.decode() == str(value)
    nothing_was_run(folder)


def test_an_unfinished_value_in_a_template_of_ours_is_an_error() -> None:
    with pytest.raises(SettingsError, match="is undefined"):
        render(NOWHERE, "app/start.sh.j2", {"app": "blog"})
