"""patchwork.transfers: real rsync, and an ssh that stays on this machine and writes down how it was called."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fabric import Config, Connection
from hostsmith.errors import HostKeyError, PatchworkError
from hostsmith.patchwork.transfers import rsync, rsync_get
from invoke.context import Context
from local_context import local_context
from paramiko.config import SSHConfig
from test_patchwork_files import AWKWARD_NAMES

pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync on this machine")

# Runs the remote command in the home folder, as sshd would do it.
_SSH = """\
#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
options = []
while words[0].startswith("-"):
    options.append(words.pop(0))
    if options[-1] in ("-l", "-o", "-p", "-i", "-F"):
        options.append(words.pop(0))
with open({log!r}, "a") as log:
    print(json.dumps([options, words[0]]), file=log)
os.chdir({home!r})
os.environ["HOME"] = {home!r}
os.execv("/bin/sh", ["sh", "-c", os.environ.get("INSTEAD") or " ".join(words[1:])])
"""


class Remote:
    """A host whose home folder is a folder here."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.log, self._folder = folder / "remote home", folder / "log", folder
        self.home.mkdir()
        tools = folder / "tools"
        tools.mkdir()
        (tools / "ssh").write_text(_SSH.format(log=str(self.log), home=str(self.home)))
        (tools / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")

    def connection(self, host: str = "web", ssh_config: str = "", **arguments: Any) -> Connection:
        overrides = {"run": {"in_stream": False}, "runners": {"local": local_context().config.runners.local}}
        config = Config(overrides=overrides, ssh_config=SSHConfig.from_text(ssh_config), lazy=True)
        return Connection(host, config=config, **{"user": "dev", **arguments})

    def call(self) -> tuple[list[str], str]:
        """The options and the host of the last call of ssh."""
        options, host = json.loads(self.log.read_text().splitlines()[-1])
        return options, host

    def settings(self) -> dict[str, str]:
        """The value that ssh heeds of each `-o`: the first."""
        options, _ = self.call()
        pairs = [after for option, after in zip(options, options[1:], strict=False) if option == "-o"]
        pairs += [option.removeprefix("-o") for option in options if option.startswith("-o") and len(option) > 2]
        found: dict[str, str] = {}
        for name, _, value in (pair.partition("=") for pair in pairs):
            found.setdefault(name, value)
        return found


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return Remote(tmp_path, monkeypatch)


@pytest.fixture
def write() -> Callable[..., None]:
    def write(path: str | Path, text: str = "content\n") -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    return write


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestPaths:
    @pytest.mark.parametrize("name", AWKWARD_NAMES)
    def test_every_name_is_taken_literally_in_both_directions(
        self, remote: Remote, write: Callable[..., None], name: str
    ) -> None:
        c = remote.connection()
        write(Path(name, "file"))
        (remote.home / "starry").mkdir()  # which star* must not match
        rsync(c, name + "/", name, hide=True)
        assert names(remote.home) == [f"{name}/file"]
        rsync_get(c, f"{name}/file", Path("back", name), hide=True, rsync_opts="--mkpath")
        assert Path("back", name).read_text() == "content\n"
        assert not Path("injected").exists()

    def test_a_source_without_a_slash_is_the_folder_itself(self, remote: Remote, write: Callable[..., None]) -> None:
        write("my dir/file")
        rsync(remote.connection(), "my dir", "target", hide=True)
        assert names(remote.home) == ["target/my dir/file"]

    def test_a_string_may_name_several_sources_as_in_a_shell(
        self, remote: Remote, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a/1", "b c/2", "d/x.css", "d/y.css", "d/z.js", "home/e"):
            write(name)
        monkeypatch.setenv("HOME", str(Path("home").absolute()))
        rsync(remote.connection(), "a 'b c' d/*.css ~/e $HOME/e", "target", hide=True)
        assert names(remote.home / "target") == ["a/1", "b c/2", "e", "x.css", "y.css"]

    def test_a_list_names_literal_sources(self, remote: Remote, write: Callable[..., None]) -> None:
        for name in ("a b", "*", "c"):
            write(name)
        rsync(remote.connection(), ["a b", Path("*")], "target/", hide=True)
        assert names(remote.home) == ["target/*", "target/a b"]

    def test_a_local_name_with_a_colon_is_no_host(self, remote: Remote, write: Callable[..., None]) -> None:
        write("2026-11-21T10:00")
        rsync(remote.connection(), "2026-11-21T10:00", "", hide=True)
        assert names(remote.home) == ["2026-11-21T10:00"]

    @pytest.mark.parametrize("target", ["~/app", "$HOME/app", "app", "~/app/"])
    def test_a_home_is_the_remote_users(self, remote: Remote, write: Callable[..., None], target: str) -> None:
        write("src/file")
        rsync(remote.connection(), "src/", target, hide=True)
        assert names(remote.home) == ["app/file"]

    def test_sources_are_below_the_folder_of_cd(self, remote: Remote, write: Callable[..., None]) -> None:
        write("my build/src/file")
        c = remote.connection()
        with c.cd("my build"):
            rsync(c, "src", "", hide=True)
        assert names(remote.home) == ["src/file"]

    def test_a_source_that_is_missing_is_named(self, remote: Remote, write: Callable[..., None]) -> None:
        write("there")
        with pytest.raises(PatchworkError, match=r"nothing to copy at \['not-there'\]"):
            rsync(remote.connection(), "there not-there", "target")
        assert names(remote.home) == []


class TestOptions:
    def test_delete_removes_what_is_not_in_the_source_but_not_what_is_excluded(
        self, remote: Remote, write: Callable[..., None]
    ) -> None:
        write("src/new")
        write('src/it\'s "x".log')
        for name in ("old", "kept.pyc", "my cache/kept"):
            write(remote.home / "app" / name)
        exclude = ["*.pyc", "my cache", 'it\'s "x".log']
        c = remote.connection()
        rsync(c, "src/", "app", exclude=iter(exclude), hide=True)
        assert names(remote.home) == ["app/kept.pyc", "app/my cache/kept", "app/new", "app/old"]
        rsync(c, "src/", "app", exclude=exclude, delete=True, hide=True)
        assert names(remote.home) == ["app/kept.pyc", "app/my cache/kept", "app/new"]

    def test_one_pattern_may_be_a_string(self, remote: Remote, write: Callable[..., None]) -> None:
        write("src/a")
        write("src/b c")
        rsync(remote.connection(), "src/", "app", exclude="b c", hide=True)
        assert names(remote.home) == ["app/a"]

    @pytest.mark.parametrize("options", ["--dry-run -s", ["--dry-run", "--protect-args"]])
    def test_further_options_of_rsync(self, remote: Remote, write: Callable[..., None], options: Any) -> None:
        write("src/a")
        result = rsync(remote.connection(), "src/", "my app", rsync_opts=options, hide=True)
        assert "DRY RUN" in result.stdout
        assert names(remote.home) == []

    def test_options_with_quotes_are_split_as_by_a_shell(self, remote: Remote, write: Callable[..., None]) -> None:
        for name in ("src/a", "src/b c", "src/d.pyc"):
            write(name)
        rsync(remote.connection(), "src/", "app", rsync_opts="--exclude='b c' --filter=\"- *.pyc\"", hide=True)
        assert names(remote.home) == ["app/a"]

    def test_options_that_no_shell_can_split_are_refused(self, remote: Remote, write: Callable[..., None]) -> None:
        write("src/a")
        with pytest.raises(PatchworkError, match="rsync_opts is .* cannot split"):
            rsync(remote.connection(), "src/", "app", rsync_opts="--exclude='a")


class TestSsh:
    @pytest.fixture
    def settings(self, remote: Remote, write: Callable[..., None]) -> Callable[..., dict[str, str]]:
        """What ssh is told by a copy over a connection, and by rsync's own arguments."""

        def settings(c: Connection, **arguments: Any) -> dict[str, str]:
            write("file")
            rsync(c, "file", "", hide=True, **arguments)
            return remote.settings()

        return settings

    def test_user_port_and_keys_are_the_connections(self, remote: Remote, settings: Callable[..., Any]) -> None:
        keys = ["/keys/one", "/my keys/it's two"]
        c = remote.connection(port=2222, user="me@corp", connect_kwargs={"key_filename": keys})
        settings(c)
        options, host = remote.call()
        assert host == "web"
        assert options[options.index("-l") + 1] == "me@corp"
        assert "-p2222" in options
        assert [after for option, after in zip(options, options[1:], strict=False) if option == "-i"] == keys

    def test_an_unknown_hosts_key_is_remembered_and_a_changed_one_refused(
        self, remote: Remote, settings: Callable[..., Any]
    ) -> None:
        assert settings(remote.connection())["StrictHostKeyChecking"] == "accept-new"
        assert settings(remote.connection(), strict_host_keys=False)["StrictHostKeyChecking"] == "no"

    def test_the_ssh_config_has_the_last_word_on_host_keys(self, remote: Remote, settings: Callable[..., Any]) -> None:
        config = (
            "Host web\n  HostName 192.0.2.9\n  StrictHostKeyChecking yes\n  UserKnownHostsFile /a /b\n  HostKeyAlias w"
        )
        found = settings(remote.connection(ssh_config=config))
        assert found["StrictHostKeyChecking"] == "yes"
        assert found["UserKnownHostsFile"] == "/a /b"
        assert found["HostKeyAlias"] == "w"
        assert found["HostName"] == "192.0.2.9"
        assert remote.call()[1] == "web"

    def test_a_known_hosts_file_with_a_space_is_one_file(
        self, remote: Remote, settings: Callable[..., Any], tmp_path: Path
    ) -> None:
        config = f'Host web\n  UserKnownHostsFile "{tmp_path}/known hosts"'
        found = settings(remote.connection(ssh_config=config))
        assert found["UserKnownHostsFile"] == f'"{tmp_path}/known hosts"'

    def test_the_callers_own_options_win(self, remote: Remote, settings: Callable[..., Any]) -> None:
        found = settings(remote.connection(), ssh_opts='-o StrictHostKeyChecking=yes -o "ProxyCommand=nc %h %p"')
        assert found["StrictHostKeyChecking"] == "yes"
        assert found["ProxyCommand"] == "nc %h %p"

    def test_an_ipv6_host(self, remote: Remote, settings: Callable[..., Any]) -> None:
        settings(remote.connection("2001:db8::7", port=22))
        assert remote.call()[1] == "2001:db8::7"

    def test_a_gateway_has_its_own_user_port_keys_and_gateway(
        self, remote: Remote, settings: Callable[..., Any]
    ) -> None:
        outer = remote.connection("outer", gateway="nc -X connect %h %p")
        key = {"key_filename": "/my keys/100%"}
        gate = remote.connection("gate", user="jump", port=2200, connect_kwargs=key, gateway=outer)
        proxy = settings(remote.connection("web", gateway=gate))["ProxyCommand"]
        words = shlex.split(proxy.replace("%%", "%"))
        assert words[0] == "ssh"
        assert words[words.index("-l") + 1] == "jump"
        assert "-p2200" in words
        assert words[words.index("-i") + 1] == "/my keys/100%"
        assert words[-3:] == ["-W", "[%h]:%p", "gate"]
        (inner,) = [word for word in words if word.startswith("ProxyCommand=")]
        assert shlex.split(inner.removeprefix("ProxyCommand="))[-1] == "outer"

    def test_no_gateway_means_none(self, remote: Remote, settings: Callable[..., Any]) -> None:
        assert settings(remote.connection(gateway=False))["ProxyCommand"] == "none"
        assert settings(remote.connection(gateway="nc %h %p"))["ProxyCommand"] == "nc %h %p"

    def test_what_paramiko_may_not_try_openssh_may_not_either(
        self, remote: Remote, settings: Callable[..., Any]
    ) -> None:
        only = {"key_filename": "/key", "allow_agent": False, "look_for_keys": False}
        found = settings(remote.connection(connect_kwargs=only))
        assert (found["IdentityAgent"], found["IdentitiesOnly"]) == ("none", "yes")

    def test_the_agent_is_in_the_environment(
        self, remote: Remote, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("file")
        monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
        monkeypatch.setenv("INSTEAD", f'printf %s "$SSH_AUTH_SOCK" > {shlex.quote(str(remote.home))}/agent; exit 1')
        c = remote.connection()
        c.config.run.replace_env = True
        rsync(c, "file", "", hide=True, warn=True)
        assert (remote.home / "agent").read_text() == "/agent"

    def test_a_host_that_looks_like_an_option_is_refused(self, remote: Remote, write: Callable[..., None]) -> None:
        write("file")
        with pytest.raises(PatchworkError, match="is not a valid host name"):
            rsync(remote.connection("-oProxyCommand=touch injected"), "file", "")
        assert not remote.log.exists()


class TestFailures:
    def test_a_context_without_a_host_is_refused(self, remote: Remote, write: Callable[..., None]) -> None:
        write("file")
        with pytest.raises(PatchworkError, match="needs a Connection to a host, found Context"):
            rsync(Context(), "file", "")

    def test_rsync_missing_here(
        self, remote: Remote, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("file")
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(PatchworkError, match="This machine has no program 'rsync'"):
            rsync(remote.connection(), "file", "")

    @pytest.mark.parametrize(
        ("instead", "error", "message"),
        [
            ("no-such-rsync", PatchworkError, r"web has no program 'rsync': .*package\(c, 'rsync'\)"),
            ("echo Permission denied >&2; exit 255", PatchworkError, r"(?s)rsync with web failed .*Permission denied"),
            ("echo WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! >&2; exit 255", HostKeyError, "ssh-keygen -R"),
        ],
    )
    def test_the_other_side_fails(
        self,
        remote: Remote,
        write: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        instead: str,
        error: type[Exception],
        message: str,
    ) -> None:
        write("file")
        monkeypatch.setenv("INSTEAD", instead)
        with pytest.raises(error, match=message):
            rsync(remote.connection(), "file", "", hide=True)
        assert not rsync(remote.connection(), "file", "", hide=True, warn=True)

    def test_a_login_that_ssh_cannot_do_is_explained(
        self, remote: Remote, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("file")
        monkeypatch.setenv("INSTEAD", "exit 255")
        with pytest.raises(PatchworkError, match="give it a key_filename"):
            rsync(remote.connection(connect_kwargs={"password": "s3cret"}), "file", "", hide=True)
