"""In an attacker's shoes: somebody between a controller and its hosts, and another user of either machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project
from tests.hosts.tracing import traced

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def host(boot: Callable[..., Vps]) -> Iterator[Vps]:
    vps = boot()
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(host: Vps, tmp_path: Path) -> Project:
    """A project whose user has never met the host."""
    found = make_project(tmp_path, host)
    (found.home / ".ssh" / "known_hosts").unlink()
    return found


def key_of(host: Vps) -> str:
    """The key that the host shows: in these tests, that of somebody who stands in its place."""
    return Path(host.target.known_hosts).read_text().split(maxsplit=1)[1].strip()


def new_key(folder: Path) -> str:
    """A key that is not the one that is shown: in these tests, that of the real host, or of an authority."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "other"], check=True)
    return " ".join((folder / "other.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    ("options", "files", "why"),
    [
        ("", {"known_hosts": "@revoked * KEY"}, "revoked"),
        ("", {"known_hosts": "@revoked * KEY\nHOST KEY"}, "revoked"),
        ("", {"known_hosts": "HOST KEY\n  @revoked HOST KEY"}, "revoked"),
        ("", {"known_hosts2": "HOST OTHER"}, "CHANGED"),
        ("", {"known_hosts": "@cert-authority * OTHER"}, "@cert-authority"),
        ("UserKnownHostsFile ~/.ssh/work", {"work": "HOST OTHER"}, "CHANGED"),
        ("UserKnownHostsFile ~/.ssh/a ~/.ssh/b", {"b": "HOST OTHER"}, "CHANGED"),
        ('UserKnownHostsFile "~/.ssh/w o r k"', {"w o r k": "HOST OTHER"}, "CHANGED"),
        ("GlobalKnownHostsFile ~/.ssh/all", {"all": "HOST OTHER"}, "CHANGED"),
        ("StrictHostKeyChecking yes", {}, "StrictHostKeyChecking"),
        ("HostKeyAlias web1\nStrictHostKeyChecking yes", {"known_hosts": "HOST KEY"}, "web1"),
        ("HostKeyAlias web1", {"known_hosts": "web1 OTHER"}, "CHANGED"),
        ("RevokedHostKeys ~/.ssh/revoked", {"revoked": "KEY"}, "revoked"),
        ("RevokedHostKeys ~/.ssh/not-there", {}, "RevokedHostKeys"),
        ("KnownHostsCommand /bin/echo", {}, "KnownHostsCommand"),
        ("HostKeyAlgorithms ecdsa-sha2-nistp521", {}, "host key"),
        ("HostKeyAlgorithms sk-ssh-ed25519@openssh.com", {}, "HostKeyAlgorithms"),
        ("Include ~/.ssh/more", {"more": "Host *\n StrictHostKeyChecking yes"}, "StrictHostKeyChecking"),
        ("Match final\nStrictHostKeyChecking yes", {}, "StrictHostKeyChecking"),
        ("NoSuchOption yes", {}, "nosuchoption"),
    ],
)
def test_a_host_that_ssh_would_refuse_is_refused(
    project: Project, tmp_path: Path, options: str, files: dict[str, str], why: str
) -> None:
    ssh = project.home / ".ssh"
    values = {"KEY": key_of(project.vps), "OTHER": new_key(tmp_path), "HOST": project.vps.address, "~": project.home}
    for name, text in {"config": options, **files}.items():
        for word, value in values.items():
            text = text.replace(word, str(value))
        (ssh / name).write_text(f"{text}\n")
    refused = project.fab("provision", "--dry-run", status=1)
    assert why in refused.stderr
    assert "a new host" not in refused.stderr
    assert {path.name for path in ssh.iterdir()} == {"config", *files}


TOKEN = "tok-9qLm4RtYwZ"  # noqa: S105
# What serves a repository to those who know the token: git's "dumb" protocol is a folder of files.
_SERVER = """
import base64, functools, http.server, sys
login = "Basic " + base64.b64encode(sys.argv[1].encode()).decode()
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") == login:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()
        self.wfile.write(f"no access, {login}, {sys.argv[1]}".encode())
handler = functools.partial(Handler, directory="/opt/git")
http.server.ThreadingHTTPServer(("127.0.0.1", 8199), handler).serve_forever()
"""


@pytest.fixture(scope="module")
def pulled(
    boot: Callable[..., Vps], provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project that its host pulls from a server that asks for a token."""
    vps = boot(provisioned_image)
    provisioned = make_project(tmp_path_factory.mktemp("pulled"), vps)
    vps.run("git init --quiet --bare /opt/git/hello.git")
    ssh = f"ssh -i {vps.target.key_filename} -oUserKnownHostsFile={vps.target.known_hosts}"
    provisioned.environment["GIT_SSH_COMMAND"] = ssh
    provisioned.git("push", "--quiet", f"root@{vps.address}:/opt/git/hello.git", "HEAD:refs/heads/main")
    vps.run("git -C /opt/git/hello.git symbolic-ref HEAD refs/heads/main; git -C /opt/git/hello.git update-server-info")
    vps.run("cat > /opt/server.py", stdin=_SERVER)
    vps.run(f"systemd-run --quiet -- python3 /opt/server.py me:{TOKEN}")
    connect = "import socket; socket.create_connection(('127.0.0.1', 8199))"
    vps.run(f'for i in $(seq 100); do python3 -c "{connect}" 2>/dev/null && exit 0; sleep 0.1; done; exit 1')
    yield provisioned
    vps.sandbox.destroy(vps.name)


def test_a_token_in_the_source_is_shown_to_nobody_and_stands_on_no_command_line(pulled: Project) -> None:
    vps = pulled.vps
    pulled.settings(source=f"http://me:{TOKEN}@127.0.0.1:8199/hello.git")
    with traced(vps, "execve") as started:
        said = [pulled.fab("deploy"), pulled.fab("pending"), pulled.fab("plan"), pulled.fab("releases", "--json")]
    assert any("fetch" in line for line in started)
    assert [line for line in started if TOKEN in line] == []
    assert vps.live()
    said.append(pulled.fab("deploy", "--revision", "no-such-branch", status=1))
    pulled.settings(source=f"http://me:{TOKEN}@127.0.0.1:8199/gone.git")
    said.append(pulled.fab("deploy", status=1))
    for done in said:
        assert TOKEN not in done.stdout + done.stderr, done.args
    assert "cannot fetch http://127.0.0.1:8199/gone.git" in said[-1].stdout + said[-1].stderr
    places = "/srv /var/lib/hostsmith /var/log/hello /run/hostsmith /root /home"
    assert vps.run(f"grep -rlF -e {TOKEN} {places}", ok=False) == ""


def test_a_wrong_token_in_the_source_is_shown_to_nobody_either(pulled: Project) -> None:
    pulled.settings(source="http://me:wrong-token-1234@127.0.0.1:8199/hello.git")
    refused = pulled.fab("deploy", status=1)
    assert "wrong-token" not in refused.stdout + refused.stderr
    assert "Authentication failed" in refused.stdout + refused.stderr


def test_a_token_of_an_index_is_shown_to_nobody_and_stands_on_no_command_line_of_ours(pulled: Project) -> None:
    pulled.settings()
    index = f"--extra-index-url http://me:{TOKEN}@127.0.0.1:8199/simple/"
    asked = (pulled.folder / "requirements.txt").read_text()
    pulled.write("requirements.txt", f"{index}\n{asked}")
    pulled.commit("an index")
    with traced(pulled.vps, "execve") as started:
        said = [pulled.fab("deploy")]
    assert [line for line in started if TOKEN in line] == []
    for line, flags in (
        ("there-is-no-such-package-9x", []),
        (f"pkg @ git+http://me:{TOKEN}@127.0.0.1:8199/gone.git", ["--json"]),
    ):
        pulled.write("requirements.txt", f"{index}\n{line}\n")
        pulled.commit("a failure")
        said.append(pulled.fab("deploy", *flags, status=1))
    for done in said:
        assert TOKEN not in done.stdout + done.stderr, done.args
