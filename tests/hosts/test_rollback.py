"""What `fab rollback` promises: the newest proven release, whole, in one step, health-gated."""

from __future__ import annotations

import signal
import subprocess

from tests.hosts.conftest import Project


def deploy_with(project: Project, greeting: str, requirements: str) -> str:
    project.settings(environment={"GREETING": greeting}, workers=len(greeting))
    project.write("requirements.txt", requirements)
    project.write(
        "hello.py",
        "import os\nfrom flask import Flask\napp = Flask(__name__)\n"
        "@app.get('/healthz')\ndef healthz():\n    return 'ok'\n"
        f"@app.get('/')\ndef home():\n    return '{greeting} code, ' + os.environ['GREETING'] + ' environment'\n",
    )
    project.commit(greeting)
    project.fab("deploy")
    return project.live()


def test_code_virtualenv_environment_and_process_configuration_go_back_together(deployed: Project) -> None:
    vps = deployed.vps
    one = deploy_with(deployed, "one", "flask\ngunicorn\n")
    two = deploy_with(deployed, "seven77", "flask\ngunicorn\nitsdangerous\nsix\n")
    assert vps.http("/").body == "seven77 code, seven77 environment"
    assert "six" in vps.run("/srv/hello/current/venv/bin/python -m pip list 2>/dev/null")
    done = deployed.fab("rollback")
    assert "migrations are not undone" in done.stdout
    assert deployed.live() == one
    assert vps.http("/").body == "one code, one environment"
    assert "six" not in vps.run("/srv/hello/current/venv/bin/python -m pip list 2>/dev/null")
    # gunicorn's master and its workers, as many as that release was configured with.
    assert vps.run("pgrep -u hello -c gunicorn").strip() == "4"
    rows = {row["id"]: row for row in deployed.releases()}
    assert rows[two]["state"] == "bad"
    assert "rolled back by" in rows[two]["reason"]


def test_it_is_one_session_and_needs_no_network_on_the_host(deployed: Project) -> None:
    first = deployed.live()
    deployed.commit("more")
    deployed.fab("deploy")
    deployed.vps.run("ip route del default && ! timeout 2 getent hosts example.org")
    before = deployed.vps.sessions()
    deployed.fab("rollback")
    assert deployed.vps.sessions() - before == 2  # one of them reads the journal
    assert deployed.live() == first
    assert first in deployed.vps.http("/").body


def test_failed_and_bad_releases_are_no_way_back(deployed: Project) -> None:
    first = deployed.live()
    deployed.commit("second")
    deployed.fab("deploy")
    deployed.settings(health={"path": "/healthz", "timeout": 2})
    deployed.write("hello.py", "raise SystemExit(1)\n")
    deployed.commit("crash")
    deployed.fab("deploy", status=1)
    deployed.fab("rollback")
    assert deployed.live() == first
    refused = deployed.fab("rollback", status=1)
    assert "no proven release before" in refused.stderr
    assert deployed.live() == first


def test_to_a_release_that_is_named(deployed: Project) -> None:
    first = deployed.live()
    for message in ("second", "third"):
        deployed.commit(message)
        deployed.fab("deploy")
    third = deployed.live()
    deployed.fab("rollback", "--to", first)
    assert deployed.live() == first
    deployed.fab("rollback", "--to", third)
    assert deployed.live() == third
    assert "there is no release 'nope'" in deployed.fab("rollback", "--to", "nope", status=1).stderr


def test_a_release_that_is_not_well_any_more_does_not_go_live(deployed: Project) -> None:
    first = deployed.live()
    deployed.commit("second")
    deployed.fab("deploy")
    second = deployed.live()
    deployed.vps.run(f"echo 'raise SystemExit(1)' > /srv/hello/releases/{first}/code/hello.py")
    deployed.settings(health={"path": "/healthz", "timeout": 2})
    deployed.fab("rollback", status=1)
    assert deployed.live() == second
    assert second in deployed.vps.http("/").body


def test_no_request_fails_through_three_deploys_and_two_rollbacks(deployed: Project) -> None:
    """wrk keeps 32 connections busy all the while; it counts answers that are no 2xx or 3xx, and socket errors."""
    argv = ["wrk", "--threads", "2", "--connections", "32", "--duration", "600s", f"http://{deployed.vps.address}/"]
    load = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    for number in range(3):
        deployed.commit(f"revision {number}")
        deployed.fab("deploy")
    deployed.fab("rollback")
    deployed.fab("rollback")
    enough = "[ $(wc -l < /var/log/nginx/hello.access.log) -ge 50000 ]"
    deployed.vps.run(f"for i in $(seq 3000); do {enough} && exit 0; sleep 0.1; done; exit 1")
    # It then tells what it has seen.
    load.send_signal(signal.SIGINT)
    report, _ = load.communicate(timeout=60)
    assert "Non-2xx" not in report, report
    assert "Socket errors" not in report, report
    assert " requests in " in report, report
