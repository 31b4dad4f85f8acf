"""HAProxy's stats socket, and what is drained and guarded with it. HAProxy itself is tried on real hosts."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.programs import haproxy
from hostsmith.hostkit.programs.haproxy import NotRunningError, ServerState
from hostsmith.resources import ResourceError, Validated
from hostsmith.resources.front.balancer import BalancerOf
from hostsmith.resources.release.drained import Drained
from local_host import LocalHost

COLUMNS = "# pxname,svname,qcur,qmax,scur,smax,status,weight,lastchg,check_status,last_chk,-,\n"


class Haproxy:
    """Answers on a stats socket as HAProxy 2.6 and 3.0 do.

    :param status: of each server of the backend `blog`.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.status = {"web1": "UP", "web2": "UP"}
        self.sessions = {"web1": 0, "web2": 0}
        self.told: list[str] = []
        self.on_drain: Callable[[], None] = lambda: None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rwb") as stream:
                command = stream.readline().decode().strip()
                if not command:
                    return
                stream.write(f"{self._answer(command)}\n".encode())

    def _answer(self, command: str) -> str:
        if command == "show info":
            return "Name: HAProxy\nNbthread: 2\nPid: 320\nUptime: 0d 0h00m41s\n"
        if command.startswith("show stat"):
            return COLUMNS + "".join(self._row(name) for name in self.status)
        found = re.fullmatch(r"set server blog/(\S+) state (drain|ready)", command)
        if not found or found[1] not in self.status:
            return "No such server.\n"
        self.told.append(f"{found[1]} {found[2]}")
        self.status[found[1]] = {"drain": "DRAIN", "ready": "UP"}[found[2]]
        if found[2] == "drain":
            self.on_drain()
        return ""

    def _row(self, name: str) -> str:
        return f'blog,{name},0,0,{self.sessions[name]},9,{self.status[name]},3,41,* L7OK,"Layer7 check, passed",,\n'

    def stop(self) -> None:
        if self._listener.fileno() == -1:
            return
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
            last.shutdown(socket.SHUT_WR)
            self._thread.join()
        self._listener.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Haproxy]:
    server = Haproxy(tmp_path / "admin.sock")
    yield server
    server.stop()


class TestSocket:
    """What is asked on the stats socket."""

    def test_the_servers_of_an_app(self, running: Haproxy) -> None:
        running.status["web2"], running.sessions["web2"] = "DOWN 1/2", 7
        assert haproxy.servers("blog", running.path) == [
            ServerState("web1", "UP", 0, 3, 41, "L7OK"),
            ServerState("web2", "DOWN 1/2", 7, 3, 41, "L7OK"),
        ]
        assert haproxy.servers("shop", running.path) == []

    @pytest.mark.parametrize(
        ("status", "serves"),
        [("UP", True), ("UP 1/2", True), ("DOWN", False), ("DOWN 1/2", False), ("DRAIN", False), ("MAINT", False)],
    )
    def test_which_servers_get_requests(self, status: str, serves: bool) -> None:
        assert ServerState("web1", status, 0, 1, 0, "").serves == serves

    def test_the_worker_that_serves(self, running: Haproxy) -> None:
        assert haproxy.worker(running.path) == 320
        running.stop()
        assert haproxy.worker(running.path) is None, "the socket's file is left over"
        assert haproxy.worker(f"{running.path}.none") is None

    def test_what_haproxy_refuses_is_told_in_its_words(self, running: Haproxy) -> None:
        with pytest.raises(ResourceError, match=r"HAProxy: blog/web9: No such server\."):
            haproxy.set_state("blog", "web9", "drain", running.path)

    def test_one_that_does_not_run_says_where_to_look(self, tmp_path: Path) -> None:
        with pytest.raises(NotRunningError, match="systemctl status haproxy"):
            haproxy.servers("blog", f"{tmp_path}/admin.sock")


