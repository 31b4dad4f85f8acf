"""PostgreSQL on this host: its cluster, questions to it as its superuser, and how it keeps passwords."""

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
# As PostgreSQL has it by default (RFC 5802, RFC 7677).
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
        """The command that reads its configuration and fails when the server would refuse it."""
        server = f"/usr/lib/postgresql/{self.version}/bin/postgres"
        argv = [server, "-C", "shared_buffers", f"--config-file={self.etc}/postgresql.conf"]
        return ["runuser", "-u", "postgres", "--", *argv]


def cluster(etc: str = _ETC) -> Cluster:
    """The one on PostgreSQL's own port.

    :raises ResourceError: there is none.
    """
    for path in sorted(glob.glob(f"{etc}/*/main/postgresql.conf")):
        port = re.search(rb"^\s*port\s*=\s*(\d+)", filesystem.read(path) or b"", re.MULTILINE)
        if port is None or int(port[1]) == _PORT:
            folder = os.path.dirname(path)
            return Cluster(os.path.basename(os.path.dirname(folder)), folder)
    raise ResourceError(
        f"found no PostgreSQL with port {_PORT} below {etc}; `pg_lsclusters` lists those that there are"
    )


def ask(sql: str, database: str = "postgres", **values: str) -> list[list[str]]:
    """The rows of an answer, or none; the statements go by standard input, where no `ps` shows them.

    :param values: what stands in the statements, quoted by psql: `:'name'` for a text, `:"name"` for a name.
    :raises ResourceError: it failed, in PostgreSQL's own words.
    """
    # Not Debian's wrapper of all versions' psql, a Perl program whose start costs more than an answer.
    psql = f"/usr/lib/postgresql/{cluster().version}/bin/psql"
    # Without alignment, headers and the user's own start file.
    argv = [psql, "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-p", str(_PORT)]
    # Names are PostgreSQL's own: whoever may make functions in a database could put others before these.
    argv += ["-d", f"dbname={database} options=-csearch_path=pg_catalog"]
    given = "".join(f"\\set {name} {_quoted(value)}\n" for name, value in values.items())
    done = system.run(argv, stdin=f"{given}{sql};\n".encode(), user="postgres", label="psql")
    return [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]


def _quoted(text: str) -> str:
    """A text as psql's own commands take it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password, so that it need not be sent there, where it may be logged."""
    salt = secrets.token_bytes(16)
    stored, server = _keys(password, salt, _ITERATIONS)
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${stored}:{server}"


def is_verifier_of(kept: str, password: str) -> bool:
    """Whether what PostgreSQL keeps is that of a password."""
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
