"""`fab pending` and `fab plan`: what would come, said of two hosts of which one lags behind, without touching them."""

from __future__ import annotations

import shutil

import pytest

from tests.hosts.conftest import Pair, Project

# Says which files of a host are how; logs and what systemd and the kernel keep are none of ours.
STATE = "find /srv /etc /var/spool -xdev -printf '%p %m %u %g %T@ %l\\n' | sort | sha256sum"


@pytest.fixture
def lagging(pair: Pair) -> Pair:
    """Both have a release of this repository, the first host a newer one."""
    project, first, _ = pair
    project.fab("deploy")
    project.commit("Add a page")
    project.fab("-H", first.spec, "deploy")
    return pair


def test_pending_lists_the_commits_of_each_host_and_of_alike_hosts_once(lagging: Pair) -> None:
    project, first, second = lagging
    new = project.commit("Fix a typo")
    lines = project.fab("pending").stdout.splitlines()
    assert [line for line in lines if line.endswith(":")] == [
        f"{first.address} (live {first.live()[-7:]}):",
        f"{second.address} (live {second.live()[-7:]}):",
    ]
    marked = [line.split(": ")[-1] for line in lines if line.startswith("  +")]
    assert marked == ["Fix a typo", "Fix a typo", "Add a page"]
    assert any(line.startswith(f"  + {new[:7]} ") and " t: " in line for line in lines)
    project.fab("deploy")
    title, text = project.fab("pending").stdout.splitlines()
    assert title == f"{first.address}, {second.address} (live {new[:7]}):"
    assert text == "  nothing is pending"
    assert not any(found["pending"] for found in project.json("pending").values())


def test_pending_tells_that_a_deploy_would_go_back_and_what_it_cannot_know(lagging: Pair) -> None:
    project, first, second = lagging
    text = project.fab("pending", "--revision", "HEAD~1").stdout
    assert "goes back" in text
    assert ": Add a page" in text
    assert "nothing is pending" in text, "of the host that lags behind"
    # Somebody else's clone, which does not have the commit.
    project.git("reset", "--quiet", "--hard", "HEAD~1")
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "--quiet", "--prune=now")
    project.write("hello.py", "not committed")
    text = project.fab("pending").stdout
    assert "`git fetch`" in text
    assert "uncommitted changes" in text
    assert project.json("pending")[second.address]["new"] == []
    assert project.json("pending")[first.address]["unknown"]


def test_a_plan_with_nothing_to_do_is_one_line_and_passes_the_check(pair: Pair) -> None:
    project, first, second = pair
    assert "nothing to do" not in project.fab("plan", "--check", status=3).stdout
    project.fab("provision", "deploy")
    assert project.fab("plan", "--check").stdout == f"{first.address}, {second.address}: nothing to do\n"
    assert not any(found["changes"] for found in project.json("plan").values())


def test_a_plan_tells_commits_configuration_names_of_variables_and_what_provision_would_do(
    lagging: Pair,
) -> None:
    project, first, second = lagging
    roles = {"web": [first.spec, second.spec]}
    project.settings(roles=roles, environment={"KEPT": "kept-value", "GONE": "gone-value", "OTHER": "old-value"})
    project.commit("Settings")
    project.fab("deploy")
    project.settings(
        roles=roles,
        environment={"KEPT": "kept-value", "OTHER": "new\nvalue", "ADDED": "it's $(secret)"},
        workers=7,
        client_max_body_size="77m",
    )
    with (project.folder / "requirements.txt").open("a") as file:
        file.write("# more\n")
    project.commit("Work harder")
    second.run("rm /etc/logrotate.d/hello")
    before = [vps.run(STATE) for vps in (first, second)]
    sessions = [vps.sessions() for vps in (first, second)]
    text = project.fab("plan").stdout
    assert [vps.run(STATE) for vps in (first, second)] == before, "it touches nothing"
    # One that looked at the state, one that counted.
    assert [vps.sessions() for vps in (first, second)] == [number + 3 for number in sessions]
    assert ": Work harder" in text
    assert "+workers = 7" in text
    assert "environment: + ADDED, - GONE, ~ OTHER" in text
    assert "requirements.txt differs" in text
    assert "start    web" in text
    assert "client_max_body_size 77m" in text
    assert "reload nginx" in text
    assert text.count("logrotate.d/hello: created") == 1
    assert "live release" not in text
    document = project.fab("plan", "--json", "--check", status=3)
    for output in (text, document.stdout, document.stderr):
        assert not any(value in output for value in ("-value", "new\nvalue", "secret"))


