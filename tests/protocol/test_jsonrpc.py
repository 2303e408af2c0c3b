"""Bytes become messages and messages bytes, whatever the bytes are."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callmux.portions import PIECE
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Batch,
    Failure,
    Malformed,
    Message,
    Notification,
    OfOtherEra,
    Request,
    Response,
    RpcError,
    of_client,
    of_server,
    on_one_line,
    parse,
)
from tests.support import steps


def shown(message: Message) -> Any:
    """A message as plain values."""
    match message:
        case Request(id, method, params):
            return "request", id, method, params and bytes(params)
        case Notification(method, params):
            return "notification", method, params and bytes(params)
        case Response(id, result):
            return "response", id, bytes(result)
        case Failure(id, error):
            return "failure", id, bytes(error)
        case Malformed(id, is_response, code):
            return "malformed", id, is_response, code
        case Batch(messages):
            return [shown(m) for m in messages]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"m"}', ("request", 1, "m", None)),
        (
            b'{"jsonrpc":"2.0","id":"a","method":"m","params":{"x": 1.50}}',
            ("request", "a", "m", b'{"x": 1.50}'),
        ),
        (b'{"id":1,"method":"m"}', ("request", 1, "m", None)),
        (b'{"id":1,"method":"m","params":null}', ("request", 1, "m", b"null")),
        (b'{"method":"m","id":1,"result":2,"x":3}', ("request", 1, "m", None)),
        (b'{"method":"m"}', ("notification", "m", None)),
        (b'{"method":"m","params":[1]}', ("notification", "m", b"[1]")),
        (b'{"id":1,"result":{"a":"\xc3\xa4"}}', ("response", 1, b'{"a":"\xc3\xa4"}')),
        (b'{"id":1,"result":null}', ("response", 1, b"null")),
        (b'{"id":1,"error":{"code":1}}', ("failure", 1, b'{"code":1}')),
        (b'{"id":1,"result":1,"error":{}}', ("failure", 1, b"{}")),
        (b'{"id":null,"error":{}}', ("failure", None, b"{}")),
        (b'{"error":{}}', ("failure", None, b"{}")),
        (b' \t{"id" : 1 , "method" : "m"}\r', ("request", 1, "m", None)),
        (b'{"id":1,"result":{},"error":null}', ("response", 1, b"{}")),
        (b'{"id":1,"method":null,"params":null,"result":{},"error":null}', ("response", 1, b"{}")),
        (b'{"id":1,"result":null,"error":null}', ("response", 1, b"null")),
        (b'{"id":1,"method":null,"result":null,"error":{}}', ("failure", 1, b"{}")),
        (b'{"id":1,"method":"m","result":null,"error":null}', ("request", 1, "m", None)),
        (b'{"id":null,"method":"notifications/x","error":null}', ("notification", "notifications/x", None)),
        (b'\xef\xbb\xbf{"id":1,"method":"m"}', ("request", 1, "m", None)),
        (b'\xef\xbb\xbf {"id":1.0,"result":{}}', ("response", 1, b"{}")),
    ],
)
def test_a_good_line_is_read(line: bytes, expected: Any) -> None:
    """Bodies stay the bytes that came."""
    assert shown(parse(line)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id":5.0,"method":"m"}', ("request", 5, "m", None)),
        (b'{"id":5e1,"method":"m","params":[NaN]}', ("request", 50, "m", b"[null]")),
        (b'{"id":5.0,"method":"m","params":[NaN]}', ("request", 5, "m", b"[null]")),
        (
            b'{"id":123456789012345678901234567890,"method":"m"}',
            ("request", 123456789012345678901234567890, "m", None),
        ),
        (b'{"id":1,"result":[NaN,Infinity,-Infinity,1.5]}', ("response", 1, b"[null,null,null,1.5]")),
        (b'{"id":1,"result":{"\\ud83d":["\\udc00x"]}}', None),
        (b'{"id":1,"result":"a\xffb"}', ("response", 1, '"a\ufffdb"'.encode())),
        (b'{"method":"m","params":{"a":"\xed\xa0\x80"}}', None),
    ],
)
def test_a_line_that_only_lenient_readers_take_is_relayed(line: bytes, expected: Any) -> None:
    """Half a surrogate pair, NaN and bytes that are no UTF-8 are replaced; nothing else changes."""
    message = parse(line)
    assert not isinstance(message, Malformed | Batch | Failure)
    if expected is not None:
        assert shown(message) == expected
    else:
        body = message.result if isinstance(message, Response) else message.params
        assert body is not None
        assert "\ufffd" in json.dumps(json.loads(bytes(body)), ensure_ascii=False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Server listens on port 3000", (None, True, PARSE_ERROR)),
        (b"\xff\xfe", (None, True, PARSE_ERROR)),
        (b'{"id":7,"method":"m"', (7, False, PARSE_ERROR)),
        (b'{"id":"x","method":"m",}', ("x", False, PARSE_ERROR)),
        (b'{"params":{"id":3,"method":"deep"},"id":7,"result":}', (7, True, PARSE_ERROR)),
        (b'{"a":"id","id":7,"b":\'}', (7, True, PARSE_ERROR)),
        (b'{"id":[7],}', (None, True, PARSE_ERROR)),
        (b'{"id":-1.5,}', (None, True, PARSE_ERROR)),
        (b'{"id":"\xff",}', (None, True, PARSE_ERROR)),
        (b'{"id":nope,}', (None, True, PARSE_ERROR)),
        (b'{"id":1,"method":"m","params":' + b"9" * 5000 + b"}x", (1, False, PARSE_ERROR)),
        (b"5", (None, False, INVALID_REQUEST)),
        (b'"x"', (None, False, INVALID_REQUEST)),
        (b"null", (None, False, INVALID_REQUEST)),
        (b"[]", (None, False, INVALID_REQUEST)),
        (b"{}", (None, True, INVALID_REQUEST)),
        (b'{"id":4}', (4, True, INVALID_REQUEST)),
        (b'{"id":null,"result":1}', (None, True, INVALID_REQUEST)),
        (b'{"id":null,"method":"m"}', (None, False, INVALID_REQUEST)),
        (b'{"id":4,"method":5}', (4, False, INVALID_REQUEST)),
        (b'{"id":4.5,"method":"m"}', (None, False, INVALID_REQUEST)),
        (b'{"id":true,"method":"m"}', (None, False, INVALID_REQUEST)),
        (b'{"id":{"a":1},"result":1}', (None, True, INVALID_REQUEST)),
        (b'{"id":Infinity,"method":"m"}', (None, False, INVALID_REQUEST)),
        (b'{"id":4,"method":"m","params":' + b"[" * 9999 + b"]" * 9999 + b"}", (4, False, INVALID_REQUEST)),
        (b'{"id":4,"result":[NaN,' + b"[" * 700 + b"]" * 700 + b"]}", (4, True, INVALID_REQUEST)),
    ],
)
def test_a_line_that_cannot_be_relayed_keeps_its_id_and_kind(line: bytes, expected: Any) -> None:
    """So that whoever waits for that id is told, and nobody else."""
    message = parse(line)
    assert shown(message) == ("malformed", *expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'[{"method":"m"},{"id":1,"method":"n"}]', [("notification", "m", None), ("request", 1, "n", None)]),
        (b'[{"id":1,"result":NaN},{"method":"m"}]', [("response", 1, b"null"), ("notification", "m", None)]),
        (b"[1]", [("malformed", None, False, INVALID_REQUEST)]),
        (b"[[]]", [("malformed", None, False, INVALID_REQUEST)]),
        (b"[" * 300 + b"]" * 300, [("malformed", None, False, INVALID_REQUEST)]),
        (
            b'[{"id":3,"method":"m","params":{"a":NaN,"b":1.10}}, {"id":4,"method":"\\ud800"}]',
            [("request", 3, "m", b'{"a":null,"b":1.10}'), ("request", 4, "\ufffd", None)],
        ),
        (
            b'[{"id":true,"result":{"a":NaN,"b":' + b"[" * 300 + b"]" * 300 + b"}}]",
            [("malformed", None, True, INVALID_REQUEST)],
        ),
    ],
)
def test_a_batch_is_read_part_by_part(line: bytes, expected: Any) -> None:
    """A part that is none does not spoil the others."""
    assert shown(parse(line)) == expected


def test_a_null_error_alone_is_no_answer() -> None:
    for line in (b'{"id":1,"error":null}', b'{"id":1,"method":null,"error":null}'):
        assert shown(parse(line)) == ("malformed", 1, True, -32600)


@pytest.mark.parametrize(
    ("id", "own"),
    [
        (1, 1),
        ("1", 1),
        ("01", 1),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("\u0661", None),
        ("1" * 5000, None),
        (None, None),
    ],
)
def test_a_number_of_ours_may_come_back_as_text(id: Any, own: int | None) -> None:
    assert jsonrpc.own_id(id) == own


@pytest.mark.parametrize(
    "filler", [b'\\"', b"a", b'"a",', b"\\", b'{"a":', b"1,", b"[", b"NaN,", b'\\ud800"']
)
@pytest.mark.parametrize(
    "start", [b'{"id":1,"result":"', b'{"id":1,"result":[', b"[", b'[{"id":1},', b"", b"null"]
)
def test_what_cannot_be_read_takes_the_same_steps_however_long_it_is(start: bytes, filler: bytes) -> None:
    """Megabytes of anything on one line must not hold the loop up. How deep it is takes a few steps for each
    256 KB."""

    def taken(size: int) -> int:
        line = start + filler * (size // len(filler))
        return steps(lambda: parse(line))

    assert taken(800_000) <= taken(400_000) + 20 + 26 * (400_000 // PIECE + 1)


@pytest.mark.parametrize("length", [100, jsonrpc.HEAD - 30, jsonrpc.HEAD + 1, 3_000_000])
def test_the_id_of_a_broken_message_is_found_in_its_head(length: int) -> None:
    message = parse(b'{"id":7,"method":"m","params":"' + b"x" * length)
    assert shown(message) == ("malformed", 7, False, PARSE_ERROR)


def test_an_id_behind_a_long_broken_body_is_not_looked_for() -> None:
    message = parse(b'{"result":[' + b"1," * jsonrpc.HEAD + b'],"id":7}')
    assert shown(message) == ("malformed", None, True, PARSE_ERROR)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (b'"\\ud83d"', b'"\\ufffd"'),
        (b"NaN", b"null"),
        (b"-Infinity", b"null"),
        (b'"\xff"', b'"\xef\xbf\xbd"'),
    ],
)
def test_a_large_message_is_mended_like_a_small_one(wrong: bytes, right: bytes) -> None:
    """Its digits stay as they are."""
    filling = b"1.10," * 300_000
    message = parse(b'{"id":7,"result":[' + filling + wrong + b"]}")
    assert isinstance(message, Response)
    assert bytes(message.result) == b"[" + filling + right + b"]"


def test_a_byte_order_mark_before_a_message_is_no_part_of_it() -> None:
    """Some Windows programs put one there, over HTTP and on lines."""
    body = b'\xef\xbb\xbf{"id":1,"method":"m",\n"params":{"a":\n1}}'
    assert shown(parse(body)) == ("request", 1, "m", b'{"a":\n1}')
    assert shown(parse(jsonrpc.on_one_line(body))) == ("request", 1, "m", b'{"a":1}')
    assert shown(parse(b"\xef\xbb\xbf[" + b'{"method":"m"}]')) == [("notification", "m", None)]


def test_a_batch_has_a_bound() -> None:
    """Looked at before any of its messages is read."""
    one = b'{"id":1,"method":"ping"}'

    def batch(count: int) -> bytes:
        return b"[" + b",".join([one] * count) + b"]"

    taken = parse(batch(jsonrpc.MOST_MESSAGES))
    assert isinstance(taken, Batch)
    assert len(taken.messages) == jsonrpc.MOST_MESSAGES
    reason = f"a batch must not hold more than {jsonrpc.MOST_MESSAGES} messages"
    refused = Malformed(None, False, INVALID_REQUEST, reason)
    assert parse(batch(jsonrpc.MOST_MESSAGES + 1)) == refused
    assert steps(lambda: parse(batch(40_000))) < 100 + 20 * (40_000 * (len(one) + 1) // PIECE + 1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":%s,"method":"m"}' % (b"9" * 5000),
        b'{"id":%s,"method":"m",}' % (b"9" * 5000),
        b'{"id":%s,"result":{}}' % (b"9" * 100_000),
        b"[" + b'{"id":%s,"method":"m"}]' % (b"9" * 5000),
        b"9" * 100_000,
        b'{"id":1e400,"method":"m"}',
    ],
)
def test_numbers_beyond_any_bound_break_nothing(line: bytes) -> None:
    message = parse(line)
    for part in message.messages if isinstance(message, Batch) else [message]:
        assert isinstance(part, Malformed)


def test_an_error_whose_text_is_no_unicode_can_be_sent() -> None:
    """Names of files may be anything."""
    sent = jsonrpc.failure(1, -1, "no file \udcff", {"path": "\ud83d", "size": 1.5})
    read = json.loads(sent)["error"]
    assert read == {"code": -1, "message": "no file \ufffd", "data": {"path": "\ufffd", "size": 1.5}}


@pytest.mark.parametrize(
    ("head", "id"),
    [
        (b'{"jsonrpc":"2.0","id":12,"result":{"text":"a \\"id\\": 9, }} , \\"id\\":9', 12),
        (b'{"id":12,"result":"abc\\', 12),
        (b'{"result":{"id":4},"id":12', None),
        (b'{"result":{"id":4},"id":"12', None),
        (b'{"result":{"id":4},"i', None),
    ],
)
def test_an_oversized_line_is_known_by_its_head(head: bytes, id: int | None) -> None:
    """An id that is cut off may be somebody else's: then there is none."""
    message = jsonrpc.oversized(head, 100)
    assert message == Malformed(id, True, INVALID_REQUEST, "the message is larger than 100 bytes")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (b'{"code":-1,"message":"no"}', -1, "no"),
        (b'{"message":"no"}', -32603, "no"),
        (b"{}", -32603, ""),
        (b'"boom"', -32603, 'an error of unknown shape: "boom"'),
        (b'{"code":"x"}', -32603, 'an error of unknown shape: {"code":"x"}'),
        (b"null", -32603, "an error of unknown shape: null"),
    ],
)
def test_an_error_of_any_shape_is_read(error: bytes, code: int, message: str) -> None:
    read = jsonrpc.read_error(Raw(error))
    assert (read.code, read.message) == (code, message)


