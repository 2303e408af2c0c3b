"""No bytes break a parser."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.protocol import jsonrpc
from callmux.protocol.calling import Calling, of_caller
from callmux.protocol.jsonrpc import (
    Batch,
    Failure,
    Malformed,
    Message,
    Notification,
    Request,
    Response,
    of_client,
    of_server,
    parse,
)
from callmux.protocol.lines import LineBuffer, Long, Oversized
from callmux.protocol.params import members, progress_token, with_progress_token
from tests.fuzz.lines import CORPUS, bounded, lines, objects, values


def check(message: Message, *, in_batch: bool = False) -> None:
    """What is read can be sent: one line, valid UTF-8, JSON that any reader takes."""
    match message:
        case Batch(messages):
            assert not in_batch
            assert messages
            for part in messages:
                check(part, in_batch=True)
            return
        case Request(id, method, params):
            line = jsonrpc.request(id, method, params)
        case Notification(method, params):
            line = jsonrpc.notification(method, params)
        case Response(id, result):
            line = jsonrpc.response(id, result)
        case Failure(id, error):
            jsonrpc.read_error(error)
            line = jsonrpc.failure_raw(id, error)
        case Malformed(id, is_response, code, text):
            assert isinstance(is_response, bool)
            line = jsonrpc.failure(id, code, text)
    given_id = getattr(message, "id", None)
    assert given_id is None or type(given_id) in (int, str)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    line.decode()
    msgspec.json.decode(line, type=dict[str, Raw])


@pytest.mark.parametrize("line", CORPUS, ids=lambda line: repr(line[:40]))
def test_the_corpus_is_read(line: bytes) -> None:
    check(parse(line))
    check(jsonrpc.oversized(line, 10))


@bounded
@given(lines)
def test_any_line_is_read(line: bytes) -> None:
    check(parse(line))
    check(jsonrpc.oversized(line, 10))


@bounded
@given(lines)
def test_the_short_ways_read_what_the_long_one_does(line: bytes) -> None:
    read = of_caller(line)
    assert of_client(line) == parse(line) == of_server(line)
    assert (read.request() if isinstance(read, Calling) else read) == parse(line)


@pytest.mark.parametrize("line", CORPUS, ids=lambda line: repr(line[:40]))
def test_the_short_ways_read_the_corpus_as_the_long_one_does(line: bytes) -> None:
    read = of_caller(line)
    assert of_client(line) == parse(line) == of_server(line)
    assert (read.request() if isinstance(read, Calling) else read) == parse(line)


@bounded
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    for line in data.split(b"\n"):
        check(parse(line))


def _plain(value: Any) -> bool:
    """JSON that every reader takes the same way."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode() is not None
    except ValueError:
        return False


@bounded
@given(objects.filter(_plain))
def test_a_good_message_keeps_its_id_and_its_body(given_object: dict[str, Any]) -> None:
    """What was meant for one request never becomes an answer to another."""
    message = parse(json.dumps(given_object).encode())
    assert not isinstance(message, Batch)
    id = getattr(message, "id", None)
    assert id is None or id == given_object["id"]
    for name in ("params", "result", "error"):
        body = getattr(message, name, None)
        if body is not None:
            assert json.loads(bytes(body)) == given_object[name]


@bounded
@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=20), st.integers(1, 80))
def test_lines_do_not_depend_on_the_chunks(data: bytes, sizes: list[int], limit: int) -> None:
    data = data.replace(b"\x00", b"\n")
    buffer = LineBuffer(limit)
    got: list[bytes | Long | Oversized] = []
    rest = data
    for size in sizes:
        got += buffer.feed(rest[:size])
        rest = rest[size:]
    got += buffer.feed(rest) + buffer.feed(b"\n")
    wanted = [line for line in data.split(b"\n") if line and not line.isspace()]
    assert [line.head if isinstance(line, Oversized) else line for line in got] == wanted
    assert [isinstance(line, Oversized) for line in got] == [len(line) > limit for line in wanted]


@bounded
@given(values, st.none() | st.integers(0, 2**60))
def test_any_params_take_a_token(value: Any, token: int | None) -> None:
    """And keep everything else."""
    try:
        body = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return
    changed = json.loads(with_progress_token(body, token))
    before = value if isinstance(value, dict) else {}
    assert {k: v for k, v in changed.items() if k != "_meta"} == {
        k: v for k, v in before.items() if k != "_meta"
    }
    assert changed.get("_meta", {}).get("progressToken") == token


@bounded
@given(st.binary(max_size=100))
def test_any_bytes_are_params(data: bytes) -> None:
    members(data)
    progress_token(Raw(data))
    with_progress_token(data, 1)
