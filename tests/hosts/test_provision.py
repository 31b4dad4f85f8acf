"""What `fab provision` promises: a bare host becomes a web host in one exec, and stays one."""

from __future__ import annotations

from pathlib import Path

from tests.hosts.conftest import Project, make_project
from tests.hosts.test_run import lines_of


def test_a_bare_host_becomes_a_web_host_and_a_second_run_changes_nothing(bare_project: Project) -> None:
    first = bare_project.json("provision")["hosts"]
    assert first[0]["ok"] is True
    assert first[0]["counts"]["changed"] > 5
    second = bare_project.json("provision")["hosts"]
    assert second[0]["counts"]["changed"] == 0
    host = bare_project.vps.infra
    for name in ("nginx", "supervisor"):
        assert host.package(name).is_installed
        assert host.service(name).is_running
        assert host.service(name).is_enabled
    assert not host.file("/etc/nginx/sites-enabled/default").exists
    assert host.user("hello").shell == "/usr/sbin/nologin"


def test_provision_is_one_session_on_the_host(provisioned: Project) -> None:
    before = provisioned.vps.sessions()
    provisioned.fab("provision")
    # One of the two is ours, which reads the journal.
    assert provisioned.vps.sessions() - before == 2


def test_a_dry_run_says_what_would_change_and_touches_nothing(bare_project: Project) -> None:
    vps = bare_project.vps
    vps.run("touch /root/mark")
    done = bare_project.fab("provision", "--dry-run")
    assert "installed" not in vps.run("dpkg-query -W -f '${Status}' nginx 2>/dev/null || true")
    assert "+    server_name _;" in done.stdout
    assert "reload nginx" in done.stdout
    changed = vps.run(
        "find /etc /srv /usr /opt /root /var/lib -xdev -newer /root/mark -not -path '*/systemd/*'"
    ).split()
    assert [path for path in changed if not path.startswith(("/root/.cache", "/var/lib/systemd"))] == []


def test_check_exits_with_2_when_something_differs(provisioned: Project) -> None:
    provisioned.fab("provision", "--check")
    provisioned.vps.run("rm /etc/nginx/sites-enabled/hello")
    provisioned.fab("provision", "--check", status=3)
    assert not provisioned.vps.infra.file("/etc/nginx/sites-enabled/hello").exists


def test_a_template_that_nginx_refuses_leaves_the_old_configuration_serving(deployed: Project) -> None:
    vps = deployed.vps
    before = vps.run("cat /etc/nginx/sites-available/hello; systemctl show -p ExecReload,MainPID nginx")
    deployed.write("templates/nginx/site.conf.j2", "server { listen 80; bogus on; }\n")
    done = deployed.fab("provision", status=1)
    assert 'unknown directive "bogus"' in done.stdout
    assert vps.run("cat /etc/nginx/sites-available/hello; systemctl show -p ExecReload,MainPID nginx") == before
    assert vps.http("/").status == 200
    # Nothing is left behind that another app's deploy, or a reboot, would trip over.
    vps.run("nginx -t && systemctl restart nginx")
    assert vps.http("/").status == 200


