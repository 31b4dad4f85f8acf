"""What `fab serve` promises of services: an instance of the project's own, there before the app, and kept."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.local.services import LocalPostgres, program
from postgres_client import query
from test_serve import Project, Served, is_running, wait_until

needs_postgres = pytest.mark.skipif(
    not all(map(program, LocalPostgres.needs)), reason="PostgreSQL is not installed here"
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    # Where the user who runs PostgreSQL for root can come to, as pytest's own folders are not.
    folder = Path("/tmp", f"hostsmith-test-{os.getpid()}-{tmp_path.name}")
    folder.mkdir(mode=0o755)
    found = Project(folder)
    (folder / "tmp").mkdir()
    found.write("from hostsmith import ns\n", "fabfile.py")
    found.write("app: my-blog\nservices: [postgres]\n")
    found.write("web: x $SOCKET\nworker: env | grep -e DATABASE_URL -e CONFIG_; exec sleep 1000\n", "Procfile")
    yield found
    shutil.rmtree(folder)


def url(served: Served) -> str:
    return served.until(r"DATABASE_URL=(\S+)$")[1]


@needs_postgres
def test_the_app_has_a_database_whose_rows_are_there_the_next_time(project: Project) -> None:
    with project.serve("worker") as served:
        first = url(served)
        assert query(first, "SELECT current_database()") == "my_blog"
        query(first, "CREATE TABLE posts AS SELECT 'größer' AS title")
        served.process.send_signal(signal.SIGINT)
        assert served.end() == 0
    assert "database system is shut down" in served.printed
    with project.serve("worker") as served:
        assert url(served) == first
        assert query(first, "SELECT title FROM posts") == "größer"
        data = served.until(r"\[(\d+)\] LOG:  database system is ready")
        served.process.kill()
    wait_until(lambda: not is_running(int(data[1])))
    with project.serve("worker") as served:
        assert query(url(served), "SELECT count(*) FROM posts") == "1"
        served.process.send_signal(signal.SIGTERM)
        served.end()


@needs_postgres
def test_its_password_is_asked_for_and_nobody_else_can_read_it(project: Project) -> None:
    with project.serve("worker") as served:
        found = url(served)
        wrong = re.sub(r":[^:@]+@", ":wrong@", found)
        with pytest.raises(AssertionError, match="password authentication failed"):
            query(wrong, "SELECT 1")
        password = found.split(":")[2].partition("@")[0]
        with_it = [path for path in Path("/proc").glob("[0-9]*/cmdline") if password in _read(path)]
        assert with_it == []
        served.process.send_signal(signal.SIGINT)
        served.end()
    kept = project.folder / ".hostsmith"
    assert (kept / "services.json").stat().st_mode & 0o777 == 0o600
    assert not (kept / "postgres" / "password").exists()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""


@needs_postgres
def test_a_port_that_somebody_has_taken_is_changed(project: Project) -> None:
    with project.serve("worker") as served:
        port = int(url(served).rpartition(":")[2].partition("/")[0])
        served.process.send_signal(signal.SIGINT)
        served.end()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with project.serve("worker") as served:
            assert query(url(served), "SELECT 1") == "1"
            assert f":{port}/" not in url(served)
            served.process.send_signal(signal.SIGINT)
            served.end()


@pytest.mark.skipif(not program("redis-server"), reason="Redis is not installed here")
def test_redis_wants_its_password_and_keeps_what_it_has(project: Project) -> None:
    project.write("app: blog\nservices: [redis]\n")
    project.write("web: x $SOCKET\nworker: env | grep REDIS_URL; exec sleep 1000\n", "Procfile")
    for command, answer in (("SET a 1", b"+OK"), ("GET a", b"$1")):
        with project.serve("worker") as served:
            found = served.until(r"REDIS_URL=redis://:(\w+)@127.0.0.1:(\d+)/0$")
            with socket.create_connection(("127.0.0.1", int(found[2]))) as connection:
                lines = connection.makefile("rb")
                connection.sendall(b"GET a\r\n")
                assert lines.readline().startswith(b"-NOAUTH")
                connection.sendall(f"AUTH {found[1]}\r\n{command}\r\n".encode())
                assert [lines.readline().strip() for _ in range(2)] == [b"+OK", answer]
            served.process.send_signal(signal.SIGINT)
            assert served.end() == 0


def test_a_folder_for_files_is_the_projects_own(project: Project) -> None:
    project.write("app: blog\nservices: [files]\n")
    project.write('web: x $SOCKET\nworker: touch "$CONFIG_FILES_PATH/made"\n', "Procfile")
    with project.serve("worker") as served:
        assert served.end() == 0
    assert (project.folder / ".hostsmith/files/made").exists()


def test_a_service_that_is_not_installed_says_what_to_install_or_to_set(project: Project) -> None:
    project.write("app: blog\nservices: [memcached]\n")
    (line,) = project.error("serve", "worker", PATH="/nowhere")
    assert line == (
        "memcached: memcached missing on this machine; install it (on Debian: `apt install memcached`), "
        "set CACHE_URL in local.env, or use --no-services"
    )
