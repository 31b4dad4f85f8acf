"""The code that travels to a host, and the command that starts it there."""

from __future__ import annotations

import functools
import inspect
import io
import shlex
import string
import sys
import threading
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..contract.base import Handler, Resource
from ..contract.wire import CANONICAL
from ..errors import UsageError
from ..resources.validated import Validated
from .fingerprint import fingerprint

_HERE = Path(__file__).parent.parent
# The agent can say which version it is.
_TRAVELLING = ("_version.py", *(f"{package}/**/*.py" for package in ("contract", "hostkit", "resources", "agent")))

# Exit statuses by which the start of the agent reports what is missing.
NO_PYTHON, OLD_PYTHON = 95, 96

# What the deployers of an app may run as root: it starts the agent that `fab provision` has put on the host.
GATE, GATE_CODE = "/usr/local/sbin/hostsmith-gate", "/usr/local/lib/hostsmith/agent.zip"
GATE_SCRIPT = f"""\
#!/usr/bin/python3 -I
# Written by hostsmith: what deployers may run as root, with the name of their app.
import os, sys
with open("{GATE_CODE}", "rb") as file: data = code = file.read()
# A copy, which a provision that goes on at the same time does not change.
fd = os.memfd_create("hostsmith")
while data: data = data[os.write(fd, data):]
sys.path.insert(0, "/proc/self/fd/%d" % fd)
from {CANONICAL}.agent.gate import main
main(code)
"""

# What a timer of systemd's starts on a host that makes backups by itself.
BACKUP = "/usr/local/sbin/hostsmith-backup"
BACKUP_SCRIPT = f"""\
#!/usr/bin/python3 -I
# Written by hostsmith: backs up what a plan names; its argument is the plan's path.
import sys
sys.path.insert(0, "{GATE_CODE}")
from {CANONICAL}.agent.scheduled import main
main(sys.argv[1])
"""

# The code that a host keeps until it boots, in memory as all of /run is, so that neither a full disk nor a power cut
# can damage it. Root loads it from there: a folder that is not root's alone is not used.
CODE = "/run/hostsmith"
# Bytes that must be free for bytecode to be written: older versions of Python leave half a file where there is less.
_ROOM = 4 << 20

_BOOTSTRAP = f"""\
import sys
if sys.version_info < (3, 10):
    sys.stderr.write("found Python %d.%d on the host, expected 3.10 or newer" % sys.version_info[:2])
    sys.exit({OLD_PYTHON})
import os
if not os.path.exists(os.path.dirname(os.__file__) + "/xmlrpc/client.py"): sys.exit({NO_PYTHON})
import fcntl
stdin = sys.stdin.buffer
for line in stdin:
    if line.startswith(b"hostsmith /"): break
else: sys.exit(1)
folder = line.split()[1].decode()
def load(folder):
    held = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        for status in os.lstat(os.path.dirname(folder)), os.fstat(held):
            if status.st_uid != os.geteuid() or status.st_mode & 0o22: raise PermissionError
        space = os.statvfs(held)
        sys.dont_write_bytecode = space.f_bavail * space.f_frsize < {_ROOM}
        sys.path.insert(0, folder)
        from {CANONICAL}.agent.main import main
        return main
    except Exception:
        os.close(held)
        raise
try: main = load(folder)
except Exception as error:
    os.write(1, b"\\x1e{{\\"event\\": \\"code\\"}}\\n")
    frames, scope = b"", {{}}
    line = stdin.readline()
    while not line.startswith(b"code "):
        if not line: sys.exit(1)
        frames += line + stdin.read(int(line))
        line = stdin.readline()
    exec(stdin.read(int(line[5:])), scope)
    main = scope["unpack"](stdin, folder, load, error)
    stdin = scope["Input"](frames, stdin)
main(stdin)
"""

