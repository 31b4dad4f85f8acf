"""`secrets.enc.yaml`: names that can be read, values that cannot, each bound to its name; and where its key is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hostsmith.environment.secret_file import Key, SecretFile
from hostsmith.environment.secret_key import find_key, key_path, output_of
from hostsmith.errors import SecretsError
from hostsmith.resources import Secret
from hostsmith.settings import Settings
from hostsmith.settings.secrets import FromCommand
from local_fab import Fab
from local_host import NASTY
from terminal import Terminal

VALUES = {"DATABASE_URL": Secret("postgres://blog:planted@db/blog"), "TOKEN": Secret("planted-t0ken")}


@pytest.fixture
def file(tmp_path: Path) -> SecretFile:
    return SecretFile(tmp_path / "secrets.enc.yaml")


def lines(file: SecretFile) -> dict[str, str]:
    """The line of each variable."""
    rows = file.path.read_text().splitlines()
    return {row.split(":")[0].strip(): row for row in rows if row.startswith("  ")}


def test_what_is_written_is_read_again(file: SecretFile) -> None:
    key = Key.new()
    values = {f"N{number}": Secret(text) for number, text in enumerate(NASTY.values())}
    file.write(key, values)
    assert file.read(key) == values


def test_names_can_be_read_and_values_cannot(file: SecretFile) -> None:
    file.write(Key.new(), VALUES)
    assert set(lines(file)) == file_names(file) == set(VALUES)
    assert "planted" not in file.path.read_text()


def file_names(file: SecretFile) -> set[str]:
    return set(file.names())


def test_a_change_of_one_value_changes_one_line(file: SecretFile) -> None:
    key = Key.new()
    file.write(key, VALUES)
    before = lines(file)
    file.write(key, {**VALUES, "TOKEN": Secret("another")})
    after = lines(file)
    assert before["DATABASE_URL"] == after["DATABASE_URL"]
    assert before["TOKEN"] != after["TOKEN"]


def test_equal_values_do_not_look_equal(file: SecretFile) -> None:
    file.write(Key.new(), {"A": Secret("same"), "B": Secret("same")})
    found = lines(file)
    assert found["A"].split()[1] != found["B"].split()[1]


def test_a_value_that_is_moved_to_another_name_is_found_out(file: SecretFile) -> None:
    key = Key.new()
    file.write(key, VALUES)
    rows = lines(file)
    text = file.path.read_text().replace(rows["TOKEN"], "  TOKEN: " + rows["DATABASE_URL"].split()[1])
    file.path.write_text(text)
    with pytest.raises(SecretsError, match="TOKEN: the value was damaged, or moved"):
        file.read(key)


def test_another_key_is_told_by_its_id_and_not_by_itself(file: SecretFile) -> None:
    right, wrong = Key.new(), Key.new()
    file.write(right, VALUES)
    with pytest.raises(SecretsError) as caught:
        file.read(wrong)
    assert right.id in str(caught.value)
    assert wrong.id in str(caught.value)
    assert not any(key.text in str(caught.value) + repr(key) for key in (right, wrong))


@pytest.mark.parametrize("text", ["", "values: 1", "<<<<<<< HEAD\nkey: a\n", "key: a\nvalues: {1-2: x}", "\0"])
def test_a_file_that_is_none_is_told(file: SecretFile, text: str) -> None:
    file.path.write_text(text)
    with pytest.raises(SecretsError, match="not a file that `fab secrets.edit` wrote"):
        file.read(Key.new())


class TestKey:
    """Where the key is."""

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("HOSTSMITH_KEY", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)

    def settings(self, tmp_path: Path, **values: object) -> Settings:
        return Settings(app="blog", **values).placed(tmp_path, {})

    def test_in_the_environment_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        key = Key.new()
        monkeypatch.setenv("HOSTSMITH_KEY", key.text)
        assert find_key(self.settings(tmp_path)) == key

    def test_in_the_file_that_the_settings_name_or_in_one_of_the_app(self, tmp_path: Path) -> None:
        key = Key.new()
        for values, path in ({}, tmp_path / ".config/hostsmith/blog.key"), ({"secrets_key": "~/k"}, tmp_path / "k"):
            settings = self.settings(tmp_path, **values)
            assert key_path(settings) == path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{key.text}\n")
            assert find_key(settings) == key

    def test_printed_by_a_command(self, tmp_path: Path) -> None:
        key = Key.new()
        settings = self.settings(tmp_path, secrets_key={"command": ["echo", key.text]})
        assert find_key(settings) == key

    def test_none_says_where_it_is_looked_for(self, tmp_path: Path) -> None:
        with pytest.raises(SecretsError, match="its key is missing in HOSTSMITH_KEY and in .*blog.key"):
            find_key(self.settings(tmp_path))

    def test_what_is_no_key_is_not_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOSTSMITH_KEY", "planted")
        with pytest.raises(SecretsError, match="HOSTSMITH_KEY in the environment: not a valid key") as caught:
            find_key(self.settings(tmp_path))
        assert "planted" not in str(caught.value)


class TestCommand:
    """A secret that a command tells."""

    def test_it_is_what_is_printed_without_the_end_of_the_line(self) -> None:
        assert output_of(FromCommand(("printf", r"a b\n\n")), "x") == Secret("a b\n")

    def test_no_shell_reads_it(self) -> None:
        assert output_of(FromCommand(("echo", "$(id)", "`id`", ";")), "x") == Secret("$(id) `id` ;")

    @pytest.mark.parametrize(
        ("argv", "problem"),
        [
            (("sh", "-c", "echo planted; exit 3"), "failed with exit status 3"),
            (("true",), "printed nothing"),
            (("printf", r"planted\0"), "printed NUL"),
            (("printf", r"planted\377"), "printed bytes that are not UTF-8 text"),
            (("no-such-program",), "No such file or directory"),
        ],
    )
    def test_failure_is_told_without_the_value(self, argv: tuple[str, ...], problem: str) -> None:
        with pytest.raises(SecretsError, match=problem) as caught:
            output_of(FromCommand(argv), "environment.KEY")
        assert str(caught.value).startswith("environment.KEY: `")
        # The command itself stands in the settings.
        assert "planted" not in str(caught.value).partition("` ")[2]


class TestTasks:
    """`fab secrets.*`, run for real."""

    @pytest.fixture
    def fab(self, tmp_path: Path) -> Fab:
        checkout = Path(__file__).parents[2]
        fab = Fab(tmp_path)
        fab.write("app: blog\nroles: {web: [web1]}\nprocesses: {web: gunicorn a:a}\n")
        fab.write("from hostsmith import ns\n", "fabfile.py")
        fab.write(f"#!/bin/sh\necho 'TOKEN: planted-t0ken' >> $1; cp $1 {tmp_path}/seen; stat -c %a $1\n", "editor")
        (tmp_path / "editor").chmod(0o755)
        assert checkout.is_dir()
        return fab

    def test_a_file_is_made_edited_and_given_a_new_key(self, fab: Fab) -> None:
        key, file = fab.folder / ".config/hostsmith/blog.key", SecretFile(fab.folder / "secrets.enc.yaml")
        told = "\n".join(fab.output("secrets.init"))
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_text().strip() not in told
        assert "600" in fab.output("secrets.edit", EDITOR=str(fab.folder / "editor"))
        first = Key.parse(key.read_text(), "")
        assert file.read(first) == {"TOKEN": Secret("planted-t0ken")}
        fab.output("secrets.rotate")
        second = Key.parse(key.read_text(), "")
        assert second != first
        assert file.read(second) == {"TOKEN": Secret("planted-t0ken")}

    def test_what_goes_wrong_in_the_editor_changes_nothing_and_leaves_nothing(self, fab: Fab) -> None:
        fab.output("secrets.init")
        before = (fab.folder / "secrets.enc.yaml").read_text()
        for script, problem in (
            ("exit 1", "the editor failed with exit status 1"),
            ("echo 'TOKEN: [planted' > $1", "invalid YAML"),
            ("echo 'TOKEN: [planted]' > $1", "TOKEN: found a list or a mapping"),
            ("echo 'TO-KEN: planted' > $1", "invalid name, expected letters"),
            ("echo planted > $1", "there are no names with values"),
        ):
            fab.write(f"#!/bin/sh\necho $1 > {fab.folder}/place\n{script}\n", "editor")
            (error,) = fab.error("secrets.edit", EDITOR=str(fab.folder / "editor"))
            assert problem in error
            assert "planted" not in error
            assert not os.path.exists((fab.folder / "place").read_text().strip())
        assert (fab.folder / "secrets.enc.yaml").read_text() == before

    def test_on_a_terminal_a_mistake_can_be_mended_and_ctrl_d_gives_up(self, fab: Fab) -> None:
        fab.output("secrets.init")
        before = (fab.folder / "secrets.enc.yaml").read_text()
        fab.write("#!/bin/sh\necho planted > $1\n", "editor")
        code = (
            f"os.chdir({str(fab.folder)!r}); os.execv(sys.executable, [sys.executable, '-m', 'fabric', 'secrets.edit'])"
        )
        environment = {"HOME": str(fab.folder), "EDITOR": str(fab.folder / "editor")}
        with Terminal(code, 200, **environment) as terminal:
            problem = "there are no names with values, expected lines such as `NAME: value`; nothing has changed"
            question = "edit again? [Y/n]"
            terminal.until([problem, question])
            terminal.type("\n")
            terminal.until([problem, f"{question} {problem}", question])
            terminal.type("\x04")
            assert not [line for line in terminal.to_the_end() if "Traceback" in line]
        assert (fab.folder / "secrets.enc.yaml").read_text() == before
