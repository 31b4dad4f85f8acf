"""Services that an app asks for: where they run, who reaches them, and what the app is told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from hostsmith.environment.variables import Given
from hostsmith.errors import SettingsError
from hostsmith.hostkit.app import passwords
from hostsmith.hostkit.app.variables import Variable
from hostsmith.hostkit.linux import memory
from hostsmith.hostkit.programs import mariadb, postgres
from hostsmith.inventory import placement
from hostsmith.inventory.project import settings_of
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.openssh.host import Host
from hostsmith.recipes import provision
from hostsmith.recipes.firewall import Rule, firewall_rules
from hostsmith.resources import ResourceError, Secret
from hostsmith.resources.services.mariadb import MariadbDatabase
from hostsmith.resources.services.password import Password
from hostsmith.resources.services.port import PortGuard
from hostsmith.resources.services.postgres import PostgresClients, PostgresListening, package_of, tuning
from hostsmith.settings.hardening import Hardening
from hostsmith.settings.project import Settings
from pydantic import ValidationError

GB = 1 << 30
WEB, OTHER, DB = "root@10.0.0.1", "root@10.0.0.2", "root@10.0.0.9"


def settings(services: Any, **roles: list[str]) -> Settings:
    found = settings_of(app="my-blog", services=services, roles=roles, processes={"web": "gunicorn blog:app"})
    hosts = [entry.host for entries in found.roles.values() for entry in entries]
    return found.reached_at({found.machine(host): [host.host] for host in hosts})


def told(found: Settings, **passwords: str) -> dict[str, str]:
    secrets = {name: Secret(value) for name, value in passwords.items()}
    values = placement.variables(found, secrets, outside=False)
    return {name: value.reveal() if isinstance(value, Secret) else value for name, (_, value) in values.items()}


def listening(found: Settings, roles: Any) -> list[bool]:
    return [each.wanted for each in provision(found, roles) if isinstance(each, PostgresListening)]


def clients(found: Settings, roles: Any) -> Iterator[str]:
    for each in provision(found, roles):
        if isinstance(each, PostgresClients):
            yield from each.networks


class TestPlacement:
    """Where a service runs."""

    def test_beside_an_app_on_one_host_when_there_is_no_host_of_its_role(self) -> None:
        found = settings(["postgres"], web=[WEB])
        assert listening(found, {"web"}) == [False]
        assert told(found, postgres="pw")["DATABASE_URL"] == "postgresql://my_blog:pw@127.0.0.1:5432/my_blog"

    def test_beside_the_app_on_a_host_that_is_given_with_h(self) -> None:
        assert listening(settings(["postgres"]), ALL_ROLES) == [False]
        assert listening(settings(["postgres"], web=[WEB], db=[DB]), ALL_ROLES) == [False]

    def test_on_the_host_of_its_role_and_reachable_from_the_apps_hosts_alone(self) -> None:
        found = settings(["postgres"], web=[WEB, OTHER], db=[DB], lb=["root@10.0.0.7"])
        assert listening(found, {"web"}) == []
        assert listening(found, {"db"}) == [True]
        assert list(clients(found, {"db"})) == ["10.0.0.1/32", "10.0.0.2/32"]
        assert told(found, postgres="pw")["CONFIG_PG_HOST"] == "10.0.0.9"
        rules = [rule for rule in firewall_rules(found, {"db"}) if rule.port == 5432]
        assert rules == [Rule(5432, "tcp", "ip", ("10.0.0.1", "10.0.0.2"))]

    def test_a_host_that_has_the_role_and_the_app_keeps_it_to_itself(self) -> None:
        found = settings(["postgres"], web=[WEB], db=[WEB])
        assert listening(found, {"web", "db"}) == [False]
        assert told(found, postgres="pw")["CONFIG_PG_HOST"] == "127.0.0.1"

    def test_one_of_the_apps_hosts_has_it_for_all_of_them(self) -> None:
        found = settings(["postgres"], web=[WEB, OTHER], db=[WEB])
        assert list(clients(found, {"web", "db"})) == ["10.0.0.1/32", "10.0.0.2/32"]
        assert told(found, postgres="pw")["CONFIG_PG_HOST"] == "10.0.0.1"

    def test_a_role_that_is_named_wins_over_that_of_its_kind(self) -> None:
        found = settings({"postgres": {"role": "store"}}, web=[WEB], db=[OTHER], store=[DB])
        assert listening(found, {"db"}) == []
        assert listening(found, {"store"}) == [True]
        assert [rule.sources for rule in firewall_rules(found, {"store"}) if rule.port == 5432] == [("10.0.0.1",)]

    def test_an_app_on_several_hosts_is_told_which_line_to_write(self) -> None:
        found = settings(["postgres"], web=[WEB, OTHER])
        with pytest.raises(SettingsError, match=r"found 2 hosts that run the app .* write `roles: \{db: \["):
            provision(found, {"web"})

    def test_a_service_has_one_host(self) -> None:
        found = settings(["postgres"], web=[WEB], db=[DB, OTHER])
        with pytest.raises(SettingsError, match=r"found 2 hosts in roles.db .* expected one"):
            provision(found, {"db"})

    def test_a_role_that_is_named_has_a_host(self) -> None:
        found = settings({"postgres": {"role": "store"}}, web=[WEB])
        with pytest.raises(SettingsError, match=r"services.postgres.role: found 'store', which has no hosts"):
            provision(found, {"web"})

    def test_an_app_that_asks_for_none_gets_nothing_new(self) -> None:
        assert not any(isinstance(each, Password) for each in provision(settings([], web=[WEB]), {"web"}))


class TestRights:
    """Who runs what reads or writes an app's data."""

    def test_an_apps_data_is_read_and_written_by_no_superuser_and_not_by_root(self) -> None:
        for service in placement.services(settings_of(app="blog", services=["postgres", "mysql", "redis", "files"])):
            restore = service.restore()
            assert restore is not None
            for argv in (service.backup(), restore.load, service.check()):
                own = argv[:3] == ["python3", "-I", "-c"] and argv[4:7] == ["blog", service.name, service.database]
                redis = argv[:2] == ["sh", "-c"] and "exec runuser -u" in argv[2] and argv[3:5] == ["as", "redis-blog"]
                assert own or redis or argv[:3] == ["runuser", "-u", "blog"], argv

    def test_no_database_on_the_way_of_a_restore_can_be_an_apps_own(self) -> None:
        for service in placement.services(settings_of(app="blog", services=["postgres", "mysql"])):
            text = str(service.restore())
            assert "blog-restored" in text and "blog-replaced" in text
            assert "blog_restored" not in text and "blog_replaced" not in text


