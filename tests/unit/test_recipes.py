"""Recipes: settings in, resources out; and that what is rendered from them says what it should."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import pytest
from hostsmith.environment.variables import Wanted
from hostsmith.errors import SettingsError
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.hostkit.app.layout import Record
from hostsmith.hostkit.app.variables import Variable, Variables
from hostsmith.inventory import processes
from hostsmith.inventory.project import settings_of
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.openssh.host import Host
from hostsmith.recipes import app, haproxy, nginx, provision, python, release, supervisor, system
from hostsmith.recipes.provisioning import together
from hostsmith.rendering.rendered import rendered
from hostsmith.rendering.template import Template, render
from hostsmith.resources import Absent, Directory, File, Package, Reload, Resource, Secret, Service, Validated
from hostsmith.resources.claimed import Claimed
from hostsmith.resources.deploy_key import DeployKey
from hostsmith.resources.front.balancer import BalancerOf, ReloadHaproxy
from hostsmith.resources.front.nginx import ReloadNginx
from hostsmith.resources.own_user import OwnUser
from hostsmith.resources.release.assets import Assets
from hostsmith.resources.release.drained import Drained
from hostsmith.resources.release.environment import Environment
from hostsmith.resources.release.live import Live
from hostsmith.resources.release.release import Pruned, ReleaseCode, ReleaseRecord, ReleaseVenv
from hostsmith.resources.release.release_command import ReleaseCommand
from hostsmith.resources.release.settled import Settled
from hostsmith.settings import Settings
from local_host import NASTY, nobody_reads, program

ID = "20260101-120000-0123456"
FOLDER = f"/srv/blog/releases/{ID}"
EVERYTHING = ("web",)
# The hardening, which is tried in test_hardening.py, is switched off here: what is left is its absence.
NO_HARDENING = [
    "absent /etc/apt/apt.conf.d/52hostsmith-upgrades",
    "absent /etc/sysctl.d/60-hostsmith.conf",
    "absent /etc/modprobe.d/hostsmith.conf",
    "absent /etc/security/limits.d/hostsmith.conf",
    "sshd",
    "firewall",
]
CONFINED = [f"absent /etc/systemd/system/{unit}.service.d/hostsmith.conf" for unit in ("nginx", "supervisor")]
VERSION = ["directory /var/lib/hostsmith", "file /var/lib/hostsmith/provisioned.json"]
NO_VARIABLES = Wanted(Variables(), {})


def settings(**values: Any) -> Settings:
    return settings_of(**{"app": "blog", "processes": {"web": "gunicorn blog:app"}, "hardening": False, **values})


def fleet(**values: Any) -> Settings:
    """Settings with two web hosts behind a balancer, whose addresses are known."""
    roles = {"web": ["root@web1.example.com", {"host": "web2:2222", "weight": 3}], "lb": ["root@lb1", "lb2"]}
    found = settings(**{"roles": roles, **values})
    known = {
        "web1.example.com": ["10.0.0.1", "2001:db8::1"],
        "web2": ["2001:db8::2"],
        "lb1": ["10.0.0.8", "2001:db8::8"],
        "lb2": ["10.0.0.9"],
    }
    hosts = [entry.host for entries in found.roles.values() for entry in entries]
    return found.reached_at({found.machine(host): known[host.host] for host in hosts})


def names(resources: Sequence[Resource]) -> list[str]:
    return [resource.describe() for resource in resources]


class TestProvision:
    """What a host is before anything is deployed to it."""

    def test_a_host_of_the_web_role(self) -> None:
        assert names(provision(settings(), EVERYTHING)) == [
            "names of blog",
            "package ca-certificates, git, logrotate, openssh-client, rsync, python3, python3-venv, supervisor, nginx",
            *[*NO_HARDENING[:-2], *CONFINED, *NO_HARDENING[-2:]],
            "service supervisor",
            "user blog",
            "directory /srv/blog",
            "directory /srv/blog/releases",
            "directory /srv/blog/venvs",
            "directory /srv/blog/shared",
            "directory /srv/blog/.ssh",
            "directory /var/log/blog",
            "file /etc/logrotate.d/blog",
            "directory /var/log/nginx",
            "nginx site blog",
            "service nginx",
            "absent /etc/sudoers.d/hostsmith-blog",
            "absent /var/lib/hostsmith-deployers/blog/.ssh/authorized_keys",
            *VERSION,
        ]

    def test_a_host_with_a_worker_of_its_own_role_has_no_nginx(self) -> None:
        found = settings(
            processes={"web": "gunicorn blog:app", "worker": "python worker.py"}, roles={"web": ["a"], "worker": ["b"]}
        )
        resources = names(provision(found, ("worker",)))
        assert "user blog" in resources
        assert not any("nginx" in name for name in resources)

    def test_a_host_that_runs_no_process_of_the_app_gets_the_base(self) -> None:
        found = settings(roles={"web": ["a"], "db": ["b"]}, packages=["postgresql-client"])
        assert names(provision(found, ("db",))) == [
            "package ca-certificates, git, logrotate, openssh-client, rsync, postgresql-client",
            *NO_HARDENING,
            *VERSION,
        ]

    def test_a_balancer_has_haproxy_and_nothing_of_the_app(self) -> None:
        assert names(provision(fleet(), frozenset({"lb"}))) == [
            "package ca-certificates, git, logrotate, openssh-client, rsync, haproxy",
            *NO_HARDENING,
            "balancer blog",
            "service haproxy",
            "absent /etc/sudoers.d/hostsmith-blog",
            "absent /var/lib/hostsmith-deployers/blog/.ssh/authorized_keys",
            *VERSION,
        ]

    def test_a_host_that_plays_every_role_is_a_web_host_and_no_balancer(self) -> None:
        for found in (fleet(), settings()):
            resources = names(provision(found, ALL_ROLES))
            assert "nginx site blog" in resources
            assert "balancer blog" not in resources

    def test_a_host_that_is_both_web_host_and_balancer_is_refused(self) -> None:
        found = fleet(roles={"web": ["web1.example.com", "lb1"], "lb": ["root@lb1", "lb2"]})
        with pytest.raises(SettingsError, match=r"found root@lb1 in web and in lb, expected different hosts"):
            provision(found, frozenset({"web", "lb"}))

    def test_a_balancer_without_web_hosts_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="role 'web' has no hosts"):
            provision(fleet(roles={"web": [], "lb": ["lb1"]}), frozenset({"lb"}))

    def test_is_a_pure_function_of_the_settings(self) -> None:
        assert provision(settings(), EVERYTHING) == provision(settings(), EVERYTHING)

    def test_all_of_it_travels(self) -> None:
        from hostsmith.contract import wire

        everything = [*provision(fleet(domains=["example.com"]), EVERYTHING), *haproxy.haproxy(fleet())]
        resources = rendered(everything, Path("/nowhere"), "web1")
        assert wire.load(json.loads(json.dumps(wire.dump(resources)))) == resources

    def test_the_app_owns_its_data_and_nothing_else(self) -> None:
        owners = {r.path: (r.owner, r.mode) for r in app.app(settings()) if isinstance(r, Directory)}
        assert owners == {
            "/srv/blog": ("root", 0o750),
            "/srv/blog/releases": ("root", 0o755),
            "/srv/blog/venvs": ("root", 0o755),
            "/srv/blog/shared": ("blog", 0o750),
            "/srv/blog/.ssh": ("root", 0o700),
            "/var/log/blog": ("root", 0o750),
        }
        (user,) = (r for r in app.app(settings()) if isinstance(r, OwnUser))
        assert (user.name, user.home, user.shell, user.password) == (
            "blog",
            "/srv/blog/shared",
            "/usr/sbin/nologin",
            "!",
        )

    def test_what_has_the_apps_name_is_claimed_before_anything_changes_or_is_in_a_folder_of_ours(self) -> None:
        found = settings(services=["redis", "memcached", "files"], backup={"schedule": "15 3 * * *"})
        first = provision(found, ALL_ROLES)[0]
        assert isinstance(first, Claimed)
        assert first.paths == (
            "/srv/blog",
            "/var/log/blog",
            "/etc/logrotate.d/blog",
            "/etc/nginx/sites-available/blog",
            "/etc/nginx/sites-enabled/blog",
            "/var/lib/redis/blog",
            "/etc/systemd/system/memcached-blog.service",
            "/var/backups/blog",
            "/etc/redis/redis-blog.conf",
            "/etc/supervisor/conf.d/blog.conf",
        )
        assert [user.name for user in first.users] == ["blog", "redis-blog"]

    @pytest.mark.parametrize(
        ("source", "key"),
        [
            (".", False),
            ("../elsewhere", False),
            ("https://example.com/blog.git", False),
            ("file:///srv/git/blog.git", False),
            ("git@example.com:ann/blog.git", True),
            ("example.com:blog.git", True),
            ("ssh://git@example.com:2222/blog.git", True),
        ],
    )
    def test_a_deploy_key_is_made_for_a_source_over_ssh(self, source: str, key: bool) -> None:
        found = app.app(settings(source=source))
        assert (DeployKey("/srv/blog/.ssh", "blog") in found) == key

    @pytest.mark.parametrize(
        ("interpreter", "expected"),
        [
            ("python3", [Package("python3", "python3-venv")]),
            ("python3.12", [Package("python3", "python3-venv", "python3.12", "python3.12-venv")]),
            ("/opt/python/bin/python3", [Package("python3", "python3-venv")]),
            ("pypy3", [Package("python3", "python3-venv")]),
        ],
    )
    def test_the_packages_of_the_interpreter_and_of_the_hosts_own_by_which_tools_are_installed(
        self, interpreter: str, expected: list[Resource]
    ) -> None:
        assert python.python(settings(python=interpreter)) == expected

    def test_packages_of_all_recipes_are_one_transaction_and_come_first(self) -> None:
        notifying = Package("c", notify=Reload("x"))
        found = together([Directory("/a"), Package("a", "b", max_age=9), notifying, Package("b", "d", max_age=5)])
        assert found == [Package("a", "b", "d", max_age=5), Directory("/a"), notifying]
        assert together([Directory("/a")]) == [Directory("/a")]

    def test_each_recipe_stands_alone(self) -> None:
        assert supervisor.supervisor(settings()) == [Package("supervisor"), Service("supervisor")]
        assert nginx.nginx(settings()) == [Package("nginx"), nginx.logs(), nginx.site(settings()), Service("nginx")]
        assert system.system(settings(packages=["libpq5"])) == [Package(*system.BASE_PACKAGES, "libpq5")]

    def test_logrotate_handles_what_supervisord_keeps_open(self) -> None:
        text = text_of(app.app(settings()), "/etc/logrotate.d/blog")
        assert "/var/log/blog/*.log {" in text
        assert {"copytruncate", "missingok", "notifempty"} <= set(text.split())


class TestProcesses:
    """Which processes run where."""

    PROCESSES = {"web": "gunicorn a", "worker": "w", "clock": "c", "release": "r"}

    @pytest.mark.parametrize(
        ("hosts", "played", "expected"),
        [
            ({}, ("web",), ["web", "worker", "clock"]),
            ({"web": ["a"], "worker": ["b"]}, ("web",), ["web", "clock"]),
            ({"web": ["a"], "worker": ["b"]}, ("worker",), ["worker"]),
            ({"web": ["a"], "worker": ["b"]}, ("web", "worker"), ["web", "worker", "clock"]),
            ({"web": ["a"], "db": ["b"]}, ("db",), []),
            ({"web": ["a"], "release": ["b"]}, ("release",), []),
        ],
    )
    def test_run_where_their_role_is_played(
        self, hosts: dict[str, list[str]], played: Container[str], expected: list[str]
    ) -> None:
        assert list(processes.processes(settings(processes=self.PROCESSES, roles=hosts), played)) == expected


Directive: TypeAlias = "tuple[list[str], list[Directive] | None]"


def read_nginx(text: str) -> list[Directive]:
    """nginx's syntax: words, then ";" or a block in braces."""
    tokens = re.findall(r'#[^\n]*|"(?:[^"\\]|\\.)*"|[{};]|[^\s{};"]+(?:\{[0-9,]+\}[^\s{};"]*)?', text)
    queue = [token for token in tokens if not token.startswith("#")]

    def block(nested: bool) -> list[Directive]:
        found: list[Directive] = []
        words: list[str] = []
        while queue:
            token = queue.pop(0)
            if token == ";":
                found.append((words, None))
                words = []
            elif token == "{":
                found.append((words, block(True)))
                words = []
            elif token == "}":
                assert nested and not words
                return found
            else:
                words.append(token.strip('"'))
        assert not nested and not words
        return found

    return block(False)


