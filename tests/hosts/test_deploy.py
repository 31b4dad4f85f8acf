"""What `fab deploy` promises: health-gated, all or nothing, and the old release untouched until the switch."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.hosts.conftest import Project

CRASH = 'raise RuntimeError("boom at import")\n'


def test_first_deploy_serves_the_release_it_names(provisioned: Project) -> None:
    done = provisioned.fab("deploy")
    release = provisioned.live()
    assert f"release {release} is live" in done.stdout
    answer = provisioned.vps.http("/")
    assert answer.status == 200
    assert release in answer.body


def test_a_release_carries_code_environment_and_configuration(provisioned: Project) -> None:
    provisioned.settings(environment={"GREETING": 'it\'s $HOME "quoted"\nand two lines'})
    provisioned.commit("settings")
    provisioned.fab("deploy")
    vps, folder = provisioned.vps, f"/srv/hello/releases/{provisioned.live()}"
    env = vps.infra.file(f"{folder}/env")
    assert (env.mode, env.user, env.group) == (0o640, "root", "hello")
    pid = vps.run("pgrep -u hello -o gunicorn").strip()
    variables = dict(
        pair.split("=", 1) for pair in vps.run(f"cat /proc/{pid}/environ").strip("\0").split("\0") if "=" in pair
    )
    assert variables["GREETING"] == 'it\'s $HOME "quoted"\nand two lines'
    assert variables["HOSTSMITH_RELEASE"] == provisioned.live()
    listing = vps.run(f"ls {folder}").split()
    assert {"code", "venv", "env", "gunicorn.conf.py", "supervisor.conf", "start", "release.json"} <= set(listing)


def test_the_app_cannot_write_its_code_virtualenv_or_configuration(deployed: Project) -> None:
    find = "cd / && runuser -u hello -- find /srv/hello /etc/nginx /etc/supervisor -writable -not -type l"
    # What it may not even look into, find complains about.
    writable = deployed.vps.run(f"{find} 2>/dev/null || true").split()
    assert "/srv/hello/shared" in writable
    release = f"/srv/hello/releases/{deployed.live()}"
    assert all(path.startswith(("/srv/hello/shared", f"{release}/run")) for path in writable), writable


def test_a_crash_at_import_leaves_the_old_release_and_shows_the_log(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("hello.py", CRASH)
    deployed.commit("crash")
    done = deployed.fab("deploy", status=1)
    assert "boom at import" in done.stdout
    assert deployed.live() == old
    assert old in deployed.vps.http("/").body
    failed = deployed.releases()[-1]
    assert (failed["state"], failed["subject"]) == ("failed", "crash")
    assert deployed.vps.run("supervisorctl status").count("RUNNING") == 1


def test_an_unhealthy_release_is_given_up_when_its_time_is_up(deployed: Project) -> None:
    old = deployed.live()
    deployed.settings(health={"path": "/missing", "timeout": 1})
    deployed.commit("no health page")
    done = deployed.fab("deploy", status=1)
    assert "GET /missing answered 404, expected 200-299" in done.stdout
    assert deployed.live() == old
    assert deployed.vps.http("/").status == 200


def test_the_health_page_is_asked_with_the_sites_own_name(deployed: Project) -> None:
    deployed.write(
        "hello.py",
        "from flask import Flask, abort, request\napp = Flask(__name__)\n"
        "@app.get('/healthz')\ndef healthz():\n"
        "    return 'ok' if request.host == 'www.hello.example' else abort(400)\n",
    )
    deployed.settings(domains=["www.hello.example"])
    deployed.commit("picky about hosts")
    deployed.fab("provision", "deploy")
    assert deployed.vps.http("/healthz", host="www.hello.example").status == 200


def test_the_release_command_runs_once_before_the_switch(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("Procfile", "web: gunicorn hello:app\nrelease: readlink /srv/hello/current >> ~/migrated\n")
    deployed.commit("migrate")
    deployed.fab("deploy")
    assert deployed.vps.run("cat /srv/hello/shared/migrated").split() == [f"releases/{old}"]
    assert deployed.vps.infra.file("/srv/hello/shared/migrated").user == "hello"


def test_a_failing_release_command_changes_nothing_that_is_live(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("Procfile", "web: gunicorn hello:app\nrelease: echo the database is away >&2; exit 3\n")
    deployed.commit("migrate")
    done = deployed.fab("deploy", status=1)
    assert "the database is away" in done.stdout
    assert deployed.live() == old
    assert old in deployed.vps.http("/").body


def test_a_worker_that_dies_keeps_the_release_from_going_live(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("Procfile", "web: gunicorn hello:app\nworker: python -c 'raise SystemExit(\"no queue\")'\n")
    deployed.commit("a worker")
    done = deployed.fab("deploy", status=1)
    assert "no queue" in done.stdout
    assert deployed.live() == old


def test_unchanged_requirements_build_no_virtualenv(deployed: Project) -> None:
    before = deployed.vps.run("ls /srv/hello/venvs")
    deployed.commit("nothing new")
    deployed.fab("deploy")
    assert deployed.vps.run("ls /srv/hello/venvs") == before
    links = deployed.vps.run("readlink /srv/hello/releases/*/venv").split()
    assert len(links) == 2
    assert len(set(links)) == 1


def test_requirements_that_do_not_resolve_say_so_in_pips_words(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("requirements.txt", "flask\nthere-is-no-such-package-9x==1\n")
    deployed.commit("impossible")
    done = deployed.fab("deploy", status=1)
    assert "there-is-no-such-package-9x" in done.stdout
    assert deployed.live() == old


def test_a_dirty_tree_is_refused_unless_asked_for(deployed: Project) -> None:
    old = deployed.live()
    deployed.write("hello.py", (deployed.folder / "hello.py").read_text() + "\n# not committed\n")
    done = deployed.fab("deploy", status=1)
    assert "hello.py" in done.stderr
    assert "--dirty" in done.stderr
    assert deployed.live() == old
    deployed.fab("deploy", "--dirty")
    assert deployed.live().endswith("-dirty")
    assert "# not committed" in deployed.vps.run("cat /srv/hello/current/code/hello.py")


def test_a_revision_is_deployed_as_it_was(deployed: Project) -> None:
    first = deployed.git("rev-parse", "HEAD").strip()
    deployed.write("new.txt", "new\n")
    deployed.commit("more")
    deployed.fab("deploy")
    assert "new.txt" in deployed.vps.run("ls /srv/hello/current/code")
    deployed.fab("deploy", "--revision", first[:10])
    assert "new.txt" not in deployed.vps.run("ls /srv/hello/current/code")
    assert deployed.releases()[-1]["revision"] == first


def test_a_host_pulls_from_a_repository_url(deployed: Project) -> None:
    vps = deployed.vps
    vps.run("git init --quiet --bare /opt/hello.git")
    ssh = f"ssh -i {vps.target.key_filename} -oUserKnownHostsFile={vps.target.known_hosts}"
    deployed.environment["GIT_SSH_COMMAND"] = ssh
    deployed.git("push", "--quiet", f"root@{vps.address}:/opt/hello.git", "HEAD:refs/heads/main")
    vps.run("git -C /opt/hello.git symbolic-ref HEAD refs/heads/main")
    deployed.settings(source="file:///opt/hello.git")
    deployed.fab("deploy")
    assert deployed.releases()[-1]["revision"] == deployed.git("rev-parse", "HEAD").strip()
    assert deployed.live() in vps.http("/").body
    done = deployed.fab("deploy", "--revision", "gone", status=1)
    assert "there is no revision 'gone' in the repository; it has main" in done.stderr


def make_private_repository(project: Project) -> None:
    """Make git@localhost:hello.git on the host, with the project in it, which nobody's key opens yet."""
    vps = project.vps
    vps.run("useradd --create-home git && git init --quiet --bare /home/git/hello.git")
    vps.run("install -d -o git -m 700 /home/git/.ssh")
    ssh = f"ssh -i {vps.target.key_filename} -oUserKnownHostsFile={vps.target.known_hosts}"
    project.environment["GIT_SSH_COMMAND"] = ssh
    project.git("push", "--quiet", f"root@{vps.address}:/home/git/hello.git", "HEAD:refs/heads/main")
    vps.run("git -C /home/git/hello.git symbolic-ref HEAD refs/heads/main && chown -R git: /home/git")


