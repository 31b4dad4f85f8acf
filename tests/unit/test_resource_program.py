"""Program: what supervisord reads of its configuration is what was meant. That it runs is tried on real hosts."""

from __future__ import annotations

import configparser
import shlex

import pytest
from hostsmith.resources import Program, ResourceError


def read(program: Program) -> dict[str, str]:
    """The configuration as supervisor 4 reads it (options.py, UnhosedConfigParser)."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(program._configuration())
    return {key: value % {} for key, value in parser[f"program:{program.name}"].items()}


def environment(text: str) -> dict[str, str]:
    """As supervisor 4 reads it (datatypes.py, dict_of_key_value_pairs)."""
    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():"
    tokens = list(lexer)
    assert all(tokens[i + 1] == "=" for i in range(0, len(tokens), 4))
    return {tokens[i]: tokens[i + 2].strip("'\"") for i in range(0, len(tokens), 4)}


def test_the_whole_of_it() -> None:
    program = Program("thumbd", "/opt/thumbd --size 100%", "www-data", "/opt", {"A": "1"}, 7, "/var/log/thumbd.log")
    assert read(program) == {
        "command": "/opt/thumbd --size 100%",
        "user": "www-data",
        "directory": "/opt",
        "environment": 'A="1"',
        "autorestart": "true",
        "stopwaitsecs": "7",
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": "/var/log/thumbd.log",
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "two  words ",
        "it's",
        'say "hi" now',
        "100%",
        "%(ENV_X)s",
        "a\\b\\",
        "a,b=c",
        "ünï ☃",
        "$(id)",
        "a;b#c",
    ],
)
def test_environment_values_arrive_as_they_are(value: str) -> None:
    text = read(Program("p", "true", environment={"A": value, "B": "2"}))["environment"]
    assert environment(text) == {"A": value, "B": "2"}


@pytest.mark.parametrize("value", ["first\nsecond", "cr\rlf", "a ;b", "a #b", "\"both' kinds", "'at an end'", 'end"'])
def test_a_value_that_supervisord_would_misread_is_refused_by_its_name_alone(value: str) -> None:
    with pytest.raises(ResourceError, match="cannot be written in supervisord's configuration") as caught:
        Program("thumbd", "true", environment={"SECRET": value}).check()
    assert value not in str(caught.value)


def test_a_command_that_supervisord_would_cut_off_is_refused() -> None:
    with pytest.raises(ResourceError, match="thumbd: command has a line break, or a ';' or '#' after a space"):
        Program("thumbd", "sh -c 'a ; b'").check()
    assert read(Program("p", "sh -c 'a; b'"))["command"] == "sh -c 'a; b'"


def test_its_environment_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(Program("p", "true", environment={"PASSWORD": "hunter2"}))
