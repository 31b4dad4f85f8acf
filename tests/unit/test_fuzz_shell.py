"""Words on their way to a program through a shell, here or on a host: each arrives as it is, and none is a command."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import hostile
import pytest
from hostsmith.deployment.releases import to_go_back_to
from hostsmith.errors import PatchworkError, ReleaseError
from hostsmith.hostkit.app.layout import Record
from hostsmith.hostkit.programs import apt
from hostsmith.patchwork import files
from hostsmith.patchwork.util import quote_path, run_script
from hostsmith.resources import Command, ResourceError
from hypothesis import given
from hypothesis import strategies as st
from local_context import local_context
from local_host import LocalHost


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


def nothing_was_run(folder: Path) -> None:
    assert not list(folder.rglob(hostile.MARKER)), "a command that was not meant"


@given(words=st.lists(hostile.arguments, max_size=5))
def test_a_script_of_patchwork_gets_each_word_as_it_is(folder: Path, words: list[str]) -> None:
    c = local_context()
    with c.cd(str(folder)):
        done = run_script(c, c.run, 'for word do printf "%s|" "$word" | od -An -v -tx1; done', *map(shlex.quote, words))
    lines = "".join(done.stdout.split())
    assert lines == "".join(f"{word}|".encode().hex() for word in words)
    nothing_was_run(folder)


@given(path=hostile.texts | hostile.huge)
def test_a_path_is_one_literal_word(folder: Path, path: str) -> None:
    try:
        word = quote_path(str(path))
    except PatchworkError as error:
        assert "NUL" in str(error)
        return
    if len(word) > 100_000 or re.search("[\ud800-\udc7f\udd00-\udfff]", word):
        return  # no program can be given that
    argv = ["/bin/sh", "-c", f"printf %s {word}"]
    done = subprocess.run(argv, cwd=folder, env={"HOME": "/home/me"}, capture_output=True, check=True)
    if not path.startswith(("~", "$HOME", "${HOME}")):
        assert done.stdout == path.encode("utf-8", "surrogateescape")
    nothing_was_run(folder)


names = hostile.arguments.map(lambda text: text.replace("/", "")[:50])


@given(name=names, lines=st.lists(hostile.arguments, max_size=3))
def test_lines_are_appended_as_they_are_to_the_file_that_is_named(folder: Path, name: str, lines: list[str]) -> None:
    texts = [line for line in dict.fromkeys(line.replace("\n", "") for line in lines) if line]
    path = folder / f"f{name}"
    c = local_context()
    with c.cd(str(folder)):
        files.append(c, str(path), texts)
        assert all(files.contains(c, str(path), text, exact=True) for text in texts)
    assert (path.read_bytes() if texts else b"") == "".join(f"{text}\n" for text in texts).encode()
    path.unlink(missing_ok=True)
    nothing_was_run(folder)


@given(words=st.lists(hostile.arguments, max_size=4))
def test_a_command_on_a_host_takes_no_shell(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    place = tmp_path_factory.mktemp("command")
    script = 'printf "%s\\0" "$@" > words'
    outcome = LocalHost(place).converge(Command(["/bin/sh", "-c", script, "sh", *words], cwd=str(place)))
    assert outcome.ok
    assert (place / "words").read_bytes() == "".join(f"{word}\0" for word in words or [""]).encode()
    nothing_was_run(place)


@given(name=hostile.texts | st.from_regex(r"[a-z0-9.+-]*[-*?^$/=~ ]", fullmatch=True))
def test_apt_is_given_names_and_nothing_that_removes_or_matches_packages(name: str) -> None:
    if not apt._NAME.fullmatch(name):
        with pytest.raises(ResourceError, match="expected the name of a package"):
            apt.install([name], 0)
    else:
        assert name[0].isalnum()
        assert name[-1] not in "-*?^$ "


RECORDS = [Record(f"20260101-12000{n}-abcdef{n}", revision=f"abcdef{n}" * 5, state="proven") for n in range(3)]


@given(wanted=hostile.texts | hostile.huge | st.sampled_from([record.id[:n] for record in RECORDS for n in range(23)]))
def test_a_release_is_one_that_is_there_or_a_clear_error(wanted: str) -> None:
    try:
        found = to_go_back_to(RECORDS, RECORDS[-1].id, str(wanted))
    except ReleaseError as error:
        assert len(str(error)) < 1000
        return
    assert found in RECORDS[:-1]
