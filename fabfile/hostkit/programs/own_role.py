"""Program that root starts to run a database client as an app's own role.

The content of an app's database is untrusted: functions that tables call, commands in a dump. So the client logs in as
the app's role with its password, since a superuser that only took on the role could be made to return; and on the
host it runs as a user that owns nothing.
"""

import json
import os
import pwd
import sys


def main(app: str, service: str, role: str, *argv: str) -> None:
    """Replace this process with the client.

    :param argv: the client with its arguments; its environment has the server and the login.
    """
    path = f"/var/lib/hostsmith/{app}/services.json"
    try:
        with open(path, encoding="utf-8") as file:
            password = json.load(file)[service]["password"]
    except (OSError, ValueError, KeyError, TypeError):
        sys.exit(f"{path} has no password of {app} for {service}; `fab provision` generates it")
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
