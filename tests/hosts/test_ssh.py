"""What hostsmith promises of SSH: host keys are checked, and root is reached whichever way the host allows."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.hosts.conftest import FAB, Project


def known_hosts(project: Project) -> str:
    return (project.home / ".ssh" / "known_hosts").read_text()


def test_a_new_hosts_key_is_accepted_once_shown_and_remembered(provisioned: Project) -> None:
    (provisioned.home / ".ssh" / "known_hosts").write_text("# mine\n")
    first = provisioned.fab("status")
    assert f"{provisioned.vps.address}: new host; its key" in first.stderr
    assert "SHA256:" in first.stderr
    assert known_hosts(provisioned).startswith("# mine\n")
    second = provisioned.fab("status")
    assert second.stderr == ""


def test_a_changed_host_key_is_a_hard_error(provisioned: Project) -> None:
    vps = provisioned.vps
    (provisioned.home / ".ssh" / "known_hosts").write_text("")
    provisioned.fab("status")
    vps.run("rm /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl restart ssh")
    before = known_hosts(provisioned)
    refused = provisioned.fab("provision", status=1)
    assert "key has CHANGED" in refused.stderr
    assert f"ssh-keygen -R {vps.address}" in refused.stderr
    assert known_hosts(provisioned) == before


def test_a_host_of_several_keys_is_known_by_any_of_them(provisioned: Project) -> None:
    provisioned.vps.run("ssh-keygen -A && systemctl restart ssh")
    for kind in ("rsa", "ecdsa", "ed25519"):
        key = provisioned.vps.run(f"cat /etc/ssh/ssh_host_{kind}_key.pub")
        (provisioned.home / ".ssh" / "known_hosts").write_text(f"{provisioned.vps.address} {key}")
        assert provisioned.fab("status").stderr == ""


def test_any_kind_of_key_opens(provisioned: Project, tmp_path: Path) -> None:
    vps = provisioned.vps
    for kind in ("rsa", "ecdsa", "ed25519"):
        key = tmp_path / kind
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", kind, "-f", key], check=True)
        vps.run("cat >> /root/.ssh/authorized_keys", stdin=Path(f"{key}.pub").read_text())
        argv = [str(FAB), "-i", str(key), "-H", vps.spec, "ps"]
        done = subprocess.run(argv, cwd=provisioned.folder, env=provisioned.env(), capture_output=True, text=True)
        assert done.returncode == 0, f"{kind}: {done.stderr}"


@pytest.fixture
def user(deployed: Project) -> Project:
    """The project, logging in as a user who is not root."""
    vps = deployed.vps
    vps.run(
        "useradd --create-home --shell /bin/bash dev && echo dev:s3cret-word | chpasswd"
        " && install -d -o dev -m 700 /home/dev/.ssh"
        " && install -o dev -m 600 /root/.ssh/authorized_keys /home/dev/.ssh/"
    )
    vps.user = "dev"
    return deployed


def test_a_user_with_passwordless_sudo_does_it_all(user: Project) -> None:
    user.vps.run("echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev")
    user.commit("by a user")
    user.fab("provision", "deploy", "rollback")
    assert user.live() in user.vps.http("/").body


def test_a_user_whose_sudo_wants_a_password_is_told_how_to_give_it(user: Project) -> None:
    user.vps.run("echo 'dev ALL=(ALL) ALL' > /etc/sudoers.d/dev")
    assert "--prompt-for-sudo-password" in user.fab("status", status=1).stderr


def test_a_user_whose_sudo_wants_a_password_types_it_once(user: Project) -> None:
    user.vps.run("echo 'dev ALL=(ALL) ALL' > /etc/sudoers.d/dev")
    # What is live is asked as root below.
    user.settings(hardening={"ssh": False})
    user.commit("with a password")
    status, screen = on_a_terminal(user, "s3cret-word", "--prompt-for-sudo-password", "provision", "deploy")
    assert status == 0, screen
    assert "s3cret-word" not in screen
    user.vps.user = "root"
    assert user.live() in user.vps.http("/").body


def test_a_wrong_sudo_password_says_so(user: Project) -> None:
    user.vps.run("echo 'dev ALL=(ALL) ALL' > /etc/sudoers.d/dev")
    status, screen = on_a_terminal(user, "wrong", "--prompt-for-sudo-password", "status")
    assert status == 1
    assert "sudo does not accept the password" in screen


def test_a_user_without_sudo_is_told_what_is_missing(user: Project) -> None:
    assert "the user may not use sudo" in on_a_terminal(user, "s3cret-word", "--prompt-for-sudo-password", "status")[1]


def test_a_user_who_may_not_log_in_is_told_in_the_hosts_words(user: Project) -> None:
    user.vps.run("usermod --shell /usr/sbin/nologin dev")
    assert "This account is currently not available." in user.fab("status", status=1).stderr


def test_a_host_that_does_not_answer_is_named_with_the_reason(provisioned: Project) -> None:
    provisioned.vps.sandbox.stop(provisioned.vps.name)
    done = provisioned.fab("status", status=1)
    assert f"{provisioned.vps.address}: no SSH connection" in done.stderr
    provisioned.vps.sandbox.start(provisioned.vps.name)


def test_a_host_that_is_silent_costs_the_connect_timeout(provisioned: Project) -> None:
    provisioned.vps.hide()
    done = provisioned.fab("--connect-timeout", "1", "status", status=1)
    assert f"{provisioned.vps.address}: no SSH connection: no answer within 1 s" in done.stderr


def on_a_terminal(project: Project, typed: str, *arguments: str) -> tuple[int, str]:
    """Run fab on a pseudo-terminal and type one line when it asks for a password.

    :returns: exit status, and all that was on the screen.
    """
    main, child = pty.openpty()
    argv = [*project.argv()[:5], *arguments]
    process = subprocess.Popen(
        argv, cwd=project.folder, env=project.env(), stdin=child, stdout=child, stderr=child, start_new_session=True
    )
    os.close(child)
    screen = b""
    asked = False
    while True:
        try:
            data = os.read(main, 4096)
        except OSError:
            break
        screen += data
        if not asked and b"password" in screen:
            asked = True
            os.write(main, typed.encode() + b"\n")
    os.close(main)
    return process.wait(), screen.decode("utf-8", "replace")