def test_data_of_an_error_stays_raw() -> None:
    read = jsonrpc.read_error(Raw(b'{"code":1,"message":"m","data":{"n": 1.50}}'))
    assert isinstance(read.data, Raw)
    assert bytes(read.data) == b'{"n": 1.50}'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (jsonrpc.request(1, "m", None), {"jsonrpc": "2.0", "id": 1, "method": "m"}),
        (jsonrpc.request("ä", 'a"b', b"{}"), {"jsonrpc": "2.0", "id": "ä", "method": 'a"b', "params": {}}),
        (
            jsonrpc.request(10**30, "m", Raw(b"[1]")),
            {"jsonrpc": "2.0", "id": 10**30, "method": "m", "params": [1]},
        ),
        (jsonrpc.notification("m", None), {"jsonrpc": "2.0", "method": "m"}),
        (jsonrpc.notification("m", b'{"a":1}'), {"jsonrpc": "2.0", "method": "m", "params": {"a": 1}}),
        (jsonrpc.response(3, Raw(b"7")), {"jsonrpc": "2.0", "id": 3, "result": 7}),
        (
            jsonrpc.failure(None, -1, "m"),
            {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "m"}},
        ),
        (
            jsonrpc.failure("x", -1, "m", None),
            {"jsonrpc": "2.0", "id": "x", "error": {"code": -1, "message": "m", "data": None}},
        ),
        (jsonrpc.failure_raw(1, Raw(b'"e"')), {"jsonrpc": "2.0", "id": 1, "error": "e"}),
    ],
)
def test_what_we_send_is_one_line_of_json(line: bytes, expected: Any) -> None:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == expected


