"""Garbage on the wire: whatever bytes come, either end says so and ends, and does nothing that it was not told."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import hostile
import pytest
from hostsmith.contract import events, wire
from hostsmith.contract.controller import Controller
from hostsmith.openssh import host_keys
from hostsmith.resources import ResourceError
from hypothesis import given, settings
from hypothesis import strategies as st
from local_host import Agent

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile.texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile.texts, inner, max_size=3),
)
garbage = (
    st.binary()
    | documents.map(json.dumps).map(str.encode)
    | st.just(b"[" * 100_000)
    | documents.map(lambda document: zlib.compress(json.dumps(document).encode()))
)
sent = st.lists(
    st.binary()
    | st.sampled_from([b"0\n", b"-5\n", b"1e9\n", b"9" * 5000 + b"\n", b"\n", "٣\n".encode(), b"1_0\n"])
    | garbage.map(lambda data: b"%d\n" % len(data) + data),
    max_size=4,
).map(b"".join)


@given(data=sent)
def test_the_agent_takes_nothing_for_a_frame_that_is_none(data: bytes) -> None:
    controller = Controller(io.BytesIO(data), hang_up=lambda: None)
    while (frame := controller.next_frame()) is not None:
        assert isinstance(frame, dict)
        controller.served()


@given(data=sent)
@settings(max_examples=max(1, settings.default.max_examples // 50))  # each starts an agent
def test_the_agent_ends_and_says_why(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with Agent(tmp_path_factory.mktemp("agent")) as agent:
        agent.write(data)
        agent.close()
        out, err = agent.process.stdout, agent.process.stderr
        assert out is not None
        assert err is not None
        for line in out.read().splitlines():
            assert events.read(line.partition(events.RECORD_SEPARATOR)[2])["event"] in ("alive", "done")
        said = err.read().decode()
    assert agent.process.returncode == 0
    assert "Traceback" not in said
    assert said == "" or said.startswith("received an invalid frame, expected ")


kinds = st.sampled_from(["$dict", "$tuple", "$bytes", "$secret", "$type", "x"])
wires = st.recursive(
    st.none() | st.integers() | hostile.texts | st.sampled_from(["hostsmith.resources.file:File", "os:"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {"$type": inner, "fields": inner | st.dictionaries(st.sampled_from(["path", "x"]), inner)}
        )
        | st.dictionaries(kinds, inner, max_size=2)
    ),
)


@given(data=wires)
def test_what_no_resource_was_made_of_is_refused(data: Any) -> None:
    try:
        wire.load(data)
    except ResourceError as error:
        assert str(error).startswith(("found what cannot have been sent", "the host cannot load"))


broken_events = st.fixed_dictionaries({"event": st.sampled_from(["done", "result", "note", 1])})


@given(record=garbage | broken_events.map(json.dumps).map(str.encode))
def test_what_is_no_event_is_refused(record: bytes) -> None:
    try:
        event = events.read(record)
    except (ValueError, RecursionError):
        return
    assert event["event"] in ("alive", "done")


words = ["web1", "|1|x|y", "|1|", "*", "!web1", "[web1]:22", " ", "ssh-ed25519", "ssh-rsa", "AAAA", "@revoked", "#"]
lines = st.lists(st.sampled_from(words) | hostile.texts, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(name=hostile.texts, content=st.lists(lines, max_size=4).map("\n".join) | hostile.huge)
def test_no_line_of_known_hosts_is_in_the_way(files: Path, name: str, content: str) -> None:
    path = files / "known_hosts"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert host_keys.HostKeys(host_keys.Rules(name, (path,))).types == set()
