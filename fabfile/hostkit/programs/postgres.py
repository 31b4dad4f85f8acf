"""PostgreSQL on this host: its cluster, queries as its superuser, and password hashes."""

from __future__ import annotations

import base64
import glob
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass

from ...contract.base import ResourceError
from ..linux import filesystem, system

_ETC = "/etc/postgresql"
_PORT = 5432
# PostgreSQL's default (RFC 5802, RFC 7677).
_ITERATIONS = 4096
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")


@dataclass(frozen=True)
class Cluster:
    """The server that listens on PostgreSQL's port.

    :param version: such as "15".
    :param etc: folder of its configuration.
    """

    version: str
    etc: str

    @property
    def settings(self) -> list[str]:
        """The command that validates its configuration."""
        server = f"/usr/lib/postgresql/{self.version}/bin/postgres"
        argv = [server, "-C", "shared_buffers", f"--config-file={self.etc}/postgresql.conf"]
        return ["runuser", "-u", "postgres", "--", *argv]


def cluster(etc: str = _ETC) -> Cluster:
    """Find the cluster on PostgreSQL's default port.

    :raises ResourceError: there is none.
    """
    for path in sorted(glob.glob(f"{etc}/*/main/postgresql.conf")):
        port = re.search(rb"^\s*port\s*=\s*(\d+)", filesystem.read(path) or b"", re.MULTILINE)
        if port is None or int(port[1]) == _PORT:
            folder = os.path.dirname(path)
            return Cluster(os.path.basename(os.path.dirname(folder)), folder)
    raise ResourceError(
        f"there is no PostgreSQL with port {_PORT} below {etc}; `pg_lsclusters` lists the existing ones"
    )


def ask(sql: str, database: str = "postgres", **values: str) -> list[list[str]]:
    """Run statements and return the rows; they are passed by standard input, which `ps` does not show.

    :param values: values in the statements, quoted by psql: `:'name'` for a text, `:"name"` for a name.
    :raises ResourceError: it failed, with PostgreSQL's own error.
    """
    # Not Debian's psql, a wrapper in Perl whose start takes longer than a query.
    psql = f"/usr/lib/postgresql/{cluster().version}/bin/psql"
    # Without alignment, headers and psqlrc.
    argv = [psql, "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-p", str(_PORT)]
    # Only PostgreSQL's own names: users who may create functions in a database could shadow them.
    argv += ["-d", f"dbname={database} options=-csearch_path=pg_catalog"]
    given = "".join(f"\\set {name} {_quoted(value)}\n" for name, value in values.items())
    done = system.run(argv, stdin=f"{given}{sql};\n".encode(), user="postgres", label="psql")
    return [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]


def _quoted(text: str) -> str:
    """Quote a text for psql's commands."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def verifier(password: str) -> str:
    """Return PostgreSQL's verifier of a password, so that the password itself is not sent, where it may be logged."""
    salt = secrets.token_bytes(16)
    stored, server = _keys(password, salt, _ITERATIONS)
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${stored}:{server}"


def is_verifier_of(kept: str, password: str) -> bool:
    """Whether PostgreSQL's verifier matches a password."""
    found = _VERIFIER.fullmatch(kept)
    if found is None:
        return False
    iterations, salt, *keys = found.groups()
    return _keys(password, base64.b64decode(salt), int(iterations)) == tuple(keys)


def _keys(password: str, salt: bytes, iterations: int) -> tuple[str, str]:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return _text(hashlib.sha256(client).digest()), _text(hmac.digest(salted, b"Server Key", "sha256"))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