class TestDrained:
    """A web host that gets no requests for a while."""

    def drained(self, running: Haproxy, server: str = "web1", timeout: float = 600) -> Drained:
        return Drained("blog", server, timeout, running.path)

    def test_waits_for_the_requests_and_is_ready_again_when_put_back(self, running: Haproxy) -> None:
        running.sessions["web1"] = 3

        def finish_one() -> None:
            running.sessions["web1"] -= 1

        running.on_drain = finish_one
        change = self.drained(running).check()
        assert change is not None
        assert running.told == [], "a check only reads"
        change.apply()
        assert (running.status["web1"], running.sessions["web1"]) == ("DRAIN", 0)
        assert change.undo is not None
        change.undo()
        assert running.status["web1"] == "UP"

    def test_what_a_reload_has_made_haproxy_forget_is_told_again(self, running: Haproxy) -> None:
        running.sessions["web1"] = 1

        def reload() -> None:
            running.sessions["web1"] = 0 if len(running.told) == 3 else 1
            if len(running.told) < 3:
                running.status["web1"] = "UP"

        running.on_drain = reload
        change = self.drained(running).check()
        assert change is not None
        change.apply()
        assert running.status["web1"] == "DRAIN"

    def test_requests_that_take_too_long_are_told_and_waited_for_no_longer(
        self, running: Haproxy, host: LocalHost
    ) -> None:
        running.sessions["web1"] = 2
        outcome = host.converge(self.drained(running, timeout=0))
        assert outcome.results == [("drained web1", "changed")]
        assert outcome.notes == ["web1 still has 2 unfinished requests after 0 s"]

    def test_one_that_a_killed_run_has_left_is_put_back_by_the_next(self, running: Haproxy, host: LocalHost) -> None:
        running.status["web1"] = "DRAIN"
        host.undo(self.drained(running))
        assert running.status["web1"] == "UP"

    def test_one_in_maintenance_stays_so(self, running: Haproxy, host: LocalHost) -> None:
        running.status["web1"] = "MAINT"
        assert host.converge(self.drained(running)).states == ["ok"]
        assert (running.status["web1"], running.told) == ("MAINT", [])

    @pytest.mark.parametrize("other", ["DOWN", "DRAIN", "MAINT"])
    def test_the_last_one_that_serves_goes_on(self, running: Haproxy, host: LocalHost, other: str) -> None:
        running.status["web2"] = other
        outcome = host.converge(self.drained(running))
        assert outcome.states == ["ok"]
        assert outcome.notes == ["web1 is not drained: no other host of blog is serving"]
        assert running.status["web1"] == "UP"

    def test_a_host_that_the_balancer_does_not_know_is_told(self, running: Haproxy, host: LocalHost) -> None:
        outcome = host.converge(self.drained(running, "web9"))
        assert "the balancer has no web9, only web1, web2; `fab provision`" in outcome.error

    def test_a_balancer_that_has_stopped_meanwhile_has_nothing_to_put_back(self, running: Haproxy) -> None:
        change = self.drained(running).check()
        assert change is not None
        change.apply()
        running.stop()
        assert change.undo is not None
        change.undo()


class TestBalancerOf:
    """HAProxy has one configuration, and so one app."""

    @pytest.mark.parametrize(
        "text", [None, "", "global\n    daemon\n", "# blog: written by hostsmith at every provision.\n", "\xff\n"]
    )
    def test_nobodys_and_ones_own_is_taken(self, host: LocalHost, place: Path, text: str | None) -> None:
        if text is not None:
            (place / "haproxy.cfg").write_text(text, encoding="latin-1")
        assert host.converge(BalancerOf("blog", f"{place}/haproxy.cfg")).states == ["ok"]

    def test_that_of_another_app_is_left_alone(self, host: LocalHost, place: Path) -> None:
        (place / "haproxy.cfg").write_text("# shop: written by hostsmith at every provision.\nglobal\n")
        group = Validated("balancer blog", (BalancerOf("blog", f"{place}/haproxy.cfg"),))
        outcome = host.converge(group)
        assert outcome.results == [("balancer blog", "failed")]
        assert "haproxy.cfg belongs to shop, and a balancer has one app; give blog another host" in outcome.error
