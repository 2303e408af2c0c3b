"""Messages of a short session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.protocol import params
from callmux.protocol.versions import LEGACY
from callmux.shell import message
from callmux.shell.failure import ShellFailed
from callmux.shell.message import Digits, EventReader, answers, call_params, parse, request, result_of


def test_requests_hold_what_was_typed() -> None:
    line = request(2, "tools/call", call_params('a"b', '{"n": 1.10}'))
    assert b'{"n": 1.10}' in line
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": 'a"b', "arguments": {"n": 1.1}},
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_request_stands_on_one_line(end: str) -> None:
    line = request(2, "tools/call", call_params("t", f'{{{end}"text": "a\\nb"{end}}}'))
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line)["params"]["arguments"] == {"text": "a\nb"}


def test_it_speaks_a_revision_that_listeners_of_ours_speak() -> None:
    assert message.PROTOCOL_VERSION in LEGACY
    for asks in (True, False):
        params = json.loads(message.initialize(asks=asks))
        assert params["protocolVersion"] == message.PROTOCOL_VERSION
        # A capability would have servers ask a script, and give it connections of its own.
        assert params["capabilities"] == {}
        assert params.get("_meta") == ({"callmux/asks": True} if asks else None)


def test_it_says_what_the_listener_reads() -> None:
    assert message.ASKS == params.ASKS


@pytest.mark.parametrize(("id", "shown"), [('"a\\"b"', 'a"b'), ("7", 7), ('"7"', "7")])
def test_questions_are_answered_under_their_own_id(id: str, shown: object) -> None:
    question = parse(f'{{"jsonrpc":"2.0","id":{id},"method":"ping"}}')
    assert message.is_question(question)
    assert json.loads(message.refusal_of(question)) == {"jsonrpc": "2.0", "id": shown, "result": {}}
    other = {**question, "method": "roots/list"}
    assert json.loads(message.refusal_of(other))["error"]["code"] == -32601


@pytest.mark.parametrize("text", ['{"id":1,"result":{}}', '{"method":"x"}', "[]", "1"])
def test_other_messages_are_no_questions(text: str) -> None:
    assert not message.is_question(parse(text))


def test_numbers_keep_their_digits() -> None:
    big = "1" * 5000
    found = parse(f'[1.10, {big}, 1e400, "2"]')
    assert found == ["1.10", big, "1e400", "2"]
    assert [isinstance(item, Digits) for item in found] == [True, True, True, False]


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ('{"id": 2, "result": {}}', True),
        ('{"id": 2, "error": {}}', True),
        ('{"id": 3, "result": {}}', False),
        ('{"id": "2", "result": {}}', True),
        ('{"id": "3", "result": {}}', False),
        ('{"id": null, "error": {}}', True),
        ('{"error": {}}', True),
        ('{"id": "server-error", "error": {}}', True),
        ('{"id": 3, "error": {}}', False),
        ('{"id": 2, "method": "ping"}', False),
        ('{"method": "notifications/progress"}', False),
        ("[]", False),
    ],
)
def test_an_answer_is_known_by_its_id(text: str, is_it: bool) -> None:
    assert answers(parse(text), 2) is is_it


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"error": {"code": -32602, "message": "no such method"}}, "Error: no such method"),
        ({"error": {}}, "refused tools/list"),
        ({"result": 5}, "has no result"),
        ([], "has no result"),
    ],
)
def test_an_answer_without_a_result_says_why(found: Any, says: str) -> None:
    with pytest.raises(ShellFailed) as caught:
        result_of(found, "tools/list")
    assert says in caught.value.message
    assert result_of({"result": {"a": 1}}, "x") == {"a": 1}


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_cut_wherever_the_bytes_were(size: int) -> None:
    stream = b': open\n\nid: 1\ndata: {"a":\ndata: 1}\r\n\r\nevent: message\ndata:{}\n\ndata: half'
    reader = EventReader()
    found = [data for at in range(0, len(stream), size) for data in reader.feed(stream[at : at + size])]
    assert found == [b'{"a":\n1}', b"{}"]


@pytest.mark.parametrize("levels", [200, 100_000])
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_message_that_is_nested_too_deep_is_none(levels: int, kind: type) -> None:
    text = "[" * levels + "]" * levels
    with pytest.raises(ValueError, match="nested deeper than"):
        parse(text if kind is str else text.encode())


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("{}", '{"outputFormat":"plain"}'),
        ('{"n": 1.10} ', '{"n": 1.10,"outputFormat":"plain"}'),
        ('{"outputFormat": "toon"}', '{"outputFormat": "toon"}'),
        ("[1]", "[1]"),
        ("{", "{"),
    ],
)
def test_a_format_is_asked_for_where_none_is_named(arguments: str, sent: str) -> None:
    assert message.with_format(arguments, "plain") == sent
