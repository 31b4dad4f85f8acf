"""Least privilege: an app reads and changes nothing but its own data, two apps on a host leave each other alone, what
requirements bring is built by nobody who could do harm, and deployers can deploy and do nothing else."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostsmith import __version__
from hostsmith.connection import pack
from hostsmith.contract import wire
from hostsmith.contract.protocol import PROTOCOL
from hostsmith.hostkit.app.layout import Record
from hostsmith.resources import Command, File, Package, Reload, Service, User, Validated
from hostsmith.resources.release.live import Live
from hostsmith.resources.release.release import ReleaseRecord

from tests.hosts.two_apps import ADMIN, SHOP, Apps, crafted

pytestmark = pytest.mark.attack
BOTH_WAYS = pytest.mark.parametrize(("app", "other"), [(SHOP, ADMIN), (ADMIN, SHOP)])

READING = """
list: os.listdir(root)
code: read(root + "/current/code/hello.py")
environment: read(root + "/current/env")
configuration: read(root + "/current/gunicorn.conf.py")
virtualenv: read(root + "/current/venv/pyvenv.cfg")
data: os.listdir(root + "/shared")
repository: read(root + "/repo.git/HEAD")
cache: os.listdir(root + "/cache")
deploy-key: os.listdir(root + "/.ssh")
logs: os.listdir(logs)
log: read(log)
access-log: read(access_log)
process-environment: read(f"/proc/{pid}/environ")
process-memory: open(f"/proc/{pid}/mem", "rb")
process-folder: os.listdir(f"/proc/{pid}/cwd")
socket: connect(root + "/current/run/web.sock")
supervisord: connect("/var/run/supervisor.sock")
lock: open("/run/hostsmith.lock")
signal: os.kill(pid, 0)
trace: trace(pid)
"""


def things_of(apps: Apps, app: str) -> dict[str, Any]:
    apps.vps.http("/", host="admin.example.org" if app == ADMIN else "www.example.org")
    # The lock as a run makes it; on a host that has just booted there was none yet.
    path = f"import sys; sys.path.insert(0, '{pack.GATE_CODE}')"
    apps.vps.run(f'python3 -I -c "{path}; from hostsmith.agent import lock; lock.release(lock.acquire({{}}, 0))"')
    return {
        "root": f"/srv/{app}",
        "logs": f"/var/log/{app}",
        "log": apps.vps.run(f"ls /var/log/{app}/*.log | head -1").strip(),
        "access_log": f"/var/log/nginx/{app}.access.log",
        "pid": apps.pid(app),
    }


@BOTH_WAYS
def test_an_app_can_neither_read_reach_nor_stop_anything_of_another(apps: Apps, app: str, other: str) -> None:
    things = things_of(apps, other)
    # Everything that is tried is there, and can be done by root.
    found = apps.probe("root", READING, **things)
    assert {name: error for name, error in found.items() if error != "done"} == {}
    refused = apps.probe(app, READING, **things)
    assert set(refused.values()) == {"PermissionError"}, refused


@BOTH_WAYS
def test_nginx_comes_through_the_door_to_socket_and_static_files(apps: Apps, app: str, other: str) -> None:
    host = "admin.example.org" if app == ADMIN else "www.example.org"
    assert apps.projects[app].live() in apps.vps.http("/", host=host).body
    (static,) = [path.name for path in (apps.projects[app].folder / "static").iterdir()][:1]
    assert apps.vps.http(f"/static/{static}", host=host).status == 200
    attempts = 'list: os.listdir(root)\nenvironment: read(root + "/current/env")'
    assert set(apps.probe("www-data", attempts, root=f"/srv/{app}").values()) == {"PermissionError"}


def test_an_app_can_write_its_data_its_sockets_folder_and_what_everybody_can(apps: Apps) -> None:
    places = "/etc /home /opt /root /srv /usr /var"
    find = f"cd / && runuser -u {SHOP} -- find {places} -writable -not -type l 2>/dev/null || true"
    theirs = ("/var/tmp", "/var/lock", "/var/crash", f"/srv/{SHOP}/shared")
    run = f"/srv/{SHOP}/releases/{apps.projects[SHOP].live()}/run"
    found = [path for path in apps.vps.run(find).split() if not path.startswith((*theirs, run))]
    assert found == []


def state_of(apps: Apps, app: str) -> str:
    """All there is of an app on the host: processes, files, nginx site, supervisor's groups."""
    host = "admin.example.org" if app == ADMIN else "www.example.org"
    assert apps.vps.http("/", host=host).status == 200
    return apps.vps.run(
        f"find /srv/{app} /var/log/{app} /etc/nginx/sites-available/{app} /etc/nginx/sites-enabled/{app}"
        f" /etc/logrotate.d/{app} /etc/supervisor/conf.d/{app}.conf -not -name '*.log' -not -name '.heartbeat*'"
        r" -printf '%p %u:%g %m %T@ %l\n' | sort;"
        f" pgrep -u {app} | sort; supervisorctl pid $(supervisorctl status | grep -o '^{app}-2[^ ]*'); id {app}"
    )