class TestPostgres:
    """PostgreSQL."""

    def test_names_that_it_keeps_for_itself_are_not_taken(self) -> None:
        for app, name in (("public", "app_public"), ("pg-tools", "app_pg_tools"), ("my-blog", "my_blog")):
            (service,) = placement.services(settings_of(app=app, services=["postgres"]))
            assert service.database == name

    def test_it_is_tuned_to_the_memory_and_to_who_else_lives_there(self) -> None:
        assert "shared_buffers = 1024MB\neffective_cache_size = 3072MB\n" in tuning(4 * GB, alone=True)
        assert "shared_buffers = 512MB\neffective_cache_size = 2048MB\n" in tuning(4 * GB, alone=False)
        assert "shared_buffers = 64MB\n" in tuning(GB // 2, alone=False)
        assert "max_connections = 40\n" in tuning(GB // 2, alone=False)

    def test_its_packages_of_extensions_are_those_of_its_version(self) -> None:
        assert package_of("postgis", "15") == "postgresql-15-postgis-3"
        assert package_of("postgis_raster", "17") == "postgresql-17-postgis-3"
        assert package_of("vector", "17") == "postgresql-17-pgvector"
        assert package_of("pg_cron", "15") == "postgresql-15-pg-cron"

    def test_a_password_is_told_from_another_by_what_postgresql_keeps_of_it(self) -> None:
        kept = postgres.verifier("correct horse")
        assert postgres.is_verifier_of(kept, "correct horse")
        assert not postgres.is_verifier_of(kept, "correct horses")
        assert not postgres.is_verifier_of("", "")
        assert not postgres.is_verifier_of("md5abc", "correct horse")

    def test_what_it_keeps_is_what_rfc_7677_says(self) -> None:
        salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        _, server = postgres._keys("pencil", salt, 4096)
        assert server == "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

    def test_the_lines_of_an_app_come_to_those_of_others_and_go(self) -> None:
        found = "# of the admin\nlocal all all peer"
        blog, shop = PostgresClients("blog", "blog", ("10.0.0.1/32",)), PostgresClients("shop", "shop", ("::1/128",))
        both = shop.within(blog.within(found))
        assert 'host "blog" "blog" 10.0.0.1/32 scram-sha-256\n' in both
        assert shop.within(blog.within(both)).count("scram-sha-256") == 2
        gone = PostgresClients("blog", "blog", ()).within(PostgresClients("shop", "shop", ()).within(both))
        assert gone == f"{found}\n"

    def test_an_address_of_ipv6_is_written_as_urls_want_it(self) -> None:
        found = settings(["postgres"], web=[WEB], db=["root@[2001:db8::9]"])
        assert told(found, postgres="pw")["DATABASE_URL"] == "postgresql://my_blog:pw@[2001:db8::9]:5432/my_blog"
        assert Host.parse("root@[2001:db8::9]").host == "2001:db8::9"

    def test_the_password_is_a_secret_wherever_it_stands(self) -> None:
        values = placement.variables(settings(["postgres"]), {"postgres": Secret("pw")}, outside=True)
        assert {name for name, (_, value) in values.items() if isinstance(value, Secret)} == {
            "DATABASE_URL",
            "CONFIG_PG_PASSWORD",
        }


class TestPasswords:
    """What is made up for a service stays."""

    def test_each_service_has_its_own_and_keeps_it(self, tmp_path: Path) -> None:
        folder = str(tmp_path)
        passwords.generate("blog", "postgres", folder)
        first = passwords.kept("blog", folder)
        passwords.generate("blog", "redis", folder)
        passwords.generate("shop", "redis", folder)
        both = passwords.kept("blog", folder)
        assert both["postgres"] == first["postgres"] != both["redis"] != passwords.kept("shop", folder)["redis"]
        assert (tmp_path / "blog" / "services.json").stat().st_mode & 0o777 == 0o600
        passwords.forget("blog", "redis", folder)
        assert passwords.kept("blog", folder) == first

    def test_a_file_that_somebody_broke_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "blog").mkdir()
        (tmp_path / "blog" / "services.json").write_text('{"postgres": "oops"}')
        with pytest.raises(ResourceError, match="is damaged"):
            passwords.kept("blog", str(tmp_path))


class TestMemory:
    """How much memory services are tuned to."""

    def test_a_container_has_what_it_is_given(self, tmp_path: Path) -> None:
        meminfo, limit = tmp_path / "meminfo", tmp_path / "max"
        meminfo.write_text("MemTotal:        4194304 kB\nMemFree: 1 kB\n")
        assert memory.total(str(meminfo), str(limit)) == 4 * GB
        limit.write_text("max\n")
        assert memory.total(str(meminfo), str(limit)) == 4 * GB
        limit.write_text(f"{GB}\n")
        assert memory.total(str(meminfo), str(limit)) == GB


class TestOthers:
    """What an app is told of the other services, and what their hosts get."""

    def test_the_cache_is_that_of_memcached_where_there_is_one_and_else_of_redis(self) -> None:
        redis = told(settings(["redis"], web=[WEB]), redis="pw")
        assert (redis["REDIS_URL"], redis["CACHE_URL"]) == (
            "redis://:pw@127.0.0.1:6379/0",
            "redis://:pw@127.0.0.1:6379/1",
        )
        both = told(settings(["redis", "memcached"], web=[WEB], cache=[DB]), redis="pw", memcached="")
        assert both["CACHE_URL"] == "memcached://10.0.0.9:11211"
        assert both["REDIS_URL"] == "redis://:pw@10.0.0.9:6379/0"

    def test_of_two_databases_the_first_has_the_url(self) -> None:
        found = told(settings(["mysql", "postgres"], web=[WEB]), mysql="m", postgres="p")
        assert found["DATABASE_URL"] == "mysql://my_blog:m@127.0.0.1:3306/my_blog"
        assert found["CONFIG_PG_PASSWORD"] == "p"

    def test_the_firewall_opens_the_port_that_the_settings_name(self) -> None:
        found = settings({"redis": {"port": 6380}, "memcached": {}}, web=[WEB], cache=[DB])
        rules = {rule.port: rule.sources for rule in firewall_rules(found, {"cache"})}
        assert rules == {6379: ("10.0.0.1",), 6380: ("10.0.0.1",), 11211: ("10.0.0.1",)}

    def test_memcached_is_not_left_open_to_everybody(self) -> None:
        found = settings(["memcached"], web=[WEB], cache=[DB]).model_copy(
            update={"hardening": Hardening(firewall=False)}
        )
        with pytest.raises(SettingsError, match="memcached has no passwords"):
            provision(found, {"cache"})

    def test_files_are_for_an_app_on_one_host(self) -> None:
        assert (
            told(settings(["files"], web=[WEB], db=[DB]), files="")["CONFIG_FILES_PATH"] == "/srv/my-blog/shared/files"
        )
        with pytest.raises(
            SettingsError, match="found 2 hosts that run the app .* since files is on the disk of a host"
        ):
            provision(settings(["files"], web=[WEB, OTHER]), {"web"})

    def test_files_have_no_role(self) -> None:
        with pytest.raises(ValidationError, match="expected no role"):
            settings({"files": {"role": "db"}})

    def test_mariadbs_users_are_those_of_the_apps_hosts(self) -> None:
        local = [each.hosts for each in provision(settings(["mysql"], web=[WEB]), {"web"}) if _is_mariadb(each)]
        assert local == [("127.0.0.1", "::1", "localhost")]
        found = settings(["mysql"], web=[WEB, OTHER], db=[DB])
        assert [each.hosts for each in provision(found, {"db"}) if _is_mariadb(each)] == [
            ("10.0.0.1", "10.0.0.2", "127.0.0.1")
        ]

    def test_what_mariadb_keeps_of_a_password_is_what_its_manual_says(self) -> None:
        assert mariadb.kept("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"

    @pytest.mark.parametrize("memory", ["64", "lots", "0m", "1.5g", 64])
    def test_an_amount_of_memory_has_a_unit(self, memory: Any) -> None:
        with pytest.raises(ValidationError, match="an amount of memory such as 64m"):
            settings({"redis": {"memory": memory}})

    def test_the_settings_are_stronger_than_what_services_say(self) -> None:
        of_service = {name: Variable("service", "postgres") for name in ("A", "B", "C")}
        found = Given({"A": Variable("mine", "settings")}, {"B": 16}).over(of_service)
        assert found.known == {"A": Variable("mine", "settings"), "C": Variable("service", "postgres")}
        assert found.generated == {"B": 16}


def _is_mariadb(resource: Any) -> TypeGuard[MariadbDatabase]:
    return isinstance(resource, MariadbDatabase)


class TestGuards:
    """Whoever knows no passwords is reached by the app's user alone, on whichever host that is."""

    def test_an_apps_host_keeps_its_other_users_from_a_memcached_elsewhere(self) -> None:
        found = settings(["memcached", "redis"], web=[WEB, "10.0.0.2"], cache=[DB])
        assert placement.guards(found, frozenset({"web"})) == [
            PortGuard("memcached-my-blog", 11211, "my-blog", ("10.0.0.9",)),
        ]
        assert placement.guards(found, frozenset({"cache"})) == []

    def test_the_host_of_a_memcached_has_a_guard_of_its_own(self) -> None:
        found = settings(["memcached"], web=[WEB], cache=[DB])
        (service,) = placement.services_on(found, frozenset({"cache"}))
        assert PortGuard("memcached-my-blog", 11211, "my-blog") in service.install()

    def test_whatever_listens_for_other_hosts_comes_after_a_firewall(self) -> None:
        found = settings(["postgres", "memcached"], web=[WEB], db=[DB], cache=[DB])
        names = [each.describe() for each in provision(found, frozenset({"db", "cache"}))]
        assert names.index("firewall") < names.index("firewall before postgres") < names.index("service postgresql")
