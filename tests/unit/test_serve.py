"""What `fab serve` promises: the app here as on the hosts, and when it ends nothing of it is left."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from local_fab import Fab
from terminal import Terminal

APP = Path(__file__).with_name("serve_app.py")
PYTHON = shlex.quote(sys.executable)
WEB = f"{PYTHON} {shlex.quote(str(APP))} $SOCKET"
LIMIT = 60  # seconds


class Served:
    """A project that is served.

    :param process: of `fab serve`.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.printed = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until this was printed."""
        assert self.process.stdout is not None
        while not (found := re.search(pattern, self.printed, re.MULTILINE)):
            line = self.process.stdout.readline()
            assert line, f"ended without {pattern!r}:\n{self.printed}"
            self.printed += line
        return found

    def ask(self, head: str, body: bytes = b"") -> tuple[str, bytes]:
        """Send a request; returns head and body of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        first, _, rest = answer.partition(b"\r\n\r\n")
        return first.decode(), rest

    def told(self, path: str = "/", *headers: str) -> dict[str, Any]:
        """What the app says of itself and the request."""
        return dict(json.loads(self.ask("\n".join([f"GET {path} HTTP/1.1", "Host: blog.example", *headers]))[1]))

    def end(self) -> int:
        """Wait for the end; returns the exit status."""
        self.printed += self.process.communicate(timeout=LIMIT)[0]
        assert "Traceback" not in self.printed, self.printed
        return self.process.returncode


class Project(Fab):
    """A project whose `fab serve` is started."""

    @contextmanager
    def serve(self, *arguments: str, **environ: str) -> Iterator[Served]:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "fabric", "serve", "--port", str(port), *arguments],
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp"), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Served(process, port)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    (tmp_path / "tmp").mkdir()
    found.write("from hostsmith import ns\n", "fabfile.py")
    found.write("app: blog\n")
    found.write(f"web: {WEB}\n", "Procfile")
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended, but whose parent has not asked, does not run."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_app_has_the_variables_of_the_hosts_and_local_env_wins(project: Project) -> None:
    project.write(
        "app: blog\nenvironment: {GREETING: hello, FROM_FILE: settings, SECRET_KEY: {generate: 30}, "
        "NEVER: {command: ['false']}, TOLD: {command: [echo, told]}}\n"
    )
    project.write("# ours\nexport FROM_FILE='local, \"quoted\"'\nNEVER=asked # not a comment\n", "local.env")
    keys = []
    for _ in range(2):
        with project.serve(FABRIC_ENVIRONMENT_GREETING="from the shell") as served:
            served.until("serving")
            env = served.told()["env"]
            keys.append(env["SECRET_KEY"])
    wanted = {
        "HOSTSMITH_APP": "blog",
        "HOSTSMITH_RELEASE": "local",
        "GREETING": "from the shell",
        "FROM_FILE": 'local, "quoted"',
        "NEVER": "asked # not a comment",
        "TOLD": "told",
    }
    assert {name: env[name] for name in wanted} == wanted
    # Made up once; for nobody else, and not for git.
    assert len(keys[0]) == 30
    assert keys[0] == keys[1]
    kept = project.folder / ".hostsmith"
    assert (kept.stat().st_mode & 0o777, (kept / "generated.json").stat().st_mode & 0o777) == (0o700, 0o600)
    assert (kept / ".gitignore").read_text() == "*\n"


def test_the_site_is_at_one_address_with_its_static_files_as_nginx_has_them(project: Project) -> None:
    project.write("app: blog\nstatic: static\n")
    (project.folder / "static" / ".hidden").mkdir(parents=True)
    project.write("body {}\n", "static/site.css")
    project.write("no\n", "static/.hidden/x")
    (project.folder / "static" / "link").symlink_to(project.folder / "fabric.yaml")
    with project.serve() as served:
        served.until("serving")
        head, body = served.ask("GET /static/site.css?v=1 HTTP/1.1\nHost: x")
        assert (head.split()[1], body) == ("200", b"body {}\n")
        assert "Content-Type: text/css" in head
        for name in ("missing", "../fabric.yaml", "%2e%2e/fabric.yaml", ".hidden/x", "link"):
            assert served.ask(f"GET /static/{name} HTTP/1.1\nHost: x")[0].split()[1] == "404", name
        lies = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Connection: keep-alive", "Upgrade: h2c"]
        lies += ["X_Forwarded_For: 6.6.6.6", "True-Client-IP: 6.6.6.6", "x-forwarded-elsewhere: 6.6.6.6"]
        told = served.told("/a?b=c", *lies)
        assert told["path"] == "/a?b=c"
        assert told["headers"] == {
            "Host": "blog.example",
            "X-Real-IP": "127.0.0.1",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "blog.example",
            "Connection": "close",
        }
        data = b"x" * 3_000_000
        head = f"POST / HTTP/1.1\nHost: x\nContent-Length: {len(data)}"
        assert json.loads(served.ask(head, data)[1]) == {"read": len(data)}