def test_the_site_behaves(deployed: Project) -> None:
    vps = deployed.vps
    deployed.write("static/app.3f2a91bc44d0.js", "let a = 1;\n" * 100)
    deployed.write("static/plain.css", "body {}\n" * 100)
    deployed.write("static/.secret", "no\n")
    deployed.write(
        "hello.py",
        "from flask import Flask, request\napp = Flask(__name__)\n"
        "@app.get('/healthz')\ndef healthz():\n    return 'ok'\n"
        "@app.post('/')\ndef post():\n    return str(len(request.data))\n"
        "@app.get('/')\ndef home():\n"
        "    h = request.headers\n"
        "    return '|'.join(h.get(n, '-') for n in ('Host', 'X-Real-IP', 'X-Forwarded-For', 'X-Forwarded-Proto'))\n",
    )
    deployed.settings(domains=["hello.example"], client_max_body_size="1k")
    deployed.commit("a site with a name")
    deployed.fab("provision", "deploy")
    site = "hello.example"

    home = vps.http("/", host=site, headers={"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"})
    gateway = vps.address.rpartition(".")[0] + ".1"
    assert home.body == f"{site}|{gateway}|{gateway}|http"
    assert home.headers["server"] == "nginx"

    hashed = vps.http("/static/app.3f2a91bc44d0.js", host=site, headers={"Accept-Encoding": "gzip"})
    assert (hashed.status, hashed.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert hashed.headers["content-encoding"] == "gzip"
    assert vps.http("/static/plain.css", host=site).headers["cache-control"] == "public, max-age=3600"
    assert vps.http("/static/.secret", host=site).status == 404
    assert vps.http("/static/../hello.py", host=site).status == 404

    redirect = vps.http("/a?b=c", host="www.hello.example")
    assert (redirect.status, redirect.headers["location"]) == (301, "http://hello.example/a?b=c")
    stranger = vps.http("/", host="evil.example")
    assert (stranger.status, stranger.body) == (404, "There is no site of this name here.\n")

    assert vps.http("/", host=site, body="x" * 1000).status == 200
    assert vps.http("/", host=site, body="x" * 3000).status == 413


def test_each_site_has_logs_of_its_own_and_logrotate_takes_them(deployed: Project) -> None:
    vps = deployed.vps
    vps.http("/?marker")
    assert "GET /?marker" in vps.run("cat /var/log/nginx/hello.access.log")
    vps.run("logrotate --force /etc/logrotate.d/hello")
    release = deployed.live()
    assert f"web-{release}.log" in vps.run("ls /var/log/hello")
    assert vps.http("/").status == 200


def test_everything_comes_back_after_a_power_cut(deployed: Project) -> None:
    vps, release = deployed.vps, deployed.live()
    vps.sandbox.kill(vps.name)
    vps.sandbox.start(vps.name)
    vps.wait_for_site()
    assert release in vps.http("/").body
    assert deployed.json("provision")["hosts"][0]["counts"]["changed"] == 0
    deployed.fab("deploy")
    assert deployed.live() in vps.http("/").body


def test_a_host_without_python_gets_it_first(bare_project: Project) -> None:
    vps = bare_project.vps
    vps.run("apt-get -qq -y purge python3-minimal python3.11-minimal libpython3.11-minimal 2>&1; ! command -v python3")
    report = bare_project.json("provision", "--dry-run")["hosts"]
    assert report[0]["ok"] is True
    assert vps.infra.package("python3").is_installed


def test_a_handler_that_was_owed_when_the_run_was_killed_runs_next_time(provisioned: Project) -> None:
    vps = provisioned.vps
    # nginx's check takes long enough to kill the run between the new file and the reload.
    vps.run("mv /usr/sbin/nginx /usr/sbin/nginx.real")
    script = '#!/bin/sh\n[ "$1" = -t ] && touch /run/checking && sleep 60\nexec /usr/sbin/nginx.real "$@"\n'
    vps.run("install -m 755 /dev/stdin /usr/sbin/nginx", stdin=script)
    provisioned.settings(client_max_body_size="7m")
    running = provisioned.start("provision")
    vps.wait_for_file("/run/checking")
    vps.run('kill -9 $(python3 -c \'import json; print(json.load(open("/run/hostsmith.lock"))["pid"])\')')
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "Traceback" not in errors
    vps.run("pkill -x sleep; mv /usr/sbin/nginx.real /usr/sbin/nginx")
    done = provisioned.fab("provision")
    assert "reload nginx" in done.stdout
    assert "reload nginx" not in provisioned.fab("provision").stdout


def test_the_second_of_two_runs_waits_and_says_who_holds_the_host(provisioned: Project) -> None:
    vps = provisioned.vps
    release = "touch ~/started && until [ -e ~/go ]; do sleep 0.1; done"
    provisioned.write("Procfile", f"web: gunicorn hello:app\nrelease: {release}\n")
    provisioned.commit("slow")
    deploying = provisioned.start("deploy")
    vps.wait_for_file("/srv/hello/shared/started")
    provisioned.environment["FABRIC_LOCK_TIMEOUT"] = "0"
    refused = provisioned.fab("provision", status=1)
    assert "is held by deploy by" in refused.stderr
    assert "unlock" in refused.stderr
    provisioned.environment["FABRIC_LOCK_TIMEOUT"] = "300"
    waiting = provisioned.start("provision")
    lines_of(waiting, "waiting up to 300 s for deploy by")
    vps.run("touch /srv/hello/shared/go")
    for running in (deploying, waiting):
        out, errors = running.communicate(timeout=300)
        assert running.returncode == 0, out + errors


def test_unlock_ends_the_run_that_holds_the_host(deployed: Project) -> None:
    vps, old = deployed.vps, deployed.live()
    deployed.write("Procfile", "web: gunicorn hello:app\nrelease: touch ~/started && sleep 600\n")
    deployed.commit("stuck")
    deploying = deployed.start("deploy")
    vps.wait_for_file("/srv/hello/shared/started")
    assert "held by deploy by" in deployed.fab("status").stdout
    assert "ended deploy by" in deployed.fab("unlock").stdout
    deploying.communicate(timeout=60)
    assert deploying.returncode == 1
    assert vps.run("pgrep -u hello sleep || true") == ""
    assert deployed.live() == old


def test_two_apps_share_a_host(deployed: Project, tmp_path: Path) -> None:
    deployed.settings(domains=["hello.example"])
    deployed.fab("provision")
    second = make_project(tmp_path / "second", deployed.vps)
    second.settings(app="second", domains=["second.example"])
    second.commit("another app")
    second.fab("provision", "deploy")
    assert second.live() in second.vps.http("/", host="second.example").body
    assert deployed.live() in deployed.vps.http("/", host="hello.example").body
    spying = "runuser -u second -- cat /srv/hello/current/env 2>&1 || true"
    assert second.vps.run(spying).endswith("Permission denied\n")