# Debian's minimal Python lacks parts of the standard library, and a minimal image has none at all: both get the
# full one first. Standard input is the agent's alone.
_START = f"""\
agent() {{ python3 -I -c {shlex.quote(_BOOTSTRAP)}; }}
command -v python3 >/dev/null && {{ agent; status=$?; }} || status={NO_PYTHON}
if [ $status = {NO_PYTHON} ]; then
  {{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3; }} \\
    </dev/null >&2 || exit {NO_PYTHON}
  agent; status=$?
fi
exit $status
"""
# Root needs no sudo, and a minimal host has none. SSH_AUTH_SOCK, the forwarded SSH agent, is handed through because
# sudo's default is to drop it. `-H`: root's own home, or git and pip would write into the user's.
# A known umask and language, whatever the user's are: what sudo says is read, and files are for others to read.
_AS_ROOT = """\
umask 022
export LC_ALL=C.UTF-8
unset LANGUAGE
if [ "$(id -u)" = 0 ]; then eval "$1"; fi
command -v sudo >/dev/null || { echo "sudo: not installed" >&2; exit 97; }
exec sudo -H $2 -- env SSH_AUTH_SOCK="$SSH_AUTH_SOCK" /bin/sh -c "$1"
"""
# The user's login shell reads the command, and need not be a POSIX one: fish knows another quoting, csh no line breaks
# in quotes and no long words. This all of them read alike: of single quotes and backslashes there are few.
_DECODE = """'eval "$(printf %b "$@")"'"""
_WORD = 500
_PLAIN = frozenset(string.ascii_letters + string.digits + string.punctuation + " ") - frozenset("'\\!")


@functools.cache
def start_command(sudo_password: bool) -> str:
    """The one command that is executed on a host: it becomes root, starts Python and has it read from us.

    :param sudo_password: whether a first line with sudo's password is sent.
    """
    sudo = "-S -p ''" if sudo_password else "-n"
    script = f"set -- {shlex.quote(_START)}\n" + _AS_ROOT.replace("$2", sudo)
    return " ".join(["/bin/sh -c", _DECODE, "sh", *(f"'{word}'" for word in _words(script))])


def _words(text: str) -> Iterator[str]:
    """A text as short words that `printf %b` puts together again, and that mean nothing to any shell in quotes."""
    word = ""
    for character in text:
        word += character if character in _PLAIN else f"\\0{ord(character):03o}"
        if len(word) >= _WORD:
            yield word
            word = ""
    yield word


# Threads ask at once, one to a host: the first makes it for all.
_making = threading.Lock()


@functools.cache
def _files() -> list[tuple[str, bytes]]:
    """The agent and the resources: paths and contents, as text files are on Linux."""
    found = [(f"{CANONICAL}/__init__.py", b"")]
    for package in _TRAVELLING:
        for path in sorted(_HERE.glob(package)):
            name = path.relative_to(_HERE).as_posix()
            found.append((f"{CANONICAL}/{name}", path.read_bytes().replace(b"\r\n", b"\n")))
    return found


@functools.cache
def _version() -> str:
    return fingerprint(_files())


def code_folder() -> str:
    """Where a host keeps this version of the code."""
    with _making:
        return f"{CODE}/{_version()}"


@functools.cache
def agent_zip(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The agent and the resources as a zip file; the same bytes for the same code.

    :param compression: of what is only stored, the bytes are the same on every machine.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression, compresslevel=9) as archive:
        for name, content in _files():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def code_message() -> bytes:
    """The answer to a host that asks for the code: a program that unpacks it, and the code."""
    with _making:
        code, program = agent_zip(), (_HERE / "agent" / "unpack.py").read_bytes()
    return b"code %d\n%s%d\n%s" % (len(program), program, len(code), code)


def own_modules(resources: Iterable[Resource]) -> dict[str, str]:
    """Sources of the modules, other than ours, in which the resources and handlers of a project are defined.

    :raises UsageError: a class stands in a fabfile, which cannot travel.
    """
    modules: dict[str, str] = {}
    for part in _parts(resources):
        for cls in reversed(type(part).__mro__):
            name = cls.__module__
            if name == "builtins" or name.split(".")[0] == CANONICAL or _is_ours(name):
                continue
            if name in ("fabfile", "__main__"):
                raise UsageError(
                    f"the resource class {cls.__name__} is defined in {name}, which cannot be sent to a host; "
                    "move it to a separate module that imports only the standard library and hostsmith.resources"
                )
            modules[name] = inspect.getsource(sys.modules[name])
    return modules


def _is_ours(module: str) -> bool:
    """Whether a module is of this library, also when it is loaded by its name in a checkout."""
    package = __name__.partition(".")[0]
    return module.startswith(f"{package}.")


def _parts(resources: Iterable[Resource]) -> Iterable[Resource | Handler]:
    for resource in resources:
        yield resource
        yield from resource.handlers()
        if isinstance(resource, Validated):
            yield from _parts(resource.resources)
