"""What a run that is cut off leaves behind: a host that is wholly on the old release, and free for the next run."""

from __future__ import annotations

import signal

import pytest

from tests.hosts.conftest import Project

FREE = (
    "for i in $(seq 300); do flock --nonblock /run/hostsmith.lock true && exit 0; sleep 0.1; done;"
    " cat /run/hostsmith.lock; exit 1"
)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
@pytest.mark.parametrize("phase", ["release command", "start-up"])
def test_a_deploy_that_is_cut_off(deployed: Project, signum: signal.Signals, phase: str) -> None:
    vps, old = deployed.vps, deployed.live()
    if phase == "release command":
        deployed.write("Procfile", "web: gunicorn hello:app\nrelease: touch ~/here && sleep 600\n")
    else:
        deployed.write("hello.py", "import os, time\nopen(os.path.expanduser('~/here'), 'w')\ntime.sleep(5)\n")
    deployed.commit("slow")
    running = deployed.start("deploy")
    vps.wait_for_file("/srv/hello/shared/here")
    running.send_signal(signum)
    out, errors = running.communicate(timeout=60)
    assert running.returncode != 0
    if signum == signal.SIGINT:
        assert "interrupted; what was half-way has been put back" in errors, out + errors
        assert "Traceback" not in errors
    vps.run(FREE)
    assert deployed.live() == old
    assert deployed.releases()[-1]["state"] == "failed"
    assert old in vps.http("/").body
    assert vps.run("supervisorctl status | wc -l").strip() == "1"
    deployed.git("revert", "--no-edit", "HEAD")
    deployed.fab("deploy")
    assert deployed.live() in vps.http("/").body


def test_a_power_cut_while_a_release_starts_comes_back_on_the_old_one(deployed: Project) -> None:
    vps, old = deployed.vps, deployed.live()
    deployed.write("hello.py", "import os, time\nopen(os.path.expanduser('~/here'), 'w')\ntime.sleep(600)\n")
    deployed.commit("slow")
    running = deployed.start("deploy")
    vps.wait_for_file("/srv/hello/shared/here")
    vps.sandbox.kill(vps.name)
    running.kill()
    running.communicate()
    vps.sandbox.start(vps.name)
    vps.wait_for_site()
    assert old in vps.http("/").body
    # Nothing of the release that was being tried runs.
    assert vps.run("supervisorctl status | wc -l").strip() == "1"
    deployed.git("revert", "--no-edit", "HEAD")
    deployed.fab("deploy")
    assert deployed.live() in vps.http("/").body
