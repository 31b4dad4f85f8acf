"""PostgresDatabase: what PostgreSQL is asked to make, and whose it must be. The server is tried on real hosts."""

from __future__ import annotations

import pytest
from hostsmith.hostkit.app import passwords
from hostsmith.hostkit.programs import postgres
from hostsmith.resources import ResourceError, Secret
from hostsmith.resources.services.postgres import PostgresDatabase


class Postgres:
    """Answers what is there of the users and databases of its name, and notes what else it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.there: list[list[str]] = []

    def ask(self, sql: str, database: str = "postgres", **values: str) -> list[list[str]]:
        if "UNION ALL" in sql:
            return self.there
        if sql.startswith("SELECT 1 FROM pg_roles"):
            return [["1"]] if any(kind == "user" for kind, _ in self.there) else []
        self.asked.append(sql)
        return []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Postgres:
    server = Postgres()
    monkeypatch.setattr(postgres, "ask", server.ask)
    monkeypatch.setattr(passwords, "kept", lambda app: {"postgres": Secret("hunter2-long")})
    monkeypatch.setattr(passwords, "users", lambda app: set())
    monkeypatch.setattr(passwords, "remember_user", lambda app, service: None)
    return server


def test_nobody_but_its_own_user_connects_to_a_new_database(server: Postgres) -> None:
    change = PostgresDatabase("blog", "blog").check()
    assert change is not None
    assert change.summary == "created user and database"
    change.apply()
    role, login, create, revoke = server.asked
    assert role == 'CREATE ROLE :"name"'
    assert login == "ALTER ROLE :\"name\" LOGIN PASSWORD :'verifier'"
    assert create.startswith('CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ')
    assert revoke == 'REVOKE ALL ON DATABASE :"name" FROM PUBLIC'


def test_all_is_there(server: Postgres) -> None:
    server.there = [["user", postgres.verifier("hunter2-long")], ["owner", "blog"]]
    change = PostgresDatabase("blog", "blog").check()
    assert change is not None
    assert change.summary == "created record of user"


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        ([["user", ""]], "the role blog exists in PostgreSQL, but hostsmith did not"),
        (
            [["user", postgres.verifier("another")]],
            "the role blog exists in PostgreSQL, but hostsmith did not",
        ),
        (
            [["user", postgres.verifier("hunter2-long")], ["owner", "ann"]],
            "the database blog exists in PostgreSQL, but belongs to ann",
        ),
        ([["owner", "postgres"]], "the database blog exists in PostgreSQL, but belongs to postgres"),
    ],
)
def test_what_is_somebody_elses_is_not_taken_over(server: Postgres, there: list[list[str]], problem: str) -> None:
    server.there = there
    with pytest.raises(ResourceError, match=problem):
        PostgresDatabase("blog", "blog").check()
    assert server.asked == []