def test_a_body_leaves_as_the_bytes_that_came() -> None:
    """Digits survive: 1.50 is not 1.5."""
    message = parse(b'{"id":1,"result":{"a":1.50,"b":1e400,"c":12345678901234567890}}')
    assert isinstance(message, Response)
    assert jsonrpc.response(2, message.result) == (
        b'{"jsonrpc":"2.0","id":2,"result":{"a":1.50,"b":1e400,"c":12345678901234567890}}\n'
    )


def test_an_rpc_error_says_what_the_wire_says() -> None:
    assert msgspec.json.decode(RpcError(-1, "no").encoded()) == {"code": -1, "message": "no"}
    error = RpcError(-1, "no", {"a": 1})
    assert msgspec.json.decode(error.encoded()) == {"code": -1, "message": "no", "data": {"a": 1}}
    assert str(error) == "no"


@pytest.mark.parametrize("number", [b"1e400", b"9" * 5000, b"1.10"])
def test_a_number_that_nobody_can_hold_stays_beside_half_a_surrogate_pair(number: bytes) -> None:
    """What is mended changes nothing else."""
    message = parse(b'{"id":1,"result":{"a":"\\ud83d","b":' + number + b"}}")
    assert shown(message) == ("response", 1, b'{"a":"\\ufffd","b":' + number + b"}")