def test_a_django_project_has_its_static_files_and_uploads_and_answers_to_this_machine(project: Project) -> None:
    project.write("app: blog\nframework: django\ndomains: [blog.example]\ntls: true\n")
    collect = "import os, sys; os.makedirs(os.environ['STATIC_ROOT'], exist_ok=True)\n"
    project.write(
        f"{collect}open(os.environ['STATIC_ROOT'] + '/a.css', 'w').write(' '.join(sys.argv[1:]))\n", "manage.py"
    )
    with project.serve() as served:
        served.until("serving")
        assert served.ask("GET /static/a.css HTTP/1.1\nHost: x")[1] == b"collectstatic --noinput"
        env = served.told()["env"]
        assert (env["ALLOWED_HOSTS"], len(env["SECRET_KEY"])) == ("*", 50)
        assert env.keys().isdisjoint({"SECURE_PROXY_SSL_HEADER", "CSRF_TRUSTED_ORIGINS"})
        media = Path(env["MEDIA_ROOT"])
        assert media == project.folder / ".hostsmith/media"
        media.mkdir(exist_ok=True)
        (media / "photo.txt").write_text("uploaded")
        assert served.ask("GET /media/photo.txt HTTP/1.1\nHost: x")[1] == b"uploaded"


def test_websockets_pass(project: Project) -> None:
    with project.serve() as served:
        served.until("serving")
        head, body = served.ask("GET /ws HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade", b"hello\n")
        assert "101" in head
        assert body == b"hello\n"


def test_an_app_that_does_not_listen_yet_is_told_of(project: Project) -> None:
    project.write("web: echo here $SOCKET; exec sleep 1000\n", "Procfile")
    with project.serve() as served:
        served.until("^here")
        assert served.ask("GET / HTTP/1.1\nHost: x")[0].split()[1] == "502"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes_gracefully_and_their_children(project: Project, number: int) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('cleaning up', flush=True) or exit())"
    )
    project.write(f'web: {WEB}\nworker: {PYTHON} -uc "{stubborn}; print(1 + 1); time.sleep(1000)"\n', "Procfile")
    with project.serve() as served:
        child = int(served.until(r"serving, child (\d+)")[1])
        served.until(r"^worker .*2$")
        assert is_running(child)
        served.process.send_signal(number)
        assert served.end() == 0
        assert "cleaning up" in served.printed
        assert not is_running(child)
    assert os.listdir(project.folder / "tmp") == []


def test_what_does_not_end_in_time_is_killed_and_a_second_time_at_once(project: Project) -> None:
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    project.write(f'web: {WEB}\nworker: {PYTHON} -uc "{ignore}; print(1 + 1); time.sleep(1000)"\n', "Procfile")
    project.write("app: blog\nweb_timeout: 1000\n")
    with project.serve() as served:
        served.until(r"^worker .*2$")
        served.process.send_signal(signal.SIGINT)
        served.until("Ctrl-C again kills")
        served.process.send_signal(signal.SIGINT)
        assert served.end() == 0


def test_nothing_outlives_a_fab_that_is_killed(project: Project) -> None:
    with project.serve() as served:
        child = int(served.until(r"serving, child (\d+)")[1])
        served.process.kill()
    wait_until(lambda: not is_running(child))


def test_one_that_ends_ends_all_with_its_status(project: Project) -> None:
    project.write(f"web: {WEB}\nworker: read line < go; exit 7\n", "Procfile")
    os.mkfifo(project.folder / "go")
    with project.serve() as served:
        child = int(served.until(r"serving, child (\d+)")[1])
        with (project.folder / "go").open("w"):
            pass
        assert served.end() == 7
        assert "worker ended with status 7; all others were stopped" in served.printed
        assert not is_running(child)


def test_only_the_processes_that_are_named_run(project: Project) -> None:
    project.write(f"web: {WEB}\nworker: echo working\nclock: echo ticking\n", "Procfile")
    with project.serve("worker") as served:
        assert served.end() == 0
    # One by itself is passed on as it is.
    assert served.printed.startswith("working\n")
    assert "ticking" not in served.printed
    assert "serving" not in served.printed


