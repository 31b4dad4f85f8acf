"""Client program of a database, run as an app's own role: a program of its own, which root starts.

What is in an app's database is the app's: functions that tables call by themselves, commands in a dump. The program
that reads or writes it has the app's role, logged in with its password, since a superuser that only took on the role
could be made to go back; and on the host it is a user that owns nothing.
"""

import json
import os
import pwd
import sys


def main(app: str, service: str, role: str, *argv: str) -> None:
    """Become the program.

    :param argv: it, with its arguments; by its environment it finds the server, and who it is there.
    """
    path = f"/var/lib/hostsmith/{app}/services.json"
    try:
        with open(path, encoding="utf-8") as file:
            password = json.load(file)[service]["password"]
    except (OSError, ValueError, KeyError, TypeError):
        sys.exit(f"{path} has no password of {app} for {service}; `fab provision` makes it")
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    os.umask(0o077)
    os.chdir("/")
    kept = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    postgres = {"PGHOST": "127.0.0.1", "PGPORT": "5432", "PGUSER": role, "PGPASSWORD": password}
    theirs = {"postgres": postgres, "mysql": {"MYSQL_PWD": password}}
    os.execvpe(argv[0], argv, {**kept, **theirs[service]})  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
