"""What a host comes back with when its power was cut: a release and a configuration that serve, each wholly one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.slow import assert_serves, make_slow, reach, slow
from tests.hosts.tracing import traced


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(provisioned_image)
    project = make_project(tmp_path_factory.mktemp("reboot"), vps)
    make_slow(project)
    project.fab("deploy")
    yield project
    vps.sandbox.destroy(vps.name)


def cut_power(project: Project, task: str, step: str) -> None:
    """Cut the host's power amid a step of a task, and let it boot."""
    vps = project.vps
    with slow(project, step):
        running = project.start(task)
        reach(project)
        vps.sandbox.kill(vps.name)
        running.kill()
        running.communicate()
        vps.sandbox.start(vps.name)
    vps.wait_for_site()


@pytest.mark.parametrize("step", ["start", "switch"], ids=["before the switch", "after the switch"])
def test_a_power_cut_while_a_release_goes_live_comes_back_on_the_old_one(project: Project, step: str) -> None:
    old = project.live()
    cut_power(project, "deploy", step)
    assert_serves(project, old)
    assert "a run was cut off; the next one first reverts: live release" in project.fab("status").stdout
    done = project.fab("deploy")
    assert "rolled back a change of an interrupted run: live release" in done.stdout
    assert_serves(project, project.live())
    assert [row["state"] for row in project.releases()][-2:] == ["failed", "live"]
    assert "cut off" not in project.fab("status").stdout


def test_a_power_cut_before_the_configuration_was_checked_comes_back_with_the_old_one(project: Project) -> None:
    vps, live = project.vps, project.live()
    before = vps.run("cat /etc/nginx/sites-available/hello")
    # nginx would not start with it, and nobody would be there to put it back.
    project.write("templates/nginx/site.conf.j2", "server { listen 80; bogus on; }\n")
    cut_power(project, "provision", "check")
    assert_serves(project, live)
    assert vps.run("cat /etc/nginx/sites-available/hello") == before
    (project.folder / "templates/nginx/site.conf.j2").unlink()
    done = project.fab("provision")
    assert "rolled back a change of an interrupted run: /etc/nginx/sites-available/hello" in done.stdout
    assert "reload nginx" in done.stdout, "it was owed"
    project.fab("provision", "--check")
    assert vps.run("ls /etc/tmpfiles.d") == ""


def test_at_rest_a_power_cut_and_a_reboot_come_back_on_the_live_release(project: Project) -> None:
    vps, live = project.vps, project.live()
    for stop in (vps.sandbox.kill, vps.sandbox.stop):
        stop(vps.name)
        vps.sandbox.start(vps.name)
        vps.wait_for_site()
        assert_serves(project, live)


def test_what_goes_live_is_on_the_disk_before_it_is_said_to_be_whole(project: Project) -> None:
    """What the kernel still holds back would be empty files after a power cut; nothing here can take that from it."""
    project.write("requirements.txt", (project.folder / "requirements.txt").read_text() + "# another virtualenv\n")
    project.commit("requirements")
    with traced(project.vps, "execve", "/^rename", "syncfs") as calls:
        project.fab("deploy")

    def last(what: str, before: int | None = None) -> int:
        return max(place for place, call in enumerate(calls[:before]) if what in call)

    whole, live = last(".hostsmith-complete"), last('"current"')
    assert last("/bin/uv", whole) < last("syncfs", whole) < whole
    assert max(last("read-tree", live), last("gunicorn.conf.py", live)) < last("syncfs", live) < live