@BOTH_WAYS
def test_provision_deploy_and_rollback_of_an_app_leave_another_alone(apps: Apps, app: str, other: str) -> None:
    before = state_of(apps, other)
    project = apps.projects[app]
    old = project.live()
    project.commit("something new")
    project.fab("deploy")
    assert project.live() != old
    assert state_of(apps, other) == before
    project.fab("rollback")
    assert project.live() == old
    project.fab("provision")
    assert state_of(apps, other) == before


BACKEND = """\
import glob, json, os, pathlib, subprocess, zipfile

def build_wheel(folder, config=None, metadata=None):
    pathlib.Path("beside.txt").write_text("it is built inside of the source")
    (venv,) = (each for each in glob.glob("/srv/shop/venvs/*") if os.access(each, os.W_OK))
    tried = {}
    outside = {"etc": "/etc/cron.d/x", "home": "/root/x", "venvs": "/srv/shop/venvs/x", "uv": "/opt/hostsmith/x"}
    for name, path in outside.items():
        try:
            pathlib.Path(path).write_text("x")
            tried[name] = "done"
        except OSError as error:
            tried[name] = type(error).__name__
    for name in ("/srv/shop-admin/current/code/hello.py", "/srv/shop-admin/cache"):
        try:
            os.stat(name)
            tried[name] = "done"
        except OSError as error:
            tried[name] = type(error).__name__
    told = {"uid": os.getuid(), "groups": os.getgroups(), "tried": tried}
    with zipfile.ZipFile(f"{folder}/evil-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("evil.json", json.dumps(told))
        wheel.writestr("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1.0\\n")
        wheel.writestr("evil-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("evil-1.0.dist-info/RECORD", "")
    os.chmod(f"{venv}/bin/pip", 0o6777)
    stay = f"while :; do echo >> {venv}/later; sleep 0.1; done"
    subprocess.Popen(["setsid", "sh", "-c", stay], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "evil-1.0-py3-none-any.whl"
"""


