"""patchwork.files, run by a local context on real files: awkward names, exact texts, and repeating without change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hostsmith.errors import PatchworkError
from hostsmith.patchwork.files import append, contains, directory, exists
from invoke.context import Context
from local_context import local_context

AWKWARD_NAMES = [
    "with space",
    "it's",
    'say "hi"',
    "two\nlines",
    "$(touch injected)",
    "`touch injected`",
    "a; touch injected",
    "a && touch injected",
    "ümläut-日本",
    "-rf",
    "--help",
    "$HOMEless",
    "star*",
    "back\\slash",
    "key=value",
    "!",
    "#hash",
    "~no-such-user-here~",
]

# Fabric and patchwork got each of these wrong at some time: fabric#118, #260, #648, #1294, #1598, patchwork#34.
AWKWARD_TEXTS = [
    "plain",
    "alias l='ls -rtl'",
    "trailing $",
    "$HOME is not expanded",
    "trailing single quote '",
    'trailing double quote "',
    "backticks `touch injected`",
    "no substitution $(touch injected)",
    "a single \\ backslash",
    "a trailing backslash \\",
    "\\1 \\\\2 \\n",
    "listen_addresses = '*'",
    "some < pipe > [x] (y) {z} a|b ^c a+ d? .*",
    "-e leading dash",
    "--version",
    "%s %d %%",
    "\ttab  and  spaces  ",
    "ünïcode 日本",
    "a=b",
    "!bang",
    "two\nlines",
]


@pytest.fixture
def c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A context on this machine whose working directory is empty."""
    monkeypatch.chdir(tmp_path)
    return local_context()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_every_name_is_taken_literally(c: Context, tmp_path: Path, name: str) -> None:
    assert not exists(c, name)
    directory(c, f"{name}/{name}", mode="0750")
    assert exists(c, name)
    append(c, f"{name}/file", name)
    append(c, f"{name}/file", name)
    assert contains(c, f"{name}/file", name, exact=True)
    assert (tmp_path / name / "file").read_text() == f"{name}\n"
    assert mode_of(tmp_path / name / name) == 0o750
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["~", "$HOME", "${HOME}"])
def test_a_leading_home_is_the_users(c: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert exists(c, name)
    directory(c, f"{name}/a b; c")
    assert (home / "a b; c").is_dir()
    append(c, f"{name}/file", "line")
    append(c, f"{name}/file", "line")
    assert (home / "file").read_text() == "line\n"


def test_a_name_that_no_file_can_have_is_refused(c: Context) -> None:
    with pytest.raises(PatchworkError, match="NUL"):
        exists(c, "a\0b")


def test_paths_may_be_path_objects(c: Context, tmp_path: Path) -> None:
    directory(c, tmp_path / "made")
    assert exists(c, tmp_path / "made")


def test_relative_paths_are_below_the_folder_of_cd(c: Context, tmp_path: Path) -> None:
    (tmp_path / "my app").mkdir()
    with c.cd(str(tmp_path / "my app")):
        append(c, "file", "line")
        assert exists(c, "file")
    assert (tmp_path / "my app" / "file").read_text() == "line\n"


class TestExists:
    def test_a_link_that_leads_nowhere_does_not_count(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("nowhere")
        assert not exists(c, "link")
        (tmp_path / "nowhere").touch()
        assert exists(c, "link")

    def test_a_question_that_cannot_be_asked_is_no_no(self, c: Context) -> None:
        with c.cd("/no/such/folder"), pytest.raises(PatchworkError, match=r"/no/such/folder"):
            exists(c, "file")


class TestDirectory:
    def test_makes_parents_and_may_be_repeated(self, c: Context, tmp_path: Path) -> None:
        for _ in range(2):
            directory(c, "a/b/c")
        assert (tmp_path / "a/b/c").is_dir()

    def test_corrects_the_mode_of_one_that_is_there(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir(mode=0o777)
        directory(c, "a", mode="0700")
        assert mode_of(tmp_path / "a") == 0o700

    @pytest.mark.parametrize(("mode", "result"), [("0711", 0o711), ("u=rwx,go=", 0o700), ("2750", 0o2750)])
    def test_mode_is_that_of_chmod(self, c: Context, tmp_path: Path, mode: str, result: int) -> None:
        directory(c, "a", mode=mode)
        assert mode_of(tmp_path / "a") == result

    def test_only_the_last_directory_gets_the_mode(self, c: Context, tmp_path: Path) -> None:
        directory(c, "a/b", mode="0700")
        umask = os.umask(0)
        os.umask(umask)
        assert mode_of(tmp_path / "a") == 0o777 & ~umask

    def test_a_mode_that_is_a_number_is_refused(self, c: Context, tmp_path: Path) -> None:
        with pytest.raises(PatchworkError, match="'0755'"):
            directory(c, "a", mode=0o644)
        assert not (tmp_path / "a").exists()

    def test_an_owner_by_number_or_name(self, c: Context, tmp_path: Path) -> None:
        directory(c, "a", user=str(os.getuid()), group=str(os.getgid()))
        directory(c, "b", group=str(os.getgid()))
        assert (tmp_path / "a").is_dir()
        assert (tmp_path / "b").stat().st_gid == os.getgid()

    def test_an_unknown_group_is_an_error(self, c: Context) -> None:
        with pytest.raises(PatchworkError, match="no-such-group"):
            directory(c, "a", group="no-such-group")

    def test_a_file_in_the_way_is_an_error_with_the_systems_words(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(PatchworkError, match=r"creating the directory 'a' failed on this machine .*File exists"):
            directory(c, "a")


class TestContains:
    @pytest.mark.parametrize("text", AWKWARD_TEXTS)
    def test_finds_exactly_what_is_there(self, c: Context, tmp_path: Path, text: str) -> None:
        (tmp_path / "with").write_text(f"before\n{text}\nafter\n")
        (tmp_path / "around").write_text(f"before\n<<{text}>>\nafter\n")
        (tmp_path / "without").write_text("before\nafter\ntwo\nother\nlines\n")
        assert contains(c, "with", text)
        assert contains(c, "with", text, exact=True)
        assert contains(c, "around", text)
        assert not contains(c, "around", text, exact=True)
        assert not contains(c, "without", text)

    def test_a_last_line_without_a_newline_counts(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("a\nb\nc")
        assert contains(c, "file", "c", exact=True)
        assert contains(c, "file", "b\nc", exact=True)
        assert contains(c, "file", "b\nc\n")

    def test_a_file_that_is_not_there_contains_nothing(self, c: Context) -> None:
        assert not contains(c, "file", "text")
        assert not contains(c, "file", "text\nof lines")

    def test_an_empty_file_contains_nothing(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert not contains(c, "file", "")

    def test_unescaped_text_is_an_extended_regular_expression(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("Port 2222\n")
        assert contains(c, "file", r"^Port [0-9]+$", escape=False)
        assert contains(c, "file", r"(Port|Listen) 2{4}", escape=False, exact=True)
        assert not contains(c, "file", r"^[0-9]+$", escape=False)

    def test_a_wrong_expression_is_an_error_not_a_no(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text\n")
        with pytest.raises(PatchworkError, match=r"looking for '\(' in 'file'"):
            contains(c, "file", "(", escape=False)

    @pytest.mark.parametrize("text", ["text", "text\nof lines"])
    def test_a_directory_is_an_error_not_a_no(self, c: Context, tmp_path: Path, text: str) -> None:
        with pytest.raises(PatchworkError, match="directory"):
            contains(c, tmp_path, text)

    def test_bytes_that_are_no_text_do_no_harm(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"\xff\xfe\nline\n\x80 \xc3\n")
        assert contains(c, "file", "line", exact=True)
        assert contains(c, "file", "line\n")


class TestAppend:
    def test_every_awkward_text_arrives_once(self, c: Context, tmp_path: Path) -> None:
        for _ in range(2):
            append(c, "file", AWKWARD_TEXTS)
            for text in AWKWARD_TEXTS:
                append(c, "file", text)
        assert (tmp_path / "file").read_text() == "".join(f"{text}\n" for text in AWKWARD_TEXTS)
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_finishes_a_last_line_that_has_no_newline(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("one")
        append(c, "file", "two")
        assert (tmp_path / "file").read_text() == "one\ntwo\n"

    def test_knows_a_last_line_that_has_no_newline(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("one")
        append(c, "file", "one")
        assert (tmp_path / "file").read_text() == "one"

    def test_a_part_of_a_line_is_not_the_line(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("export PATH=/bin\n")
        append(c, "file", "export PATH")
        assert (tmp_path / "file").read_text() == "export PATH=/bin\nexport PATH\n"

    def test_partial_is_content_with_how_a_line_begins(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("export PATH=/bin\n")
        append(c, "file", "export PATH", partial=True)
        append(c, "file", "PATH", partial=True)
        assert (tmp_path / "file").read_text() == "export PATH=/bin\nPATH\n"

    def test_texts_that_repeat_go_in_once(self, c: Context, tmp_path: Path) -> None:
        append(c, "file", (text for text in ["a", "b", "a"]))
        assert (tmp_path / "file").read_text() == "a\nb\n"

    def test_a_newline_at_the_end_is_the_lines_own(self, c: Context, tmp_path: Path) -> None:
        for _ in range(2):
            append(c, "file", "a\n")
        append(c, "file", "a")
        assert (tmp_path / "file").read_text() == "a\n"

    def test_lines_of_one_text_have_to_follow_each_other(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("a\nx\nb\n")
        for _ in range(2):
            append(c, "file", "a\nb")
        assert (tmp_path / "file").read_text() == "a\nx\nb\na\nb\n"

    def test_blank_lines_stand_where_they_were_put_and_do_not_pile_up(self, c: Context, tmp_path: Path) -> None:
        for _ in range(3):
            append(c, "file", ["", "# ours", "a", "", "b", ""])
        assert (tmp_path / "file").read_text() == "\n# ours\na\n\nb\n\n"

    def test_a_blank_line_alone_does_not_pile_up(self, c: Context, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("a\n")
        for _ in range(2):
            append(c, "file", "")
        assert (tmp_path / "file").read_text() == "a\n\n"

    def test_unescaped_text_may_be_written_for_a_place_between_single_quotes(self, c: Context, tmp_path: Path) -> None:
        for _ in range(2):
            append(c, "file", r"it'\''s $HOME \n", escape=False)
        assert (tmp_path / "file").read_text() == "it's $HOME \\n\n"

    def test_an_existing_file_keeps_its_mode_links_and_inode(self, c: Context, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("a\n")
        file.chmod(0o640)
        (tmp_path / "hard").hardlink_to(file)
        (tmp_path / "soft").symlink_to("file")
        append(c, "soft", "b")
        assert (tmp_path / "soft").is_symlink()
        assert (tmp_path / "hard").read_text() == "a\nb\n"
        assert mode_of(file) == 0o640

    def test_what_is_there_is_not_touched(self, c: Context, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("a\n")
        os.utime(file, (1, 1))
        append(c, "file", ["a", ""])
        append(c, "file", [])
        assert file.stat().st_mtime == 1

    @pytest.mark.parametrize("before", ["", "old\n", "old"])
    def test_a_full_disk_leaves_the_file_as_it_was(self, c: Context, tmp_path: Path, before: str) -> None:
        file = tmp_path / "file"
        if before:
            file.write_text(before)
        # A limit of the size of a file stands in for the disk: 1 block of 1024 bytes.
        with c.prefix("trap '' XFSZ; ulimit -f 1"), pytest.raises(PatchworkError, match="appending to 'file' failed"):
            append(c, "file", ["x" * 3000, "y"])
        assert (file.read_text() if file.exists() else "") == before
        assert file.exists() == bool(before)

    def test_a_missing_folder_is_an_error_with_the_systems_words(self, c: Context) -> None:
        with pytest.raises(PatchworkError, match=r"appending to 'no/file' failed .*No such"):
            append(c, "no/file", "text")

    def test_a_text_too_long_for_a_command_is_refused_with_a_way_out(self, c: Context, tmp_path: Path) -> None:
        with pytest.raises(PatchworkError, match=r"c\.put"):
            append(c, "file", "x" * 200_000)
        assert not (tmp_path / "file").exists()


def test_a_configuration_that_only_warns_hides_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    c = local_context(warn=True)
    with pytest.raises(PatchworkError):
        directory(c, "file")


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_users_shell_makes_no_difference(c: Context, tmp_path: Path, shell: str) -> None:
    c.config.run.shell = shell
    for _ in range(2):
        append(c, "my file", AWKWARD_TEXTS)
    assert (tmp_path / "my file").read_text() == "".join(f"{text}\n" for text in AWKWARD_TEXTS)
