"""`fab secrets.*`: the variables of the app that stand encrypted in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import environment
from ..console import Console
from ..environment.secret_file import NAME, Key, write_private
from ..environment.secret_key import VARIABLE, find_key, key_path, secret_file
from ..errors import SecretsError
from ..fab.task import TaskCall, task

if TYPE_CHECKING:
    from ..settings import Settings


@task(hosts=False)
def init(call: TaskCall) -> None:
    """Make secrets.enc.yaml, and a key to it that stays out of the repository."""
    settings = call.settings
    file = secret_file(settings)
    if file.exists:
        raise SecretsError(f"found {NAME} already; `fab secrets.edit` changes it, `fab secrets.rotate` its key")
    path = key_path(settings)
    if path is None or path.exists():
        key, told = find_key(settings), "with the key that is there already"
    else:
        key, told = _new_key(settings), f"and the key to it in {path}"
    file.write(key, {})
    console = Console()
    console.say(f"made {NAME} {told}", style="bold green")
    console.say(f"Commit the file. Give the key to colleagues and to CI, there in the variable {VARIABLE}.")


@task(hosts=False)
def edit(call: TaskCall) -> None:
    """Change what is in secrets.enc.yaml, in $EDITOR."""
    settings = call.settings
    file, key = secret_file(settings), find_key(settings)
    before = file.read(key)
    after = environment.editor.edited(before, f"{NAME} of {settings.app}: each line is a variable of the app")
    names = environment.variables.differing(before, after)
    if names:
        file.write(key, after)
    console = Console()
    console.say(f"{NAME}: changed {', '.join(names)}; deploy to use it" if names else f"{NAME}: nothing to change")


@task(hosts=False)
def rotate(call: TaskCall) -> None:
    """Encrypt secrets.enc.yaml with a new key, as when a colleague leaves."""
    settings = call.settings
    file = secret_file(settings)
    values = file.read(find_key(settings))
    path = key_path(settings)
    if path is None or not path.exists():
        raise SecretsError(
            f"there is no key file to write a new key to; write the key to {path or 'a file'} first, and remove "
            f"it from {VARIABLE} and `secrets_key`"
        )
    old = path.with_name(f"{path.name}.old")
    path.replace(old)
    file.write(_new_key(settings), values)
    console = Console()
    console.say(f"{NAME} has a new key, in {path}; the previous key is in {old}.")
    console.say("Whoever had the previous key may know the values: change those, too.")


def _new_key(settings: Settings) -> Key:
    path = key_path(settings)
    assert path is not None
    key = Key.new()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, f"{key.text}\n")
    return key


ns = Collection("secrets", init, edit, rotate)