def test_what_requirements_bring_is_built_by_neither_root_nor_the_app_and_stays_as_it_is(apps: Apps) -> None:
    project, vps = apps.projects[SHOP], apps.vps
    project.write("evil/backend.py", BACKEND)
    project.write(
        "evil/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    project.write("requirements.txt", (project.folder / "requirements.txt").read_text() + "./evil\n")
    project.commit("a requirement that builds itself")
    project.fab("deploy")
    venv = vps.run("readlink -f /srv/shop/current/venv").strip()
    told = json.loads(vps.run(f"cat {venv}/lib/python3*/site-packages/evil.json"))
    assert told["uid"] == int(vps.run("id -u hostsmith-build_shop")) != 0
    assert told["groups"] == []
    assert set(told["tried"].values()) == {"PermissionError"}, told
    # What it has left behind is gone, and nothing that it has touched is not root's.
    assert vps.run("pgrep -u hostsmith-build_shop || true") == ""
    assert vps.run(f"find {venv} /srv/shop/current/code -not -user root -o -perm /6022 -not -type l") == ""
    assert vps.run("stat -c %U:%a /srv/shop/current/code/evil/beside.txt").strip() == "root:644"
    assert vps.run("stat -c %U:%a /srv/shop/cache").strip() == "hostsmith-build_shop:700"
    assert project.live() in vps.http("/").body


def test_a_deployer_deploys_rolls_back_and_looks_each_in_one_session(apps: Apps) -> None:
    project, vps = apps.deployer, apps.vps
    before, old = vps.sessions(), project.live()
    project.commit("by a deployer")
    project.fab("deploy")
    # One is ours, which reads the journal; one is the listing of releases.
    assert vps.sessions() - before == 3
    new = project.live()
    assert new != old
    assert new in vps.http("/").body
    project.fab("rollback")
    assert project.live() == old
    project.fab("config.set", "BY_A_DEPLOYER=yes")
    assert project.fab("config.get", "BY_A_DEPLOYER").stdout == "yes\n"
    project.fab("rollback")
    assert project.live() == old
    assert project.fab("run", "--", "id", "-un").stdout.strip() == SHOP
    assert "Listening" in project.fab("logs").stdout
    (status,) = project.json("status").values()
    assert (status["live"], status["problem"]) == (old, None)
    assert "needs an admin" in status["drift_problem"]
    assert "nobody holds the lock" in project.fab("unlock").stdout
    project.fab("maintenance.on", "--message", 'Two lines,\n"quoted"')
    assert vps.http("/").status == 503
    project.fab("maintenance.off")
    assert vps.http("/").status == 200


def test_a_deployer_cannot_provision_and_is_told_who_can(apps: Apps) -> None:
    for arguments, refused in ((["provision"], "Claimed"), (["provision", "--dry-run"], "'plan'")):
        done = apps.deployer.fab(*arguments, status=1)
        assert f"refused: {refused}" in done.stderr + done.stdout
        assert "needs an admin: root, or a user with full sudo rights" in done.stderr + done.stdout


def test_a_deployer_cannot_deploy_another_app(apps: Apps) -> None:
    other = replace(apps.deployer, folder=apps.projects[ADMIN].folder)
    before = state_of(apps, ADMIN)
    for arguments in (["deploy"], ["rollback"], ["releases"], ["run", "--", "id"]):
        assert "refused" in other.fab(*arguments, status=1).stderr
    assert state_of(apps, ADMIN) == before


def test_a_template_of_the_deployers_own_cannot_have_supervisord_run_something_else(apps: Apps) -> None:
    project = apps.deployer
    old, own = project.live(), project.folder / "templates/supervisor/app.conf.j2"
    ours = (Path(__file__).parents[2] / "templates/supervisor/app.conf.j2").read_text()
    project.write("templates/supervisor/app.conf.j2", f"{ours}[program:evil]\ncommand=touch /root/pwned\n")
    done = project.fab("deploy", "--dirty", status=1)
    own.unlink()
    assert "refused: a Validated like this" in done.stdout + done.stderr
    assert project.live() == old
    assert apps.vps.run("ls /root/pwned 2>&1 || true").endswith("No such file or directory\n")


ID = "20261121-101500-1f3c2ab"
PWNED = ["touch", "/root/pwned"]


def test_what_a_deployer_sends_to_the_gate_by_hand_is_looked_at_before_it_is_done(apps: Apps) -> None:
    other = Path(apps.vps.run(f"readlink -f /srv/{ADMIN}/current").strip())
    frames = [
        crafted(File("/etc/sudoers.d/x", "deploy ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)),
        crafted(Validated("x", (File(f"/srv/shop/releases/{ID}/../../../../etc/cron.d/x", "x", mode=0o644),))),
        crafted(Validated("x", (), validate=PWNED)),
        crafted(Command(PWNED)),
        crafted(Command(PWNED, user="shop", timeout=1, label="x")),
        crafted(Command([f"{other}/start", "run", "touch", "/tmp/pwned"], user=ADMIN, timeout=1, label="x")),
        crafted(User("shop", groups=("sudo",))),
        crafted(Service("ssh", running=False)),
        crafted(Package("nmap")),
        crafted(ReleaseRecord("shop", Record(f"../../../tmp/{ID}"))),
        crafted(ReleaseRecord("shop", Record(ID), notify=Reload("nginx"))),
        crafted(Live(ADMIN, other.name, None, None, 1)),
        crafted(modules={"evil": "import os; os.system('touch /root/pwned')"}),
        {"op": "converge", "modules": {}, "resources": [{"$type": "subprocess:Popen", "fields": {"args": PWNED}}]},
        {"op": "lock", "holder": {"who": "x", "what": "x"}, "wait": 0, "path": "/etc/pwned"},
        {"op": "plan", "modules": {}, "resources": wire.dump([File("/etc/shadow", "")])},
        {"op": "plan", "modules": {"evil": "import os; os.system('touch /root/pwned')"}, "resources": []},
        {
            "op": "act",
            "action": "resolve",
            "arguments": {"app": "shop", "url": f"/srv/{ADMIN}/repo.git", "revision": "HEAD", "timeout": 9},
        },
        {"op": "ask", "query": "log_lines", "arguments": {"app": "shop", "names": [f"../{ADMIN}/web"], "lines": 9}},
        {"op": "run", "app": ADMIN, "argv": ["id"]},
    ]
    before = state_of(apps, ADMIN)
    sent = [*frames, {"op": "ask", "query": "releases", "arguments": {"app": "shop"}}]
    packed = [zlib.compress(json.dumps(frame).encode()) for frame in sent]
    answers = apps.at_the_gate(b"".join(b"%d\n%s" % (len(each), each) for each in packed), len(sent))
    assert len(answers) == len(frames) + 1
    for frame, answer in zip(frames, answers, strict=False):
        assert answer["ok"] is False, frame
        assert answer["error"].startswith("refused: "), (frame, answer)
    assert answers[-1]["ok"] is True
    assert state_of(apps, ADMIN) == before
    look = (
        "ls -d /etc/sudoers.d/x /etc/cron.d/x /root/pwned /tmp/pwned /etc/pwned /tmp/2* 2>/dev/null; id -nG shop; true"
    )
    assert apps.vps.run(look).split() == ["shop"]


def test_the_gate_ends_by_itself_at_what_is_too_large_or_no_frame(apps: Apps) -> None:
    bomb = zlib.compress(b'{"op":"' + b"x" * (257 << 20) + b'"}', 1)
    deep = zlib.compress(b"[" * 1_000_000)
    for frame in (
        b"999999999999\n",
        b"9" * 5000,
        b"4\nabcd",
        b"%d\n%s" % (len(bomb), bomb),
        b"%d\n%s" % (len(deep), deep),
    ):
        # Standard input stays open: it is the gate that ends.
        assert apps.at_the_gate(frame, 1) == []
    for first in (b"", b"hostsmith /run/hostsmith/00\n", b"\n\n\n", b"hostsmith\nabc\n", b"hostsmith\n4\nabcd"):
        done = apps.ssh(stdin=first)
        assert done.returncode == 98
        assert b"Traceback" not in done.stderr


def test_a_deployers_key_opens_the_gate_and_nothing_else(apps: Apps) -> None:
    assert apps.ssh("-s", "sftp").returncode == 98
    for arguments in (["id"], ["sudo -n id"], ["sh"], ["-t", "sh"]):
        done = apps.ssh(*arguments)
        assert done.returncode == 98, done
        assert b"this user is for `fab deploy` and its like" in done.stderr
    assert b"administratively prohibited" in apps.ssh("-W", "localhost:22").stderr
    attempts = """
    add-key: open(home + "/.ssh/authorized_keys", "a")
    another-file: open(home + "/.ssh/authorized_keys2", "w")
    gate: open("/usr/local/sbin/hostsmith-gate", "a")
    agent: open("/usr/local/lib/hostsmith/agent.zip", "a")
    rights: os.listdir("/etc/sudoers.d/hostsmith-shop")
    app: os.listdir("/srv/shop")
    logs: os.listdir("/var/log/shop")
    """
    found = apps.probe("deploy", attempts, home="/var/lib/hostsmith-deployers/shop")
    assert found.pop("rights") in ("PermissionError", "NotADirectoryError")
    assert set(found.values()) == {"PermissionError"}, found


@pytest.mark.parametrize(
    "command",
    [
        "sudo -n id",
        "sudo -n -u shop id",
        f"sudo -n {pack.GATE}",
        f"sudo -n {pack.GATE} {ADMIN}",
        f"sudo -n {pack.GATE} {SHOP} {ADMIN}",
        f"sudo -n {pack.GATE} {SHOP} ''",
        f"sudo -n LD_PRELOAD=/tmp/evil/x.so {pack.GATE} {SHOP}",
        f"sudo -n -E {pack.GATE} {SHOP}",
        f"sudo -n -g shadow {pack.GATE} {SHOP}",
        f"sudo -n python3 {pack.GATE} {SHOP}",
        "sudo -n -s",
    ],
)
def test_sudo_lets_the_deploy_user_run_the_gate_of_its_app_and_nothing_else(apps: Apps, command: str) -> None:
    refused = apps.vps.run(f"cd /tmp && runuser -u deploy -- {command} </dev/null 2>&1 || true")
    assert "a password is required" in refused or "not allowed" in refused, refused


def test_the_gate_takes_no_code_from_the_environment_or_the_folder_it_is_called_in(apps: Apps) -> None:
    modules = "sitecustomize usercustomize os io re zipfile json hostsmith"
    apps.vps.run(
        f"mkdir -p /tmp/evil && cd /tmp/evil && for m in {modules}; do"
        ' echo \'open("/tmp/evil/pwned", "w")\' > $m.py; done; chmod -R a+rwX /tmp/evil'
    )
    environment = (
        "PYTHONPATH=/tmp/evil PYTHONHOME=/tmp/evil PYTHONSTARTUP=/tmp/evil/os.py HOME=/tmp/evil TMPDIR=/tmp/evil"
    )
    done = apps.vps.run(
        f"cd /tmp/evil && runuser -u deploy -- env {environment} PATH=/tmp/evil:$PATH"
        f" sudo -n {pack.GATE} {SHOP} </dev/null 2>&1; echo $?; ls /tmp/evil/pwned 2>&1",
        ok=False,
    )
    assert "there is no hostsmith at the other end" in done
    assert "98\n" in done
    assert "No such file" in done


_CHANGE = """\
import zipfile

with zipfile.ZipFile("{path}") as archive:
    files = {{name: archive.read(name) for name in archive.namelist()}}
files["{name}"] = files["{name}"].replace(b"{old}", b"{new}")
with zipfile.ZipFile("{path}", "w") as archive:
    for name, content in files.items():
        archive.writestr(name, content)
"""


def installed_with(apps: Apps, name: str, old: str, new: str) -> None:
    """Change a file of the agent that is installed on the host."""
    script = _CHANGE.format(path=pack.GATE_CODE, name=f"hostsmith/{name}", old=old, new=new)
    apps.vps.run("python3 -", stdin=script)


def test_patch_releases_share_a_gate_and_another_protocol_is_told_who_has_to_upgrade(
    apps: Apps,
) -> None:
    installed_with(apps, "_version.py", __version__, "0.2.77")
    assert apps.deployer.json("releases")
    apps.deployer.fab("deploy")
    number = f"PROTOCOL = {PROTOCOL}"
    installed_with(apps, "contract/protocol.py", number, f"PROTOCOL = {PROTOCOL + 1}")
    done = apps.deployer.fab("releases", status=1)
    assert "of hostsmith 0.2.77, your machine has" in done.stderr
    assert "too old for it: upgrade hostsmith on your machine to 0.2.77" in done.stderr
    installed_with(apps, "contract/protocol.py", f"PROTOCOL = {PROTOCOL + 1}", f"PROTOCOL = {PROTOCOL - 1}")
    done = apps.deployer.fab("releases", status=1)
    assert f"too new for it: have an admin run `fab provision` with hostsmith {__version__}" in done.stderr
    apps.projects[SHOP].fab("provision")
    apps.deployer.fab("releases")


def test_a_key_that_is_taken_away_lets_nobody_in_and_no_admin_is_made_a_deployer(apps: Apps) -> None:
    project, vps = apps.projects[SHOP], apps.vps
    text = (project.folder / "fabric.yaml").read_text()
    settings = json.loads(text)
    vps.run("useradd --create-home carol && install -d -o carol -m 700 /home/carol/.ssh")
    vps.run("install -o carol -m 600 /dev/null /home/carol/.ssh/authorized_keys")
    project.write("fabric.yaml", json.dumps({**settings, "deployers": {**settings["deployers"], "user": "carol"}}))
    refused = project.fab("provision", status=1)
    assert "the user carol exists on this host, but was not created for the deployers of shop" in refused.stdout
    assert vps.run("stat -c %U:%s /home/carol/.ssh/authorized_keys").strip() == "carol:0"
    project.write("fabric.yaml", json.dumps({**settings, "deployers": {}}))
    project.fab("provision")
    assert b"Permission denied (publickey" in apps.ssh("id").stderr
    assert vps.run("ls /etc/sudoers.d").split() == ["README"]
    project.write("fabric.yaml", text)
    project.fab("provision")
    assert apps.ssh("id").returncode == 98
