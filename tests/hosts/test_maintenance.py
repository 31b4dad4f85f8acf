"""What maintenance promises: no request is lost at its beginning and end, and a deploy goes live behind it."""

from __future__ import annotations

import contextlib
import html
import http.client
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.load import Load


@pytest.fixture(scope="module")
def running(
    boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(deployed_image)
    project = make_project(tmp_path_factory.mktemp("maintenance"), vps)
    project.settings(workers=1, drain_timeout=2, health={"path": "/healthz", "timeout": 20})
    project.commit("settings")
    vps.wait_for_site()
    yield project
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def site(running: Project) -> Iterator[Project]:
    """A site that is not in maintenance."""
    yield running
    running.fab("maintenance.off")


@contextlib.contextmanager
def visitors(address: str) -> Iterator[Load]:
    """Visitors with a connection each, which they keep; what counts for them is that there is an answer."""
    own, opened = threading.local(), []

    def visit() -> tuple[int, str]:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address, timeout=30)
            opened.append(own.connection)
        own.connection.request("GET", "/")
        answer = own.connection.getresponse()
        answer.read()
        return 200, f"{answer.status} retry {answer.getheader('Retry-After')}"

    with Load(address, connections=16, visit=visit) as load:
        yield load
    for connection in opened:
        connection.close()


def seen_by_others(vps: Vps, path: str = "/") -> str:
    """The first line of what a client gets whose address is not this machine's: the host's own, by its network."""
    ask = f"import http.client as h; c = h.HTTPConnection('{vps.address}'); c.request('GET', '{path}')"
    return vps.run(f'python3 -c "{ask}; print(c.getresponse().status)"').strip()


def test_no_request_is_lost_at_the_beginning_and_the_end(site: Project) -> None:
    with visitors(site.vps.address) as load:
        load.wait_for(200)
        site.fab("maintenance.on", "--retry-after", "120")
        load.wait_for_everybody()
        before = load.answers
        load.wait_for(200)
        during = load.answers - before
        site.fab("maintenance.off")
        load.wait_for_everybody()
        before = load.answers
        load.wait_for(200)
        after = load.answers - before
    assert load.failed == []
    assert (set(during), set(after)) == ({"503 retry 120"}, {"200 retry None"})


def test_the_message_is_shown_as_text_whatever_is_in_it(site: Project) -> None:
    message = """<script>alert("it's $uri")</script> & ${HOME} {{ app }} %s `id`\nüber ☃"""
    site.fab("maintenance.on", "--message", message)
    page = site.vps.http("/some/page")
    assert (page.status, page.headers["retry-after"]) == (503, "600")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert f"<p>{html.escape(message)}</p>" in page.body.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    # Forms and static files, too; and there is no page of that kind to be asked for.
    assert site.vps.http("/", body="a=b").status == 503
    (static,) = [path.name for path in (site.folder / "static").iterdir()][:1]
    assert site.vps.http(f"/static/{static}").status == 503
    assert site.vps.http("/.hostsmith/maintenance").status == 404


def test_a_page_of_the_projects_own_is_shown(site: Project) -> None:
    site.write("templates/nginx/maintenance.html.j2", "<p>ours: {{ message | e }}</p>\n")
    site.fab("maintenance.on", "--message", "a & b")
    (site.folder / "templates/nginx/maintenance.html.j2").unlink()
    assert site.vps.http("/").body == "<p>ours: a &amp; b</p>\n"


def test_allowed_addresses_see_the_app_and_all_others_the_page(site: Project) -> None:
    here = site.vps.address.rpartition(".")[0] + ".1"
    site.fab("maintenance.on", "--allow", f"2001:db8::1,{here}")
    assert (site.vps.http("/").status, seen_by_others(site.vps)) == (200, "503")
    # Who else is allowed takes the place of who was.
    site.fab("maintenance.on", "--allow", f"192.0.2.0/24,{site.vps.address}")
    assert (site.vps.http("/").status, seen_by_others(site.vps)) == (503, "200")


def test_deploy_rollback_and_provision_go_on_behind_it_and_status_tells_of_it(site: Project) -> None:
    old = site.live()
    site.fab("maintenance.on", "--allow", site.vps.address)
    site.commit("new")
    site.fab("deploy", "provision")
    new = site.live()
    assert new != old
    assert site.vps.http("/").status == 503
    site.fab("rollback")
    assert (site.live(), site.vps.http("/").status) == (old, 503)
    assert "is in maintenance since" in site.fab("status").stdout
    (answer,) = site.json("status").values()
    assert answer["maintenance"].keys() == {"since", "who", "message"}
    assert answer["drift"] == []
    # The same again is no news.
    assert site.json("maintenance.on", "--allow", site.vps.address)["hosts"][0]["counts"]["changed"] == 0
    site.fab("maintenance.off")
    assert old in site.vps.http("/").body
    assert "maintenance" not in site.fab("status").stdout


def test_a_reboot_does_not_end_it(site: Project) -> None:
    site.fab("maintenance.on", "--retry-after", "77")
    site.vps.sandbox.stop(site.vps.name)
    site.vps.sandbox.start(site.vps.name)
    # To the host itself the app is what it is without maintenance.
    site.vps.wait_for_site()
    answer = site.vps.http("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "77")


def test_all_hosts_are_in_maintenance_or_none(site: Project, boot: Callable[..., Vps]) -> None:
    other = boot()
    hosts = ["-H", f"{site.vps.spec},{other.spec}"]
    site.works_on({}, other)
    # The other one was never provisioned: nobody there would look for the page.
    done = site.fab(*hosts, "maintenance.on", status=1)
    site.names_hosts = True
    other.sandbox.destroy(other.name)
    assert "run `fab provision`" in done.stdout
    assert site.vps.http("/").status == 200