def test_an_object_of_a_servers_own_answers_no_request_though_it_has_an_id() -> None:
    assert parse(b'{"id":4,"level":"info","msg":"order taken"}').id is None  # type: ignore[union-attr]
    assert parse(b'{"id":4,"cut":"\\ud83d","n":NaN}').id is None  # type: ignore[union-attr]
    assert parse(b'{"jsonrpc":"2.0","id":4}').id == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1.50}}',
        b'{"jsonrpc":"2.0","id":"a","method":"m"}',
        b'{"jsonrpc":"2.0","method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1.50}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}',
        '{"jsonrpc":"2.0","id":1,"method":"m","params":"\u00e4"}'.encode(),
        b'{"jsonrpc":"2.0","id":1,"result":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"result":NaN}',
        b'{"jsonrpc":"2.0","id":1,"result":%b}' % (b"[" * 200 + b"]" * 200),
        b'{"jsonrpc":"2.0","id":1,"result":%b}' % (b"[" * 100 + b"]" * 100),
        b"[]",
        b"Listening on port 3000",
    ],
)
@pytest.mark.parametrize("way", [of_client, of_server])
def test_the_short_ways_read_every_line_as_the_long_one_does(way: Any, line: bytes) -> None:
    assert shown(way(line)) == shown(parse(line))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"a" : 1.50}', b'{"a" : 1.50}'),
        (b'{\r\n  "a" : 1.50\n}\n', b'{"a":1.50}'),
        (b'\xef\xbb\xbf{\n"a": "\\n"}', b'{"a":"\\n"}'),
    ],
)
def test_a_body_goes_onto_one_line_with_its_digits_as_they_stand(body: bytes, line: bytes) -> None:
    assert on_one_line(body) == line