def test_hosts_that_agree_are_told_once(pair: Pair) -> None:
    project, first, second = pair
    project.fab("provision", "deploy")
    project.commit("Add a page")
    lines = project.fab("plan").stdout.splitlines()
    assert lines[0].startswith(f"{first.address}, {second.address} (live ")
    assert sum(": Add a page" in line for line in lines) == 1
    text = project.fab("plan", "--host", second.spec).stdout
    assert first.address not in text


def test_a_host_that_is_away_is_said_after_the_others_were_shown(pair: Pair) -> None:
    project, first, second = pair
    project.fab("deploy")
    second.sandbox.stop(second.name)
    for task in ("pending", "plan"):
        done = project.fab(task, status=1)
        assert f"{first.address} (live " in done.stdout or f"{first.address}: nothing" in done.stdout
        assert second.address in done.stderr
        assert project.json(task, status=1)[second.address]["error"]


def test_before_the_first_deploy_all_would_be_new(provisioned: Project) -> None:
    assert "everything would be new" in provisioned.fab("pending").stdout
    text = provisioned.fab("plan", "--check", status=3).stdout
    assert "nothing is live" in text
    assert "provision" not in text


def test_a_bare_host_can_be_planned_for(bare_project: Project) -> None:
    text = bare_project.fab("plan").stdout
    assert "nothing is live" in text
    assert "package" in text


def test_a_folder_that_is_not_in_git_is_compared_as_a_whole(deployed: Project) -> None:
    shutil.rmtree(deployed.folder / ".git")
    assert "not in git" in deployed.fab("pending").stdout
    deployed.fab("provision", "deploy")
    assert "nothing is pending" in deployed.fab("pending").stdout
    assert "nothing to do" in deployed.fab("plan", "--check").stdout
    deployed.write("more.py", "")
    assert "not in git" in deployed.fab("plan", "--check", status=3).stdout


def test_an_environment_that_was_edited_on_the_host_is_told_without_its_values(deployed: Project) -> None:
    path = f"/srv/hello/releases/{deployed.live()}/env"
    deployed.vps.run(f"echo EDITED=by-hand >> {path}")
    assert "- EDITED" in deployed.fab("plan").stdout
    deployed.vps.run(f'echo "KEY=\'never-closed" >> {path}')
    done = deployed.fab("plan", status=1)
    assert "deploy again" in done.stderr
    assert not any(value in done.stdout + done.stderr for value in ("by-hand", "never-closed"))


def test_the_commits_of_a_url_are_told_by_a_host_whose_repository_stays_as_it_is(deployed: Project) -> None:
    vps = deployed.vps
    vps.run("git init --quiet --bare --initial-branch=main /srv/code.git")
    push = ["push", "--quiet", "--force", f"ssh://root@{vps.address}/srv/code.git", "HEAD:main"]
    key, known = vps.target.key_filename, vps.target.known_hosts
    deployed.environment["GIT_SSH_COMMAND"] = f"ssh -i {key} -oUserKnownHostsFile={known}"
    deployed.settings(source="file:///srv/code.git")
    deployed.commit("From a URL")
    deployed.git(*push)
    deployed.fab("deploy")
    old = deployed.git("rev-parse", "HEAD").strip()
    assert "nothing is pending" in deployed.fab("pending").stdout
    deployed.commit("Add a page")
    deployed.git(*push)
    before = vps.run(f"{STATE}; git -C /srv/hello/repo.git count-objects -v")
    assert ": Add a page" in deployed.fab("pending").stdout
    assert ": Add a page" in deployed.fab("plan").stdout
    assert vps.run(f"{STATE}; git -C /srv/hello/repo.git count-objects -v") == before
    assert "there is no revision 'nope'" in deployed.fab("pending", "--revision", "nope", status=1).stderr
    # Rewritten: what is live is not of the branch any more, but the host still has it.
    deployed.git("reset", "--quiet", "--hard", f"{old}~1")
    deployed.commit("Another way")
    deployed.git(*push)
    text = deployed.fab("pending").stdout
    assert ": Another way" in text
    assert "goes back" in text
    assert ": From a URL" in text
