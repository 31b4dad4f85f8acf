"""Fixtures for tests on real hosts: machines cloned from a shared image, and projects to put on them."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra
from hostsmith.sandbox import Sandbox, SshTarget, lookup
from hostsmith.sandbox.store import sandbox_id

from tests.hosts.images import Images

if TYPE_CHECKING:
    from tests.hosts.two_apps import Apps, Template

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
FAB = Path(sys.executable).with_name("fab")
# Each of pytest-xdist's workers has a sandbox of its own.
_WORKER = HERE / "workers" / os.environ.get("PYTEST_XDIST_WORKER", "main")

_numbers = itertools.count(1)


@dataclass
class Vps:
    """A disposable host, and ways to look at it that do not go through hostsmith."""

    name: str
    target: SshTarget
    sandbox: Sandbox
    user: str = "root"

    @property
    def address(self) -> str:
        return self.target.address

    @property
    def spec(self) -> str:
        return f"{self.user}@{self.address}"

    def run(self, command: str, *, ok: bool = True, stdin: str = "") -> str:
        """What a command prints, run by root over OpenSSH."""
        options = ["-oBatchMode=yes", f"-oUserKnownHostsFile={self.target.known_hosts}"]
        argv = ["ssh", *options, "-i", self.target.key_filename, f"root@{self.address}", command]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if ok:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def http(
        self, path: str = "/", *, host: str | None = None, headers: dict[str, str] | None = None, body: str = ""
    ) -> Answer:
        """Ask the site with curl, from outside the host."""
        argv = ["curl", "-sS", "-i", "--path-as-is", "--max-time", "10", f"http://{self.address}{path}"]
        for name, value in {**({"Host": host} if host else {}), **(headers or {})}.items():
            argv += ["-H", f"{name}: {value}"]
        if body:
            argv += ["--data-binary", body, "-H", "Expect:"]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=True)
        head, _, body = done.stdout.partition("\n\n") if "\r" not in done.stdout else done.stdout.partition("\r\n\r\n")
        status, *lines = head.splitlines()
        pairs = (line.partition(":") for line in lines)
        return Answer(int(status.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)

    @property
    def infra(self) -> Any:
        """The host for pytest-testinfra."""
        options = f"-o UserKnownHostsFile={self.target.known_hosts}"
        return testinfra.get_host(
            f"ssh://root@{self.address}", ssh_identity_file=self.target.key_filename, ssh_extra_args=options
        )

    def wait_for_site(self) -> None:
        """Wait until the app answers after a boot: sshd is there before supervisord has started it."""
        ask = "import urllib.request as u; u.urlopen('http://localhost/healthz')"
        self.run(f'for i in $(seq 200); do python3 -c "{ask}" 2>/dev/null && exit 0; sleep 0.1; done; exit 1')

    def wait_for_file(self, path: str) -> None:
        """Wait until something on the host has made a file."""
        self.run(f"for i in $(seq 900); do [ -e {path} ] && exit 0; sleep 0.1; done; exit 1")

    def unplug(self) -> None:
        """Pull the host's network cable: it goes silent, and nobody is told."""
        self._link("down")

    def plug(self) -> None:
        """Put the cable back."""
        self._link("up")

    def _link(self, state: str) -> None:
        interface = f"vb-{sandbox_id(self.sandbox.project)}-{self.address.rpartition('.')[2]}"
        subprocess.run(["ip", "link", "set", interface, state], check=True)

    def hide(self) -> None:
        """Have the host drop what it would say to this machine, and wait until it does."""
        here = self.address.rpartition(".")[0] + ".1"
        # By systemd, since the connection that brings the command does not outlive it.
        later = "systemd-run --quiet --on-active=1 --timer-property=AccuracySec=1ms"
        self.run(f"{later} ip route add blackhole {here}")
        limit = time.monotonic() + 30
        while self._answers():
            assert time.monotonic() < limit, f"{self.name} still answers"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=0.5):
                return True
        except OSError:
            return False

    def live(self, app: str = "hello") -> str:
        """Id of the live release of an app."""
        return self.run(f"readlink /srv/{app}/current").strip().removeprefix("releases/")

    def sessions(self) -> int:
        """How many sessions (SSH channels with a command) sshd has served so far."""
        return self.run("journalctl -u ssh --output cat").count("Starting session:")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