def test_a_private_repository_works_with_the_deploy_key_that_provision_shows(deployed: Project) -> None:
    vps = deployed.vps
    make_private_repository(deployed)
    deployed.settings(source="git@localhost:hello.git")
    shown = deployed.fab("provision").stdout
    (key,) = [line.strip() for line in shown.splitlines() if "ssh-ed25519" in line]
    refused = deployed.fab("deploy", status=1)
    assert key in refused.stderr
    vps.run("install -o git -m 600 /dev/stdin /home/git/.ssh/authorized_keys", stdin=key + "\n")
    deployed.fab("deploy")
    assert deployed.live() in vps.http("/").body
    assert "ssh-ed25519" not in deployed.fab("provision").stdout


def test_a_private_repository_works_by_agent_forwarding(deployed: Project, tmp_path: Path) -> None:
    vps = deployed.vps
    make_private_repository(deployed)
    key = tmp_path / "mine"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    vps.run("install -o git -m 600 /dev/stdin /home/git/.ssh/authorized_keys", stdin=public)
    deployed.settings(source="git@localhost:hello.git", forward_agent=True)
    started = subprocess.run(["ssh-agent", "-s", "-a", tmp_path / "agent"], check=True, capture_output=True, text=True)
    agent = int(re.search(r"SSH_AGENT_PID=(\d+)", started.stdout).group(1))
    try:
        deployed.environment["SSH_AUTH_SOCK"] = str(tmp_path / "agent")
        subprocess.run(["ssh-add", "-q", key], env=deployed.env(), check=True)
        deployed.fab("deploy")
    finally:
        os.kill(agent, signal.SIGTERM)
    assert deployed.live() in vps.http("/").body


def test_a_deploy_is_one_session_on_the_host(deployed: Project) -> None:
    before = deployed.vps.sessions()
    deployed.fab("deploy")
    # One of the two is ours, which reads the journal.
    assert deployed.vps.sessions() - before == 2


def test_only_so_many_releases_stay_and_failed_ones_do_not_crowd_out_good_ones(deployed: Project) -> None:
    deployed.settings(keep_releases=2, requirements=[])
    deployed.write("hello.py", "def app(e, s):\n    s('200 OK', [])\n    return [b'ok']\n")
    deployed.commit("plain")
    deployed.fab("deploy")
    good = deployed.live()
    deployed.write("hello.py", CRASH)
    deployed.commit("crash")
    for _ in range(3):
        deployed.fab("deploy", status=1)
    deployed.git("revert", "--no-edit", "HEAD")
    deployed.fab("deploy")
    rows = deployed.releases()
    assert [row["state"] for row in rows] == ["proven", "failed", "live"]
    assert rows[0]["id"] == good
    # The virtualenv of the release that went has gone with it.
    assert len(deployed.vps.run("ls /srv/hello/venvs").split()) == 1


def test_a_host_that_is_not_provisioned_says_so(bare_project: Project) -> None:
    done = bare_project.fab("deploy", status=1)
    assert "run `fab provision`" in done.stderr
