"""An app that uses the services it is told of by its environment: `GET /<service>` writes something and reads it."""

import os
import socket
from pathlib import Path


def postgres() -> str:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        (count,) = connection.execute("SELECT count(*) FROM visits").fetchone()
        return f"{count} of {os.environ['CONFIG_PG_USER']} at {os.environ['CONFIG_PG_HOST']}"


def mysql() -> str:
    import pymysql

    parts = {name.lower(): os.environ[f"CONFIG_MYSQL_{name}"] for name in ("HOST", "USER", "PASSWORD")}
    connection = pymysql.connect(**parts, database=os.environ["CONFIG_MYSQL_DBNAME"], autocommit=True)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (id INT AUTO_INCREMENT PRIMARY KEY)")
        cursor.execute("INSERT INTO visits VALUES ()")
        cursor.execute("SELECT count(*) FROM visits")
        return f"{cursor.fetchone()[0]} at {os.environ['CONFIG_MYSQL_HOST']}"


def redis() -> str:
    from redis import Redis

    return f"{Redis.from_url(os.environ['REDIS_URL']).incr('visits')} at {os.environ['CONFIG_REDIS_HOST']}"


def memcached() -> str:
    where = os.environ["CACHE_URL"].removeprefix("memcached://").rsplit(":", 1)
    with socket.create_connection((where[0], int(where[1])), timeout=5) as connection:
        connection.sendall(b"add visits 0 0 1\r\n0\r\nincr visits 1\r\nquit\r\n")
        told = b"".join(iter(lambda: connection.recv(4096), b""))
    return f"{told.split()[-1].decode()} at {where[0]}"


def files() -> str:
    path = Path(os.environ["CONFIG_FILES_PATH"]) / "visits"
    with path.open("a") as file:
        file.write(".")
    return f"{len(path.read_text())} at {path.parent}"


def app(environ, start_response):
    asked = environ["PATH_INFO"].strip("/")
    try:
        status, text = "200 OK", globals()[asked]() if asked != "healthz" else "well"
    except Exception as error:
        status, text = "500 Internal Server Error", f"{type(error).__name__}: {error}"
    start_response(status, [("Content-Type", "text/plain")])
    return [text.encode()]