# Tasks whose document has no more than what each host answered.
LISTINGS = ("status", "ps", "releases", "backups", "config.get", "pending", "plan", "hosts")


@dataclass
class Project:
    """A project's folder on this machine, with the git repository that it is deployed from."""

    folder: Path
    home: Path
    vps: Vps
    environment: dict[str, str] = field(default_factory=dict)
    names_hosts: bool = True

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def settings(self, **changes: Any) -> None:
        """Write fabric.yaml anew (JSON is YAML)."""
        # Few workers: all of the hosts share the processors of one machine.
        base = {"app": "hello", "health": {"path": "/healthz"}, "static": "static", "workers": 2}
        self.write("fabric.yaml", json.dumps({**base, **changes}))

    def works_on(self, roles: dict[str, list[Any]], *hosts: Vps, **settings: Any) -> None:
        """Have the project work on the hosts of its settings from here on, and know the keys of these."""
        with (self.home / ".ssh" / "known_hosts").open("a") as file:
            file.writelines(Path(vps.target.known_hosts).read_text() for vps in hosts)
        self.names_hosts = False
        self.settings(roles=roles, **settings)
        self.commit("hosts of its own")

    def commit(self, message: str) -> str:
        """Commit everything; returns the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        argv = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(self.folder), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, env=self.env(), check=False)
        assert done.returncode == 0, f"git {arguments[0]}: {done.stderr}"
        return done.stdout

    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, "HOME": str(self.home), **self.environment}

    def argv(self, *arguments: str) -> list[str]:
        hosts = ["-H", self.vps.spec] if self.names_hosts else []
        return [str(FAB), "-i", self.vps.target.key_filename, *hosts, *arguments]

    def fab(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run fab on the host as a user would; its exit status must be the one expected."""
        done = subprocess.run(
            self.argv(*arguments), cwd=self.folder, env=self.env(), capture_output=True, text=True, check=False
        )
        assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start fab and go on."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str, status: int = 0) -> Any:
        """The document that a task prints; of one that lists hosts, that list."""
        document = json.loads(self.fab(*arguments, "--json", status=status).stdout)
        assert document["format"] == 1
        assert document["ok"] is (status == 0), document
        return document["hosts"] if arguments[0] in LISTINGS else document

    def releases(self) -> list[dict[str, str]]:
        """All releases on the host, oldest first."""
        (found,) = self.json("releases").values()
        return found

    def live(self) -> str:
        """Id of the live release."""
        (release,) = [row["id"] for row in self.releases() if row["state"] == "live"]
        return release


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The tests' own sandbox; what an earlier, killed run left in it goes first, the cached base stays."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("booting hosts takes root on Linux")
    _WORKER.mkdir(parents=True, exist_ok=True)
    box = Sandbox(_WORKER)
    folder = os.open(_WORKER, os.O_RDONLY)
    # Two runs of the tests in one checkout take turns.
    fcntl.flock(folder, fcntl.LOCK_EX)
    for host in box.hosts():
        box.destroy(host.name)
    yield box
    for host in box.hosts():
        box.destroy(host.name)
    os.close(folder)


@pytest.fixture(scope="session")
def boot(sandbox: Sandbox) -> Callable[..., Vps]:
    """Make and boot a host, of an image or fresh."""

    def make(image: str | None = None, suite: str | None = None) -> Vps:
        name = f"{image or suite or 'bare'}-{next(_numbers)}"
        sandbox.create(name, image=image, suite=suite)
        target = lookup(_WORKER, name)
        assert target is not None
        return Vps(name, target, sandbox)

    return make