def all_of(block: list[Directive] | None, name: str) -> list[list[str]]:
    """Arguments of all directives of this name."""
    return [words[1:] for words, _ in block or [] if words[0] == name]


def blocks(block: list[Directive] | None, *words: str) -> list[list[Directive]]:
    """All blocks that begin with these words."""
    return [inner for found, inner in block or [] if inner is not None and found[: len(words)] == list(words)]


def text_of(resources: Sequence[Resource], path: str) -> str:
    """What is rendered for a path, also within groups."""
    for resource in rendered(resources, Path("/nowhere"), "web1"):
        if isinstance(resource, Validated):
            inner = [r for r in resource.resources if isinstance(r, File) and r.path == path]
            if inner:
                return text_of(inner, path)
        elif isinstance(resource, File) and resource.path == path:
            content = resource.content
            assert not isinstance(content, bytes)
            return content.reveal() if isinstance(content, Secret) else content
    raise AssertionError(f"no {path}")


def answer(server: list[Directive]) -> list[str]:
    """What a server returns by itself for all that has no location of its own."""
    (location,) = blocks(server, "location", "/")
    (words,) = all_of(location, "return")
    return words


class TestSite:
    """nginx's configuration of the app."""

    def site(self, **values: Any) -> list[Directive]:
        return read_nginx(text_of([nginx.site(settings(**values))], "/etc/nginx/sites-available/blog"))

    def server(self, **values: Any) -> list[Directive]:
        return blocks(self.site(**values), "server")[-1]

    def test_is_one_group_that_nginx_must_accept(self) -> None:
        site = nginx.site(settings(domains=["example.com"]))
        assert isinstance(site, Validated)
        assert (site.validate, site.notify) == (["nginx", "-t"], ReloadNginx())
        assert names(site.resources) == [
            "file /etc/nginx/sites-available/blog",
            "symlink /etc/nginx/sites-enabled/blog",
            "file /etc/nginx/sites-available/hostsmith-unknown-host",
            "symlink /etc/nginx/sites-enabled/00-hostsmith-unknown-host",
            "absent /etc/nginx/sites-enabled/hostsmith-unknown-host",
            "absent /etc/nginx/sites-enabled/default",
        ]

    def test_requests_go_to_the_live_release_through_current(self) -> None:
        (upstream,) = blocks(self.site(), "upstream", "blog")
        assert all_of(upstream, "server") == [["unix:/srv/blog/current/run/web.sock", "fail_timeout=0"]]
        (location,) = blocks(self.server(), "location", "/")
        assert all_of(location, "proxy_pass") == [["http://blog"]]

    def test_the_app_knows_the_real_client_and_no_client_can_pretend(self) -> None:
        server = self.server()
        told = all_of(server, "proxy_set_header")
        headers = dict(told)
        assert len(headers) == len({name.lower() for name in headers}) == len(told), "each but once"
        assert headers["X-Real-IP"] == headers["X-Forwarded-For"] == "$remote_addr"
        assert headers["X-Forwarded-Proto"] == "$scheme"
        assert {headers[name] for name in ("Forwarded", "X-Forwarded-Port", "X-Ssl-Client-Verify", "Proxy")} == {""}
        # With one of its own it would inherit none of these.
        for location in blocks(server, "location"):
            assert all_of(location, "proxy_set_header") == []

    def test_the_app_is_told_the_name_that_nginx_has_found_the_site_by(self) -> None:
        assert dict(all_of(self.server(), "proxy_set_header"))["Host"] == "$http_host"
        headers = dict(all_of(self.server(domains=["example.com"]), "proxy_set_header"))
        assert headers["Host"] == headers["X-Forwarded-Host"] == "$host"

    def test_only_a_wildcard_is_asked_which_letters_stand_before_the_dot(self) -> None:
        assert blocks(self.server(domains=["example.com"]), "if", "($host") == []
        (check,) = blocks(self.server(domains=["example.com", "*.example.com"]), "if", "($host")
        assert all_of(check, "return") == [["400"]]

    def test_a_served_folder_is_looked_at_from_what_is_roots(self) -> None:
        server = self.server(static={"/static/": "blog/static"}, framework="django")
        (static,), (media,) = (blocks(server, "location", "^~", f"/{name}/") for name in ("static", "media"))
        assert all_of(static, "disable_symlinks") == [["on", "from=/srv/blog/current"]]
        assert all_of(media, "disable_symlinks") == [["on", "from=/srv/blog/shared"]]

    def test_a_balancer_and_nobody_else_is_believed_who_the_client_is(self) -> None:
        balanced = fleet(domains=["example.com"])
        site = read_nginx(text_of([nginx.site(balanced)], "/etc/nginx/sites-available/blog"))
        balancers = ["10.0.0.8", "2001:db8::8", "10.0.0.9"]
        for server in blocks(site, "server"):
            assert all_of(server, "set_real_ip_from") == [[address] for address in balancers]
            assert all_of(server, "real_ip_header") == [["X-Forwarded-For"]]
        (believed,) = blocks(site, "geo", "$realip_remote_addr", "$site_blog_balancer")
        assert [words for words, _ in believed] == [["default", "0"], *([address, "1"] for address in balancers)]
        (scheme,) = blocks(site, "map", "$site_blog_balancer $http_x_forwarded_proto", "$site_blog_scheme")
        assert [words for words, _ in scheme] == [["default", "$scheme"], ["1 http", "http"], ["1 https", "https"]]
        redirect, server = blocks(site, "server")
        assert answer(redirect) == ["301", "$site_blog_scheme://example.com$request_uri"]
        headers = dict(all_of(server, "proxy_set_header"))
        assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("$remote_addr", "$site_blog_scheme")

    def test_without_a_balancer_nobody_is(self) -> None:
        text = text_of([nginx.site(settings(domains=["example.com"]))], "/etc/nginx/sites-available/blog")
        assert "real_ip" not in text
        assert "http_x_forwarded" not in text

    def test_domains(self) -> None:
        server = self.server(domains=["example.com", "example.org", "*.example.com"])
        assert all_of(server, "server_name") == [["example.com", "example.org", "*.example.com"]]
        assert all_of(server, "listen") == [["80"], ["[::]:80"]]

    def test_without_domains_it_answers_every_name_that_no_other_site_has(self) -> None:
        assert all_of(self.server(), "listen") == [["80", "default_server"], ["[::]:80", "default_server"]]
        # The answer for unknown names may be there for another app: it gives way by itself.
        assert nginx.unknown_host(settings()) == [Absent("/etc/nginx/sites-enabled/hostsmith-unknown-host")]

    def test_with_domains_a_name_that_is_no_sites_gets_an_answer_that_is_not_the_apps(self) -> None:
        path = "/etc/nginx/sites-available/hostsmith-unknown-host"
        text = text_of(nginx.unknown_host(settings(domains=["example.com"])), path)
        (server,) = blocks(read_nginx(text), "server")
        assert all_of(server, "listen") == [["80"], ["[::]:80"]]
        assert answer(server)[0] == "404"
        assert "proxy_pass" not in text

    def test_www_is_redirected_to_the_listed_domain(self) -> None:
        site = self.site(domains=["example.com", "www.example.org"])
        *redirects, _ = blocks(site, "server")
        assert [(all_of(s, "server_name"), answer(s)) for s in redirects] == [
            ([["www.example.com"]], ["301", "$scheme://example.com$request_uri"]),
            ([["example.org"]], ["301", "$scheme://www.example.org$request_uri"]),
        ]
        assert len(blocks(self.site(domains=["example.com"], www_redirect=False), "server")) == 1

    def test_static_files_are_served_directly_and_hashed_names_for_ever(self) -> None:
        site = self.site(static={"/static/": "blog/static", "/media/": "media"})
        server = blocks(site, "server")[-1]
        (static,) = blocks(server, "location", "^~", "/static/")
        assert all_of(static, "alias") == [["/srv/blog/current/code/blog/static/"]]
        assert ["Cache-Control", "$site_blog_cache"] in all_of(static, "add_header")
        here = [words for words in all_of(static, "add_header") if words[0] != "Cache-Control"]
        assert here == all_of(server, "add_header") != [], "nginx does not take these from around it"
        assert len(blocks(server, "location", "^~", "/media/")) == 1
        (cache,) = blocks(site, "map", "$uri")
        ((pattern, value),) = [(words[0], words[1]) for words, _ in cache if words[0] != "default"]
        assert value == "public, max-age=31536000, immutable"
        assert [words for words, _ in cache if words[0] == "default"] == [["default", "public, max-age=3600"]]
        hashed = re.compile(pattern.removeprefix("~"))
        for name in ("app.3f2a91bc.js", "app-0123456789abcdef.min.css", "logo.d41d8cd98f00.svg"):
            assert hashed.search(f"/static/{name}"), name
        for name in ("app.js", "jquery-3.7.1.min.js", "facade.js", "2024-report.pdf"):
            assert not hashed.search(f"/static/{name}"), name

    def test_what_a_visitor_has_uploaded_runs_no_script_in_the_name_of_the_site(self) -> None:
        site = self.site(static={"/static/": "blog/static"}, framework="django")
        server = blocks(site, "server")[-1]
        (static,), (media,) = (blocks(server, "location", "^~", f"/{name}/") for name in ("static", "media"))
        assert ["Content-Security-Policy", "$site_blog_sandbox", "always"] in all_of(media, "add_header")
        assert not [words for words in all_of(static, "add_header") if words[0] == "Content-Security-Policy"]
        (kinds,) = blocks(site, "map", "$sent_http_content_type", "$site_blog_sandbox")
        ((pattern, value),) = [(words[0], words[1]) for words, _ in kinds if words[0] != "default"]
        assert value == "sandbox"
        shown = re.compile(pattern.removeprefix("~*"), re.IGNORECASE)
        for kind in ("text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "text/xml", "application/xhtml+xml"):
            assert shown.search(kind), kind
        for kind in ("image/png", "application/pdf", "text/plain; charset=utf-8"):
            assert not shown.search(kind), kind

    def test_what_browsers_are_told_holds_for_all_answers_and_gives_way_to_the_app(self) -> None:
        site = self.site()
        server = blocks(site, "server")[-1]
        told = all_of(server, "add_header")
        assert [words[0] for words in told] == ["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"]
        assert {words[2] for words in told} == {"always"}, "errors, too"
        maps = {words[2]: [inside for inside, _ in inner or []] for words, inner in site if words[0] == "map"}
        assert maps["$site_blog_nosniff"] == [["default", ""], ["", "nosniff"]]
        assert maps["$site_blog_referrer"] == [["default", ""], ["", "strict-origin-when-cross-origin"]]
        assert maps["$site_blog_frame"] == [["default", "SAMEORIGIN"], ["~^[^;]", ""], ["~*frame-ancestors", ""]]

    @pytest.mark.parametrize("domains", [[], ["example.com"]])
    def test_a_client_that_is_slow_or_large_is_given_up_also_before_it_has_named_a_site(
        self, domains: list[str]
    ) -> None:
        servers = [self.server(domains=domains)]
        if domains:
            path = "/etc/nginx/sites-available/hostsmith-unknown-host"
            servers += blocks(read_nginx(text_of(nginx.unknown_host(settings(domains=domains)), path)), "server")
        for server in servers:
            for name, words in {
                "client_header_timeout": ["10s"],
                "client_body_timeout": ["20s"],
                "send_timeout": ["20s"],
                "reset_timedout_connection": ["on"],
                "large_client_header_buffers": ["4", "8k"],
                "underscores_in_headers": ["off"],
                "ignore_invalid_headers": ["on"],
            }.items():
                assert all_of(server, name) == [words], name

    def test_a_websocket_is_all_that_a_connection_can_become(self) -> None:
        site = self.site()
        headers = dict(all_of(blocks(site, "server")[-1], "proxy_set_header"))
        assert (headers["Upgrade"], headers["Connection"]) == ("$site_blog_upgrade", "$site_blog_connection")
        (upgrade,) = blocks(site, "map", "$http_upgrade", "$site_blog_upgrade")
        assert [words for words, _ in upgrade] == [["default", ""], ["~*^websocket$", "websocket"]]
        (connection,) = blocks(site, "map", "$site_blog_upgrade", "$site_blog_connection")
        assert [words for words, _ in connection] == [["default", ""], ["websocket", "upgrade"]]

    def test_where_the_app_redirects_to_is_its_own_affair(self) -> None:
        for location in blocks(self.server(processes={"web": "uvicorn a:b --uds $SOCKET"}), "location"):
            if all_of(location, "proxy_pass"):
                assert all_of(location, "proxy_redirect") == [["off"]]
                assert all_of(location, "proxy_http_version") == [["1.1"]]

    @pytest.mark.parametrize("balanced", [False, True])
    def test_in_maintenance_visitors_get_a_page_that_nobody_keeps(self, balanced: bool) -> None:
        site = nginx.site(fleet(domains=["example.com"]) if balanced else settings())
        server = blocks(read_nginx(text_of([site], "/etc/nginx/sites-available/blog")), "server")[-1]
        assert ["590", "=503", "/.hostsmith/maintenance"] in all_of(server, "error_page")
        (page,) = blocks(server, "location", "=", "/.hostsmith/maintenance")
        assert all_of(page, "internal") == [[]]
        assert all_of(page, "root") == [["/srv/blog/maintenance/"]]
        told = all_of(page, "add_header")
        assert ["Retry-After", "$site_blog_retry_after", "always"] in told
        assert ["Cache-Control", "no-store", "always"] in told
        assert all(words in told for words in all_of(server, "add_header"))
        text = str(server)
        assert "-f', '/srv/blog/maintenance/page.html" in text
        assert "-f', '/srv/blog/maintenance/allow/$remote_addr" in text
        # The balancer's own question, and nobody else's, gets an answer that says that all is well.
        assert ("'allowed 1 127.0.0.1" in text) is balanced

    def test_what_the_live_release_does_not_have_is_looked_for_among_the_others(self) -> None:
        server = self.server(static={"/static/": "blog/static"})
        (static,) = blocks(server, "location", "^~", "/static/")
        assert all_of(static, "error_page") == [["404", "=", "@other_releases"]]
        (others,) = blocks(server, "location", "@other_releases")
        assert all_of(others, "root") == [["/srv/blog/assets"]]
        assert all_of(others, "disable_symlinks") == [["on", "from=/srv/blog/assets"]]
        assert all_of(others, "add_header") == all_of(static, "add_header")
        assert "other_releases" not in str(self.server())

    def test_no_hidden_file_is_served(self) -> None:
        (static,) = blocks(self.server(static={"/a.b/": "static"}), "location", "^~", "/a.b/")
        ((words, hidden),) = [(words, inner) for words, inner in static if words[:2] == ["location", "~"]]
        assert all_of(hidden, "return") == [["404"]]
        pattern = re.compile(words[2])
        for path in ("/a.b/.env", "/a.b/.git/config", "/a.b/x/.htpasswd", "/a.b/..x", "/a.b/.well-knownx"):
            assert pattern.search(path), path
        for path in ("/a.b/x.css", "/a.b/.well-known/security.txt", "/axb/.env"):
            assert not pattern.search(path), path

    def test_limits_logs_and_what_is_said_of_the_server(self) -> None:
        server = self.server(client_max_body_size="25m", web_timeout=120)
        assert all_of(server, "client_max_body_size") == [["25m"]]
        assert all_of(server, "server_tokens") == [["off"]]
        assert all_of(server, "gzip") == [["on"]]
        assert all_of(server, "access_log") == [["/var/log/nginx/blog.access.log"]]
        (location,) = blocks(server, "location", "/")
        assert all_of(location, "proxy_read_timeout") == [["125s"]]

    @pytest.mark.parametrize(
        "command",
        [
            "gunicorn -k uvicorn_worker.UvicornWorker blog:app",
            "gunicorn --worker-class asgi blog:app",
            "uvicorn blog:app --uds $SOCKET",
            "hypercorn --bind unix:$SOCKET blog:app",
            "python -m daphne -u $SOCKET blog:app",
        ],
    )
    def test_a_websocket_of_an_asgi_app_may_be_silent_for_long_and_other_requests_not(self, command: str) -> None:
        server = self.server(processes={"web": command})
        (location,), (websocket,) = blocks(server, "location", "/"), blocks(server, "location", "@websocket")
        assert all_of(websocket, "proxy_read_timeout") == [["1h"]]
        assert all_of(location, "proxy_read_timeout") == [["35s"]]
        (upgraded,) = blocks(location, "if")
        assert all_of(upgraded, "return") == [["418"]]
        assert ["418", "=", "@websocket"] in all_of(server, "error_page")
        assert all_of(websocket, "proxy_set_header") == all_of(location, "proxy_set_header") == []

    @pytest.mark.parametrize("command", ["gunicorn blog:app", "gunicorn -k gthread asgi:app", "waitress --on $SOCKET"])
    def test_a_site_without_asgi_is_as_it_always_was(self, command: str) -> None:
        text = text_of([nginx.site(settings(processes={"web": command}))], "/etc/nginx/sites-available/blog")
        assert "418" not in text
        assert "@websocket" not in text

    def test_a_name_with_dashes_makes_valid_variables(self) -> None:
        text = text_of([nginx.site(settings(app="my-blog-2"))], "/etc/nginx/sites-available/my-blog-2")
        variables = {words[2] for words, _ in read_nginx(text) if words[0] == "map"}
        assert all(re.fullmatch(r"\$\w+", name) for name in variables)
        assert "$site_my_blog_2_cache" in variables

    def test_sites_of_two_apps_define_nothing_twice(self) -> None:
        texts = [text_of([nginx.site(settings(app=a))], f"/etc/nginx/sites-available/{a}") for a in ("blog", "shop")]
        defined = [
            {tuple(w[:1] + w[-1:]) for w, inner in read_nginx(t) if inner is not None and w[0] != "server"}
            for t in texts
        ]
        assert defined[0].isdisjoint(defined[1])


class TestRelease:
    """A release's way to going live."""

    CODE = ReleaseCode("blog", ID, "abc")

    def test_in_its_order(self) -> None:
        found = release.prepared(settings(), EVERYTHING, Record(ID), self.CODE, NO_VARIABLES)
        assert [type(resource) for resource in found] == [
            ReleaseRecord,
            ReleaseCode,
            ReleaseVenv,
            Validated,
            Environment,
        ]
        assert found[0] == ReleaseRecord("blog", Record(ID))
        found = release.prepared(settings(static="public"), EVERYTHING, Record(ID), self.CODE, NO_VARIABLES)
        assert found[-1] == Assets("blog", ID, {"/static/": "code/public"})
        assert release.settled(settings(drain_timeout=7), ID, "old", "slow") == Settled("blog", ID, "old", 7, "slow")
        assert release.pruned(settings(keep_releases=3)) == Pruned("blog", 3)

    def test_the_release_command(self) -> None:
        processes = {"web": "gunicorn blog:app", "release": "python manage.py migrate"}
        assert release.release_command(settings(processes=processes, release_timeout=90), ID) == [
            ReleaseCommand("blog", ID, 90, "release: python manage.py migrate")
        ]
        assert release.release_command(settings(), ID) == []

    def test_gunicorn_is_installed_when_the_web_process_wants_it(self) -> None:
        for command in ("gunicorn blog:app", "python -m gunicorn blog:app", "/opt/bin/gunicorn blog:app"):
            found = release.virtualenv(settings(processes={"web": command}), ID)
            assert found == ReleaseVenv("blog", ID, None, None, ("gunicorn",)), command
        for command in ("uvicorn a:app --uds $SOCKET", "gunicornish --on $SOCKET"):
            assert release.virtualenv(settings(processes={"web": command}), ID).tools == ()

    @pytest.mark.parametrize(
        ("command", "brought"),
        [
            ("gunicorn -k uvicorn_worker.UvicornWorker blog:app", ("gunicorn", "uvicorn-worker")),
            ("gunicorn blog:app --worker-class=uvicorn_worker.UvicornH11Worker", ("gunicorn", "uvicorn-worker")),
            ("gunicorn -k 'uvicorn.workers.UvicornWorker' blog:app", ("gunicorn", "uvicorn")),
            ("gunicorn -k asgi blog:app", ("gunicorn",)),
            ("gunicorn -kgevent blog:app", ("gunicorn",)),
            ("gunicorn --paste production.ini", ("gunicorn",)),
            ("uvicorn blog:app --uds $SOCKET", ()),
        ],
    )
    def test_the_worker_that_gunicorn_is_to_use_is_installed_too(self, command: str, brought: tuple[str, ...]) -> None:
        found = release.virtualenv(settings(processes={"web": command}), ID)
        assert isinstance(found, ReleaseVenv)
        assert found.tools == brought

    def test_the_health_of_a_web_host(self) -> None:
        found = settings(health={"path": "/up", "timeout": 7, "statuses": ["200", "301-302"]}, domains=["example.com"])
        check = HealthCheck("/up", "example.com", ((200, 200), (301, 302)), 7)
        assert release.live(found, EVERYTHING, ID) == Live("blog", ID, check, 80, 30)

    def test_a_worker_host_is_not_asked_over_http(self) -> None:
        found = settings(processes={"web": "gunicorn blog:app", "worker": "w"}, roles={"web": ["a"], "worker": ["b"]})
        live = release.live(found, ("worker",), ID)
        assert (live.health, live.port) == (None, None)
        group = release.configuration(found, ("worker",), ID)
        assert isinstance(group, Validated)
        assert f"directory {FOLDER}/run" not in names(group.resources)

    def test_all_it_runs_with_is_within_it(self) -> None:
        group = release.configuration(settings(), EVERYTHING, ID)
        assert isinstance(group, Validated)
        found = {r.path: (r.mode, r.owner, r.group) for r in group.resources}
        assert found == {
            f"{FOLDER}/gunicorn.conf.py": (0o644, None, None),
            f"{FOLDER}/supervisor.conf": (0o644, None, None),
            f"{FOLDER}/start": (0o755, None, None),
            f"{FOLDER}/run": (0o1777, "root", "root"),
        }

    def test_secrets_are_not_shown(self) -> None:
        given = Variables({"TOKEN": Variable(Secret("hunter2"), "settings")}, {"OTHER": Secret("hunter2")})
        wanted = Wanted(given, {"KEY": Secret("hunter2")})
        found = release.prepared(settings(), EVERYTHING, Record(ID), self.CODE, wanted)
        assert "hunter2" not in repr(found) + repr(rendered(found, Path("/nowhere"), "web1"))

    @pytest.mark.parametrize(
        "command",
        [
            "gunicorn blog:app",
            "gunicorn --workers 3 blog:app",
            "gunicorn --bind unix:$SOCKET blog:app",
            "uvicorn blog:app --uds ${SOCKET}",
            "cd src && gunicorn blog:app",
        ],
    )
    def test_a_web_process_on_the_socket(self, command: str) -> None:
        release.configuration(settings(processes={"web": command}), EVERYTHING, ID)

    @pytest.mark.parametrize(
        ("command", "found"),
        [
            ("gunicorn --bind 0.0.0.0:8000 blog:app", "found `--bind"),
            ("gunicorn -b :8000 blog:app", "found `-b"),
            ("gunicorn --bind=:8000 blog:app", "found `--bind=:8000`"),
            ("gunicorn -b0.0.0.0:8000 blog:app", "found `-b"),
            ("uvicorn blog:app --port 8000", "found no `$SOCKET`"),
            ("python manage.py runserver", "found no `$SOCKET`"),
        ],
    )
    def test_a_web_process_that_listens_elsewhere_is_refused(self, command: str, found: str) -> None:
        with pytest.raises(SettingsError, match=re.escape(found)):
            release.configuration(settings(processes={"web": command}), EVERYTHING, ID)


class TestBalancer:
    """HAProxy's configuration."""

    def sections(self, **values: Any) -> dict[str, list[str]]:
        """Lines without comments, by section."""
        found: dict[str, list[str]] = {}
        for line in text_of([haproxy.balancer(fleet(**values))], "/etc/haproxy/haproxy.cfg").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                if line == line.lstrip():
                    lines = found.setdefault(line, [])
                else:
                    lines.append(line.strip())
        return found

    def test_is_one_group_that_haproxy_must_accept(self) -> None:
        group = haproxy.balancer(fleet())
        assert isinstance(group, Validated)
        assert group.validate == ["haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"]
        assert group.notify == ReloadHaproxy()
        assert group.resources[0] == BalancerOf("blog")
        text = text_of([group], "/etc/haproxy/haproxy.cfg")
        assert text.startswith("# blog: written by hostsmith"), "by this it knows whose it is"

    def test_the_web_hosts_with_their_weights(self) -> None:
        servers = [line.split()[1:5] for line in self.sections()["backend blog"] if line.startswith("server ")]
        assert servers == [
            ["web1.example.com", "10.0.0.1:80", "weight", "1"],
            ["web2:2222", "[2001:db8::2]:80", "weight", "3"],
        ]

    def test_each_has_one_name_however_it_is_written(self) -> None:
        assert haproxy.server_name(Host.parse("root@WEB1.example.com:22")) == "web1.example.com"
        assert haproxy.drained(fleet(drain_timeout=9), Host("WEB2", "ann", 2222)) == Drained("blog", "web2:2222", 9)

    def test_who_gets_the_next_request(self) -> None:
        assert "balance roundrobin" in self.sections()["backend blog"]
        assert "balance leastconn" in self.sections(balancer={"algorithm": "leastconn"})["backend blog"]

    def test_health_is_asked_as_a_release_is(self) -> None:
        health = {"path": "/up?full=1", "statuses": ["200-299", 301]}
        backend = self.sections(health=health, domains=["www.example.com"])["backend blog"]
        (send,) = [line for line in backend if line.startswith("http-check send")]
        assert send.startswith("http-check send meth GET uri '/up?full=1' ver HTTP/1.1 hdr Host www.example.com ")
        assert "http-check expect status 200-299,301" in backend

    def test_the_app_learns_of_the_client_from_the_balancer_alone(self) -> None:
        frontend = self.sections()["frontend http"]
        removed = frontend.index("http-request del-header X-Forwarded- -m beg")
        assert "http-request del-header Forwarded" in frontend
        for told in ("X-Forwarded-For %[src]", "X-Forwarded-Proto http"):
            assert removed < frontend.index(f"http-request set-header {told}")

    def test_a_client_is_limited_only_where_that_is_asked_for(self) -> None:
        assert not any("429" in line for line in self.sections()["frontend http"])
        (limit,) = [line for line in self.sections(balancer={"rate_limit": 50})["frontend http"] if "429" in line]
        assert limit.endswith("if { sc_http_req_rate(0) gt 50 }")

    def test_what_may_change_something_is_never_asked_twice(self) -> None:
        backend = self.sections()["backend blog"]
        retried = backend.index("retry-on conn-failure empty-response")
        assert "http-request disable-l7-retry unless { method GET HEAD OPTIONS }" in backend[retried:]

    def test_no_connection_keeps_the_worker_of_before_a_reload_for_ever(self) -> None:
        assert "hard-stop-after 5m" in self.sections()["global"]

    def test_only_root_and_its_own_group_steer_it(self) -> None:
        (line,) = [line for line in self.sections()["global"] if line.startswith("stats socket")]
        assert line == "stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners"
        assert {"user haproxy", "group haproxy", "chroot /var/lib/haproxy"} <= set(self.sections()["global"])

    def test_addresses_of_one_client_are_counted_together(self) -> None:
        limited = self.sections(balancer={"rate_limit": 50})["frontend http"]
        assert "http-request track-sc0 src,ipmask(32,64)" in limited

    def test_health_is_asked_as_a_visitor_by_https_asks(self) -> None:
        (send,) = [line for line in self.sections()["backend blog"] if line.startswith("http-check send")]
        assert " hdr X-Forwarded-For 127.0.0.1 hdr X-Forwarded-Proto https " in send

    def test_a_silent_client_or_host_is_given_up(self) -> None:
        found = self.sections()
        for line in ("http-request 10s", "http-keep-alive 60s", "client 60s", "client-fin 10s", "connect 1s"):
            assert f"timeout {line}" in found["defaults"]
        servers = [line for line in found["backend blog"] if line.startswith("server ")]
        assert all(line.endswith(" tcp-ut 2s") for line in servers)
        assert {"option srvtcpka", "srvtcpka-cnt 2", "timeout check 5s"} <= set(found["backend blog"])

    def test_nginx_gives_up_before_the_balancer_does(self) -> None:
        assert "timeout server 100s" in self.sections(web_timeout=90)["defaults"]


class TestSupervisor:
    """supervisord's configuration of a release."""

    def read(self, played: Container[str] = EVERYTHING, **values: Any) -> configparser.RawConfigParser:
        text = text_of([release.configuration(settings(**values), played, ID)], f"{FOLDER}/supervisor.conf")
        # As supervisor 4 reads it (options.py, UnhosedConfigParser).
        parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
        parser.read_string(text)
        return parser

    def test_each_process_is_a_program_of_the_releases_own_group(self) -> None:
        found = self.read(processes={"web": "gunicorn blog:app", "worker-2": "w", "release": "r"}, web_timeout=60)
        group = f"blog-{ID}"
        assert found.sections() == [f"program:{group}-web", f"program:{group}-worker-2", f"group:{group}"]
        assert found[f"group:{group}"]["programs"] == f"{group}-web,{group}-worker-2"
        web = found[f"program:{group}-web"]
        assert web["process_name"] == "web"
        assert web["command"] == f"{FOLDER}/start web"
        assert web["user"] == "blog"
        assert web["stdout_logfile"] == f"/var/log/blog/web-{ID}.log"
        assert int(web["stopwaitsecs"]) > 60, "longer than a request may take"

    def test_each_runs_until_it_is_asked_to_end_and_ends_with_all_that_it_has_started(self) -> None:
        worker = {"command": "cd src && python worker.py", "stop_signal": "INT", "start_timeout": 9, "scale": 3}
        found = self.read(processes={"web": "gunicorn blog:app", "worker": worker})
        web, shell = (dict(found[f"program:blog-{ID}-{name}"]) for name in ("web", "worker"))
        for each in (web, shell):
            assert (each["autostart"], each["autorestart"], each["startretries"]) == ("true", "true", "3")
            assert each["killasgroup"] == each["redirect_stderr"] == "true"
            assert each["stdout_logfile_maxbytes"] == "0", "logrotate does that"
        assert (web["stopsignal"], web["startsecs"], web.get("stopasgroup")) == ("TERM", "1", None)
        assert (shell["stopsignal"], shell["startsecs"], shell["stopasgroup"]) == ("INT", "9", "true")
        assert (shell["process_name"], shell["numprocs"], shell["numprocs_start"]) == (
            "worker.%(process_num)d", "3", "1",
        )  # fmt: skip

    def test_only_the_processes_of_the_host(self) -> None:
        processes = {"web": "gunicorn blog:app", "worker": "w"}
        found = self.read(("worker",), processes=processes, roles={"web": ["a"], "worker": ["b"]})
        assert found.sections() == [f"program:blog-{ID}-worker", f"group:blog-{ID}"]


class TestGunicorn:
    """gunicorn's configuration of a release."""

    def read(self, **values: Any) -> dict[str, Any]:
        text = text_of([release.configuration(settings(**values), EVERYTHING, ID)], f"{FOLDER}/gunicorn.conf.py")
        found: dict[str, Any] = {}
        exec(compile(text, "gunicorn.conf.py", "exec"), found)
        return found

    def test_it_listens_on_the_releases_own_socket(self) -> None:
        assert self.read()["bind"] == f"unix:{FOLDER}/run/web.sock"

    def test_workers_are_as_asked_or_for_the_cpus_of_the_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
        assert self.read(workers=7)["workers"] == 7
        assert self.read()["workers"] == 2 * len(os.sched_getaffinity(0)) + 1
        monkeypatch.setenv("WEB_CONCURRENCY", "3")
        assert self.read()["workers"] == 3

    def test_timeouts_and_threads(self) -> None:
        found = self.read(threads=4, web_timeout=90)
        assert (found["threads"], found["timeout"], found["graceful_timeout"]) == (4, 90, 90)

    def test_nothing_of_two_releases_that_run_side_by_side_is_shared(self) -> None:
        found = self.read()
        assert found["control_socket"] == f"{FOLDER}/run/gunicorn.ctl"
        assert found["worker_tmp_dir"] == "/dev/shm"
        assert (found["accesslog"], found["errorlog"]) == (None, "-")

    def test_an_app_that_ends_while_it_is_loaded_ends_the_server_and_is_not_started_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class HaltedError(Exception):
            pass

        monkeypatch.setitem(sys.modules, "gunicorn", ModuleType("gunicorn"))
        errors = ModuleType("gunicorn.errors")
        errors.__dict__["HaltServer"] = HaltedError
        monkeypatch.setitem(sys.modules, "gunicorn.errors", errors)
        found = self.read()
        running, stopping = SimpleNamespace(LISTENERS=["socket"]), SimpleNamespace(LISTENERS=[])
        with pytest.raises(HaltedError):
            found["child_exit"](running, None)
        found["child_exit"](stopping, None)
        # Once a worker has loaded it, one that ends is started again.
        found["post_worker_init"](None)
        found["child_exit"](running, None)


class TestStart:
    """The script that starts a process, really started."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A release of the app, below a folder for the test instead of /srv."""
        path = tmp_path / "re lease's"
        (path / "code").mkdir(parents=True)
        (path / "venv/bin").mkdir(parents=True)
        return path

    def write(self, folder: Path, processes: dict[str, Any], **environment: str) -> Path:
        found = settings(processes={"web": "gunicorn blog:app", **processes})
        group = release.configuration(found, EVERYTHING, ID)
        assert isinstance(group, Validated)
        (script,) = [r for r in group.resources if isinstance(r, Template) and r.path == f"{FOLDER}/start"]
        here = {"folder": str(folder), "home": f"{folder}/home", "socket": f"{folder}/run/web.sock"}
        (folder / "start").write_text(render(Path("/nowhere"), script.template, {**script.variables, **here}))
        (folder / "start").chmod(0o755)
        variables = Variables({name: Variable(Secret(value), "settings") for name, value in environment.items()})
        (folder / "env").write_text(Environment("blog", ID, variables).text())
        return folder / "start"

    def test_it_is_a_script_that_the_shell_accepts(self, folder: Path) -> None:
        start = self.write(folder, {"worker": "cd src && python worker.py | tee -a log; true", "release": "migrate"})
        subprocess.run(["sh", "-n", str(start)], check=True)

    def test_it_becomes_the_process_so_that_signals_reach_it(self, folder: Path) -> None:
        program(folder / "venv/bin/gunicorn", 'echo "$$ $PWD $* $SOCKET $HOME $VIRTUAL_ENV $GUNICORN_CMD_ARGS"')
        process = subprocess.Popen([self.write(folder, {}), "web"], stdout=subprocess.PIPE, text=True)
        text, _ = process.communicate()
        assert text == (
            f"{process.pid} {folder}/code blog:app {folder}/run/web.sock {folder}/home {folder}/venv "
            f"--config {folder}/gunicorn.conf.py\n"
        )

    @pytest.mark.parametrize("name", [name for name in NASTY if name != "not-utf8"])
    def test_environment_values_reach_the_process_as_they_are(self, folder: Path, name: str) -> None:
        value = NASTY[name] + '\t"$HOME"\\\n'
        start = self.write(folder, {"show": f"{sys.executable} show.py"}, NASTY=value, EMPTY="", PLAIN="1")
        (folder / "code/show.py").write_text("import json, os; print(json.dumps(dict(os.environ)))")
        done = subprocess.run([start, "show"], capture_output=True, text=True, check=True, env={"PATH": os.defpath})
        found = json.loads(done.stdout)
        assert (found["NASTY"], found["EMPTY"], found["PLAIN"]) == (value, "", "1")
        assert (found["HOSTSMITH_APP"], found["HOSTSMITH_RELEASE"]) == ("blog", ID)
        assert found["PATH"].startswith(f"{folder}/venv/bin:")
        assert list((folder / "code").iterdir()) == [folder / "code/show.py"]

    def test_nothing_that_it_starts_gets_more_rights_than_it_has(self, folder: Path) -> None:
        start = self.write(folder, {})
        done = subprocess.run([start, "run", "cat", "/proc/self/status"], capture_output=True, text=True, check=True)
        assert "NoNewPrivs:\t1\n" in done.stdout

    def test_its_memory_is_limited_where_that_is_asked_for(self, folder: Path) -> None:
        limit = 'python3 -c "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"'
        start = self.write(folder, {"small": {"command": limit, "memory": "64m"}, "free": limit})
        found = [
            subprocess.run([start, name], capture_output=True, text=True, check=True) for name in ("small", "free")
        ]
        assert [int(done.stdout) for done in found] == [64 << 20, -1]

    def test_what_it_prints_is_in_the_log_at_once_and_programs_of_the_host_are_found(self, folder: Path) -> None:
        start = self.write(folder, {})
        done = subprocess.run([start, "run", "env"], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
        assert "PYTHONUNBUFFERED=1\n" in done.stdout
        assert f"PATH={folder}/venv/bin:/bin\n" in done.stdout

    @pytest.mark.parametrize("part", ["env", "code"])
    def test_it_starts_nothing_without_its_environment_or_its_code(self, folder: Path, part: str) -> None:
        start = self.write(folder, {})
        (folder / part).rename(folder / "elsewhere")
        done = subprocess.run([start, "run", "echo", "started"], capture_output=True, text=True, check=False)
        assert (done.returncode != 0, done.stdout) == (True, "")

    def test_run_takes_any_command(self, folder: Path) -> None:
        argv = [
            self.write(folder, {}, TOKEN="hunter2"),
            "run",
            "sh",
            "-c",
            'printf "%s|" "$TOKEN" "$@"',
            "sh",
            "a b",
            "*",
        ]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "hunter2|a b|*|"

    @pytest.mark.parametrize("arguments", [[], ["nonsense"]])
    def test_anything_else_says_what_there_is(self, folder: Path, arguments: list[str]) -> None:
        start = self.write(folder, {"worker": "w"})
        done = subprocess.run([start, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr == f"usage: {start} web|worker|run COMMAND\n"

    def test_shell_syntax_in_a_command_works(self, folder: Path) -> None:
        start = self.write(folder, {"worker": "mkdir -p a/b && cd a/b && echo $PWD | tr a-z A-Z; exit 3"})
        done = subprocess.run([start, "worker"], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == (f"{folder}/code/a/b\n".upper(), 3)

    def test_a_command_may_begin_with_a_variable_as_elsewhere_in_procfiles(self, folder: Path) -> None:
        start = self.write(folder, {"worker": "GREETING=hello sh -c 'echo $GREETING'"})
        assert subprocess.run([start, "worker"], capture_output=True, text=True, check=False).stdout == "hello\n"

    def test_told_to_stop_as_supervisord_does_it_leaves_no_process(self, folder: Path) -> None:
        """A program behind shell syntax, such as `cd src && gunicorn blog:app`, has the shell before it."""
        processes = {"web": "gunicorn blog:app", "worker": "cd . && cat pipe"}
        start, pipe = self.write(folder, processes), folder / "code/pipe"
        os.mkfifo(pipe)
        configured = TestSupervisor().read(processes=processes)[f"program:blog-{ID}-worker"]
        process = subprocess.Popen([start, "worker"], start_new_session=True)
        with pipe.open("wb"):
            kill = os.killpg if configured.get("stopasgroup") == "true" else os.kill
            kill(process.pid, signal.SIGTERM)
            process.wait(30)
            nobody_reads(pipe)
