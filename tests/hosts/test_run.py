"""`fab run` and `fab logs`: commands on the hosts, and what these write, as if they were one."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.hosts.conftest import Pair, Project, Vps, web_hosts


@pytest.fixture(scope="module")
def pair(boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A project whose role `web` has two hosts, with a release live on each; no test leaves anything behind."""
    for project, first, second in web_hosts(boot, deployed_image, tmp_path_factory.mktemp("pair")):
        project.settings(roles={"web": [first.spec, {"host": second.spec, "primary": True}]})
        project.commit("the second is the primary one")
        yield project, first, second


def lines_of(running: subprocess.Popen[str], wanted: str, times: int = 1) -> list[str]:
    """What a running fab prints, up to the line that has the text for the last of so many times."""
    assert running.stdout is not None
    found = []
    for line in running.stdout:
        found.append(line.rstrip("\n"))
        times -= wanted in line
        if not times:
            return found
    raise AssertionError(f"{wanted!r} did not come\n{found}\n{running.stderr.read() if running.stderr else ''}")


def interrupted(running: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status after Ctrl-C, and what was said on standard error."""
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert "Traceback" not in errors, errors
    return running.returncode, errors


def test_a_command_runs_as_the_app_does_on_every_host(pair: Pair) -> None:
    project, first, second = pair
    done = project.fab("run", "--", 'echo "$(whoami) $PWD $HOME $VIRTUAL_ENV"')
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{vps.address}  hello {release}/code /srv/hello/shared {release}/venv"
        for vps in (first, second)
        for release in [f"/srv/hello/releases/{vps.live()}"]
    )
    assert done.stderr == ""


def test_once_is_the_primary_host_and_output_is_passed_on_byte_by_byte(pair: Pair) -> None:
    project, _, second = pair
    assert project.fab("run", "--once", "--", "hostname").stdout == second.run("hostname")
    second.run("head -c 3000000 /dev/urandom > /srv/hello/shared/noise")
    argv = project.argv("run", "--once", "--", "sh", "-c", "cat ~/noise; echo apart >&2")
    done = subprocess.run(argv, cwd=project.folder, env=project.env(), capture_output=True, check=True)
    digest = second.run("sha256sum < /srv/hello/shared/noise")
    assert subprocess.run(["sha256sum"], input=done.stdout, capture_output=True, check=True).stdout.decode() == digest
    assert done.stderr == b"apart\n"


def test_words_arrive_as_they_were_given(pair: Pair) -> None:
    project, _, _ = pair
    words = ["two  words", "it's", '"', "$HOME", "a;b", "*", "", "--once", "--", "ünï"]
    program = "import sys; print(sys.argv[1:])"
    assert project.fab("run", "--once", "--", "python", "-c", program, *words).stdout == f"{words}\n"


def test_the_exit_status_is_passed_on(pair: Pair) -> None:
    project, first, second = pair
    done = project.fab("run", "--once", "--", "exit 7", status=7)
    assert (done.stdout, done.stderr) == ("", "")
    project.fab("run", "--once", "--", "kill -TERM $$", status=143)
    assert "nonsuch" in project.fab("run", "--once", "--", "nonsuch", status=127).stderr
    second_only = f'case "$(hostname)" in {second.run("hostname").strip()}) exit 3;; esac'
    assert project.fab("run", "--", second_only, status=3).stderr == f"{second.address}: exit status 3\n"
    assert project.fab("run", "--exclude", second.spec, "--", second_only).stderr == ""
    assert first.spec not in project.fab("-H", second.spec, "run", "--", second_only, status=3).stderr


def test_a_host_that_is_away_fails_the_run_after_all_others_have_answered(pair: Pair) -> None:
    project, first, second = pair
    second.sandbox.stop(second.name)
    try:
        for task in (["run", "--", "echo", "here"], ["logs"]):
            done = project.fab(*task, status=1)
            assert first.address in done.stdout
            assert f"{second.spec}: no SSH connection" in done.stderr
    finally:
        second.sandbox.start(second.name)
        second.wait_for_site()


def test_ctrl_c_ends_the_command_on_all_hosts(pair: Pair) -> None:
    project, first, second = pair
    running = project.start("run", "--", "echo begun; sleep 1234 & sleep 1234; echo not this")
    lines_of(running, "begun", times=2)
    status, errors = interrupted(running)
    assert status == 1
    assert "the command has been ended" in errors
    for vps in (first, second):
        assert vps.run("pgrep -f 'sleep 1234$'", ok=False) == ""


def test_an_output_that_is_read_no_further_ends_the_command(pair: Pair) -> None:
    project, first, second = pair
    for task in (["run", "--", "yes"], ["run", "--once", "--", "yes"]):
        running = project.start(*task)
        lines_of(running, "y")
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        with running.stderr as errors:
            assert errors.read() == ""
        running.wait(60)
        for vps in (first, second):
            assert vps.run("pgrep -x yes", ok=False) == ""


def test_a_command_that_leaves_something_behind_is_not_waited_for_longer_than_itself(pair: Pair) -> None:
    project, _, second = pair
    done = project.fab("run", "--once", "--", "sleep 4321 & echo started")
    assert "started" in done.stdout
    # The words stand in no other command line: that of the shell which looks for them has a bracket in it.
    assert len(second.run("pgrep -f '[s]leep 4321$'").split()) == 1
    second.run("pkill -f '[s]leep 4321$'")


def test_without_a_task_the_command_is_fabrics(pair: Pair) -> None:
    project, first, _ = pair
    assert project.fab("-H", first.spec, "--", "whoami").stdout == "root\n"


def test_a_host_without_a_release_says_so(provisioned: Project) -> None:
    assert "no release of hello is live" in provisioned.fab("run", "--", "true", status=1).stderr
    assert provisioned.fab("logs").stdout == ""


def test_logs_of_all_hosts_are_merged_by_time(pair: Pair) -> None:
    project, first, second = pair
    for vps, seconds in ((first, (1, 3, 5)), (second, (2, 4, 6))):
        text = "".join(f"[2031-01-01 00:00:0{n} +0000] line {n}\\ncontinued {n}\\n" for n in seconds)
        vps.run(f"printf '{text}' >> /var/log/hello/web-{vps.live()}.log")
    done = project.fab("logs", "-n", "6")
    expected = []
    for number in range(1, 7):
        address = (second if number % 2 == 0 else first).address
        expected += [
            f"{address}  web | [2031-01-01 00:00:0{number} +0000] line {number}",
            f"{address}  web | continued {number}",
        ]
    assert done.stdout.splitlines() == expected
    alone = project.fab("logs", "--host", first.spec, "-n", "1").stdout
    assert alone == "web | continued 5\n"
    head = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$@" | head -n 1', "-", *project.argv("logs")],
        cwd=project.folder, env=project.env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (head.stdout.count("\n"), head.stderr) == (1, "")


def test_nginx_logs_are_there_on_demand(pair: Pair) -> None:
    project, first, second = pair
    for vps in (first, second):
        vps.http(f"/look-{vps.name}")
    shown = project.fab("logs", "--process", "nginx").stdout
    for vps in (first, second):
        assert f"{vps.address}  nginx | " in shown
        assert f"GET /look-{vps.name}" in shown
    assert (
        "expected one of: web, nginx; did you mean nginx?" in project.fab("logs", "--process", "ngin", status=2).stderr
    )


def test_logs_are_followed_over_a_deploy_and_rotations_in_one_session_a_host(pair: Pair) -> None:
    project, first, second = pair
    for vps in (first, second):
        vps.run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/log.conf && systemctl restart ssh")
    running = project.start("logs", "-f", "-n", "0", "--process", "web,nginx")
    try:
        limit = time.monotonic() + 60
        while (
            running.poll() is None
            and time.monotonic() < limit
            and not all(
                vps.run("pgrep -cf '[p]ython3 -I -c'", ok=False).strip() not in ("", "0") for vps in (first, second)
            )
        ):
            time.sleep(0.1)
        for vps in (first, second):
            # Until it is followed, which only its own lines can tell.
            say = f"while sleep 0.2; do echo up >> /var/log/hello/web-{vps.live()}.log; done"
            vps.run(f"systemd-run --quiet --unit=say sh -c '{say}'")
        for vps in (first, second):
            lines_of(running, f"{vps.address}  web | up")
            vps.run("systemctl stop say")
        project.fab("deploy")
        seen = lines_of(running, "Listening at: unix:", times=2)
        assert {vps.address for vps in (first, second)} == {
            line.split()[0] for line in seen if "Listening at: unix:" in line
        }
        for vps in (first, second):
            vps.run("logrotate --force /etc/logrotate.d/hello && logrotate --force /etc/logrotate.d/nginx")
            vps.run(f"echo rotated >> /var/log/hello/web-{vps.live()}.log")
            vps.http("/after-rotation")
            lines_of(running, f"{vps.address}  web | rotated")
    finally:
        status, errors = interrupted(running)
    assert (status, errors) == (0, "")