def make_project(folder: Path, vps: Vps, example: str = "flask-hello") -> Project:
    """A copy of an example, committed, with settings that name no host."""
    shutil.copytree(EXAMPLES / example, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(vps.target.known_hosts, home / ".ssh" / "known_hosts")
    project = Project(folder / "project", home, vps)
    if example == "flask-hello":
        project.settings()
    project.git("init", "--quiet")
    project.commit("the example")
    return project


@pytest.fixture(scope="session")
def images(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """What all of pytest-xdist's workers have in common: the first that needs an image makes it."""
    base = tmp_path_factory.getbasetemp()
    return Images(sandbox, base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def provisioned_image(images: Images, boot: Callable[..., Vps]) -> str:
    """An image of a host after `fab provision`."""

    def make(folder: Path) -> Vps:
        vps = boot()
        # Each session is then a line in the journal: how the tests count SSH channels.
        vps.run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/log.conf && systemctl restart ssh")
        make_project(folder, vps).fab("provision")
        return vps

    images.shared("provisioned", make)
    return "provisioned"


@pytest.fixture(scope="session")
def deployed_image(images: Images, boot: Callable[..., Vps], provisioned_image: str) -> str:
    """An image of a host with a live release of examples/flask-hello."""

    def make(folder: Path) -> Vps:
        vps = boot(provisioned_image)
        make_project(folder, vps).fab("deploy")
        return vps

    images.shared("deployed", make)
    return "deployed"


@pytest.fixture(scope="session")
def two_apps_template(images: Images, boot: Callable[..., Vps], provisioned_image: str) -> Template:
    """What a host with two live apps and a deployer is made from."""
    from tests.hosts import two_apps

    folder = images.shared("two-apps", lambda folder: two_apps.make(boot(provisioned_image), folder))
    return two_apps.template("two-apps", folder)


@pytest.fixture(scope="module")
def apps(
    boot: Callable[..., Vps], two_apps_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apps]:
    """A host of the module's own with two live apps, of which the first has a deployer."""
    from tests.hosts import two_apps

    found = two_apps.start(boot, two_apps_template, tmp_path_factory.mktemp("apps"))
    yield found
    found.vps.sandbox.destroy(found.vps.name)


@pytest.fixture
def bare(boot: Callable[..., Vps]) -> Iterator[Vps]:
    """A fresh host."""
    vps = boot()
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def provisioned(boot: Callable[..., Vps], provisioned_image: str, tmp_path: Path) -> Iterator[Project]:
    """A project with a host of its own that is provisioned for it."""
    vps = boot(provisioned_image)
    yield make_project(tmp_path, vps)
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def deployed(boot: Callable[..., Vps], deployed_image: str, tmp_path: Path) -> Iterator[Project]:
    """A project with a host of its own on which its first release is live."""
    vps = boot(deployed_image)
    vps.wait_for_site()
    yield make_project(tmp_path, vps)
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def bare_project(bare: Vps, tmp_path: Path) -> Project:
    """A project with a fresh host of its own."""
    return make_project(tmp_path, bare)


Pair = tuple[Project, Vps, Vps]


@pytest.fixture
def pair(boot: Callable[..., Vps], deployed_image: str, tmp_path: Path) -> Iterator[Pair]:
    """A project whose role `web` has two hosts, with a release live on each."""
    yield from web_hosts(boot, deployed_image, tmp_path)


def web_hosts(boot: Callable[..., Vps], image: str, folder: Path) -> Iterator[Pair]:
    """Boot two hosts of an image, and make a project that has them in its role `web`."""
    first, second = boot(image), boot(image)
    project = make_project(folder, first)
    project.works_on({"web": [first.spec, second.spec]}, second)
    for vps in (first, second):
        vps.wait_for_site()
    yield project, first, second
    for vps in (first, second):
        vps.sandbox.destroy(vps.name)
