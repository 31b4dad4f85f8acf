"""The agent touches paths by `filesystem` and `folders` alone, which others cannot redirect: seen in its source."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.attack

ROOT = Path(__file__).parents[2] / "fabfile"
FOLDERS = ("contract", "hostkit", "resources", "agent")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# What follows a path, to change, open or list what is there.
FOLLOWING = {
    "os": {
        "chown",
        "lchown",
        "chmod",
        "mkdir",
        "makedirs",
        "unlink",
        "remove",
        "rmdir",
        "removedirs",
        "rename",
        "renames",
        "replace",
        "symlink",
        "link",
        "open",
        "truncate",
        "utime",
        "mknod",
        "mkfifo",
        "setxattr",
        "removexattr",
        "walk",
        "listdir",
        "scandir",
    },
    "shutil": {"rmtree", "copy", "copy2", "copyfile", "copytree", "move", "chown", "copymode", "copystat"},
    "tempfile": {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile"},
    "glob": {"glob", "iglob"},
    "": {"open"},
}
BY_DESCRIPTOR = {"dir_fd", "src_dir_fd", "dst_dir_fd"}
# The few others: what each calls, and why nobody can lead it astray.
_HANDLES = "on descriptors"
_ROOTS = "in folders of root's alone, which hostsmith or the system has made"
_KERNEL = "in /proc and /sys"
_APPS = "it runs as the app's user"
_SCRATCH = "in a folder that it has just made for itself, as mkdtemp(3) does"
ALLOWED: dict[str, tuple[str, str]] = {
    "hostkit/linux/acl.py": ("os.setxattr os.removexattr", _HANDLES),
    "hostkit/programs/apt.py": ("open os.listdir", _ROOTS),
    "hostkit/app/archive.py": (
        "open os.open os.rename os.unlink tempfile.mkstemp",
        "in a folder of root's, see `backup_files`",
    ),
    "hostkit/app/assets.py": ("os.listdir os.walk", _ROOTS),
    "hostkit/build/builder.py": (
        "open os.chmod os.chown os.listdir os.mkdir os.open tempfile.mkdtemp",
        "in a folder of root's that only a user of its own may pass through; and /proc",
    ),
    "hostkit/programs/certificates.py": ("tempfile.TemporaryDirectory", _SCRATCH),
    "contract/controller.py": ("open", _KERNEL),
    "hostkit/app/cron.py": ("open os.makedirs os.open os.replace", _APPS),
    "agent/doctor.py": ("glob.glob", _ROOTS),
    "hostkit/app/draining.py": ("open", _KERNEL),
    "hostkit/linux/filesystem.py": ("open", _HANDLES),
    "hostkit/linux/folders.py": ("os.listdir shutil.copytree", _HANDLES),
    "agent/gate.py": ("open", _KERNEL),
    "hostkit/programs/git.py": ("os.listdir tempfile.TemporaryDirectory", _ROOTS),
    "hostkit/build/handover.py": ("os.chmod os.chown os.listdir os.open", _HANDLES),
    "hostkit/build/installers.py": ("glob.glob", _ROOTS),
    "hostkit/build/interpreters.py": ("glob.glob", "names alone; what is run is looked at by `require_roots`"),
    "agent/lock.py": ("open os.open", _ROOTS),
    "agent/logs.py": ("glob.glob open", _ROOTS),
    "hostkit/programs/own_role.py": ("open", _ROOTS),
    "hostkit/app/passwords.py": ("glob.glob", _ROOTS),
    "hostkit/linux/paths.py": ("os.open", _HANDLES),
    "hostkit/linux/ports.py": ("glob.glob", _ROOTS),
    "hostkit/programs/postgres.py": ("glob.glob", "names alone; they are read by `filesystem`"),
    "hostkit/app/provisioned.py": ("glob.glob", "names alone"),
    "agent/scheduled.py": ("open", _ROOTS),
    "hostkit/app/shared_files.py": ("open os.walk tempfile.NamedTemporaryFile", _APPS),
    "hostkit/linux/source_file.py": ("open os.open", _HANDLES),
    "hostkit/linux/space.py": ("open", _KERNEL),
    "agent/unpack.py": (
        "os.listdir os.makedirs os.mkdir os.open os.rename os.scandir shutil.rmtree",
        "in /run; it comes before the rest of the agent, and looks at owners and modes itself",
    ),
    "hostkit/build/virtualenv.py": ("open os.scandir", _ROOTS),
    "hostkit/app/variables.py": ("glob.glob", "names alone; they are read by `filesystem`"),
    "resources/front/balancer.py": ("open", _ROOTS),
    "resources/directory.py": ("os.listdir", _HANDLES),
    "resources/release/live.py": ("open", _ROOTS),
    "resources/own_user.py": ("glob.glob", "names alone"),
    "resources/hardening/swap.py": ("os.open os.unlink", "at the top of the file system"),
    "resources/hardening/sysctl.py": ("glob.glob open", _KERNEL),
}


def followed(source: str) -> Iterator[str]:
    """The calls of a module that follow a path."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or BY_DESCRIPTOR & {word.arg for word in node.keywords}:
            continue
        function = node.func
        if isinstance(function, ast.Name):
            module, name = "", function.id
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            module, name = function.value.id, function.attr
        else:
            continue
        if name in FOLLOWING.get(module, ()):
            yield f"{module}.{name}" if module else name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_follows_a_path_by_itself(path: Path) -> None:
    calls, _ = ALLOWED.get(str(path.relative_to(ROOT)), ("", ""))
    assert sorted(Counter(followed(path.read_text()))) == sorted(calls.split())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("os.chown(path, 0, 0)", ["os.chown"]),
        ("shutil.rmtree(path)", ["shutil.rmtree"]),
        ("open(path)", ["open"]),
        ("os.mkdir(name, dir_fd=folder)", []),
        ("filesystem.read(path)", []),
    ],
)
def test_such_calls_are_seen(source: str, found: list[str]) -> None:
    assert list(followed(source)) == found