def test_a_body_that_is_no_json_stays_for_the_reader_to_judge() -> None:
    assert on_one_line(b"Not\nFound") == b"Not\nFound"


@pytest.mark.parametrize("line", [b"true story", b'"unfinished', b"12 monkeys", b"-"])
def test_text_that_begins_like_a_value_is_no_json(line: bytes) -> None:
    assert parse(line) == Malformed(None, True, PARSE_ERROR, "the message is not valid JSON")


@pytest.mark.parametrize("line", [b'[{"id":1,"method":"m"},', b"[1 2]", b"[NaN,"])
def test_a_broken_batch_is_refused_whole(line: bytes) -> None:
    assert parse(line) == Malformed(None, False, PARSE_ERROR, "the message is not valid JSON")


def test_a_message_that_is_too_deep_names_whom_it_is_about() -> None:
    deep = b"[" * 200 + b"]" * 200
    reason = "the message is nested deeper than 128 levels"
    assert parse(b'{"id":7,"result":%b}' % deep) == Malformed(7, True, INVALID_REQUEST, reason)
    assert parse(b'{"method":"m","params":%b}' % deep) == Malformed(None, False, INVALID_REQUEST, reason)


def test_only_so_many_names_of_methods_are_kept_and_all_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonrpc, "MOST_METHODS", 3)
    monkeypatch.setattr(jsonrpc, "_METHODS", {})
    for n in range(5):
        assert json.loads(jsonrpc.request(n, f"m{n}", None))["method"] == f"m{n}"
    assert list(jsonrpc._METHODS) == ["m0", "m1", "m2"]


def test_a_request_of_the_other_era_is_told_that_it_names_a_revision_of_its_own() -> None:
    assert json.loads(OfOtherEra("tools/call").encoded()) == {
        "code": METHOD_NOT_FOUND,
        "message": "method not found: tools/call: the request names a revision of its own",
    }