def test_release_runs_first_when_it_is_wanted_and_its_failure_starts_nothing(project: Project) -> None:
    project.write(f"web: {WEB}\nrelease: echo migrating $HOSTSMITH_APP; test ! -e broken\n", "Procfile")
    with project.serve("--release") as served:
        served.until(r"^release +migrating blog$[\s\S]*^web +serving")
    with project.serve() as served:
        served.until("release: not run[\\s\\S]*serving")
        assert "migrating" not in served.printed
    project.write("", "broken")
    with project.serve("--release") as served:
        assert served.end() == 1
        assert "release ended with status 1; nothing else was started" in served.printed
        assert "serving" not in served.printed


def test_the_projects_virtualenv_is_used(project: Project) -> None:
    python = project.folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho from the virtualenv $VIRTUAL_ENV\n")
    python.chmod(0o755)
    project.write(f"web: {WEB}\nworker: python worker.py\n", "Procfile")
    with project.serve("worker") as served:
        assert served.end() == 0
    assert f"from the virtualenv {project.folder}/.venv" in served.printed


def test_gunicorn_is_told_by_a_file_as_on_the_hosts(project: Project) -> None:
    gunicorn = project.folder / ".venv/bin/gunicorn"
    gunicorn.parent.mkdir(parents=True)
    gunicorn.write_text('#!/bin/sh\neval "set -- $GUNICORN_CMD_ARGS"\necho "$1"; cat "$2"; echo "socket $SOCKET"\n')
    gunicorn.chmod(0o755)
    gunicorn.with_name("python").symlink_to(sys.executable)
    project.write("web: gunicorn app:app\n", "Procfile")
    with project.serve() as served:
        assert served.end() == 0
    path = re.search("^socket (.*)$", served.printed, re.MULTILINE)
    assert path is not None
    assert "--config\n" in served.printed
    assert f"bind = 'unix:{path[1]}'\nreload = True\n" in served.printed


SEARCH = """\
from hostsmith import ns
from hostsmith.services import AppService, register

@register
class Search(AppService):
    name = "search"
    def env(self, access): return {"SEARCH_URL": f"http://{access.host}:{access.port}"}
    def install(self): return []
    def backup(self): return []
    def restore(self): return None
    def clear(self): return []
    def check(self): return ["true"]
"""


def test_a_service_that_cannot_be_started_is_told_of_unless_its_variables_are_given(project: Project) -> None:
    project.write(SEARCH, "fabfile.py")
    project.write("app: blog\nservices: [search]\n")
    project.write(f"web: {WEB}\nworker: echo found $SEARCH_URL.\n", "Procfile")
    (line,) = project.error("serve", "worker")
    assert line == "search: cannot be started here; set SEARCH_URL in local.env, or use --no-services"
    with project.serve("worker", "--no-services") as served:
        assert served.end() == 0
        assert "found .\n" in served.printed
    project.write("SEARCH_URL=http://localhost:1\n", "local.env")
    with project.serve("worker") as served:
        assert served.end() == 0
        assert "found http://localhost:1.\n" in served.printed


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({}, ["wbe"], "found 'wbe', expected processes out of web; did you mean web?"),
        ({}, ["release"], "the flag --release runs that"),
        ({}, ["--release"], "--release: there is no process `release`"),
        ({}, ["--port", "http"], "--port: found 'http', expected a number from 1 to 65535"),
        ({"Procfile": "web: python -m http.server\n"}, [], "process web: found no `$SOCKET`"),
        ({"local.env": "A=1\nB C=2\nD='x\n"}, [], "local.env: line 2: expected `NAME=value`"),
        ({"Procfile": "web: gunicorn a:b\n"}, [], "web: gunicorn is missing on this machine"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    project: Project, files: dict[str, str], arguments: list[str], said: str
) -> None:
    for name, text in files.items():
        project.write(text, name)
    bare = {"PATH": "/usr/bin:/bin", "VIRTUAL_ENV": ""}
    assert said in project.error("serve", *arguments, **bare)[0]


def test_a_port_that_is_taken_is_told_and_nothing_is_left(project: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = project.run("serve", "--port", str(other.getsockname()[1]), TMPDIR=str(project.folder / "tmp"))
    assert done.returncode == 2
    assert "expected a free port" in done.stderr
    assert os.listdir(project.folder / "tmp") == []


def test_ctrl_c_on_a_terminal_ends_it_without_a_word_too_many(project: Project) -> None:
    project.write(f"web: {WEB}\nworker: echo working; exec sleep 1000\n", "Procfile")
    code = f"""
import os, sys
os.chdir({str(project.folder)!r})
sys.argv = ["fab", "serve", "worker"]
from fabric.main import program
program.run()
"""
    with Terminal(code, TMPDIR=str(project.folder / "tmp")) as terminal:
        terminal.until(["working"])
        terminal.type("\x03")
        assert terminal.to_the_end() == ["working", "stopping; Ctrl-C again kills"]
    assert os.listdir(project.folder / "tmp") == []
