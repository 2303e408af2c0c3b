"""What a request without a handshake says of itself, and what its answer must have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.protocol import modern
from callmux.protocol.jsonrpc import RpcError

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META: dict[str, Any] = {VERSION: "2026-07-28", CAPABILITIES: {"roots": {}}}
INFO = b'{"name":"n"}'
SERVER = {"io.modelcontextprotocol/serverInfo": {"name": "n"}}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def refused(method: str, params: Any) -> RpcError:
    with pytest.raises(RpcError) as caught:
        modern.read(method, None if params is None else raw(params))
    return caught.value


def test_a_request_is_read_whole() -> None:
    more = {
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/logLevel": "debug",
    }
    params = {"_meta": {**META, **more}, "requestState": "s", "inputResponses": {"a": {"b": 1}}}
    asked = modern.read("tools/call", raw(params))
    assert (asked.version, asked.capabilities, asked.client_name) == ("2026-07-28", b'{"roots": {}}', "c")
    assert (asked.log_level, asked.state, dict(asked.answers)) == ("debug", "s", {"a": raw({"b": 1})})
    asked = modern.read("tools/list", raw({"_meta": META}))
    assert (asked.client_name, asked.log_level, asked.state, dict(asked.answers)) == (None, None, None, {})


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/list", None, -32602),
        ("tools/list", {"_meta": 5}, -32602),
        ("tools/list", {"_meta": {**META, VERSION: 5}}, -32602),
        ("tools/list", {"_meta": {**META, VERSION: "1999-01-01"}}, -32022),
        ("tools/list", {"_meta": {VERSION: "1999-01-01", CAPABILITIES: 5}}, -32022),
        ("tools/list", {"_meta": {**META, CAPABILITIES: "x"}}, -32602),
        ("tools/list", {"_meta": {CAPABILITIES: {}}}, -32602),
        ("tools/call", {"_meta": META, "requestState": 5}, -32602),
        ("tools/list", {"_meta": {**META, "io.modelcontextprotocol/logLevel": "x"}}, -32602),
        ("tools/list", {"_meta": {**META, "io.modelcontextprotocol/logLevel": 5}}, -32602),
        (
            "tools/list",
            {"_meta": {**META, VERSION: "1999-01-01", "io.modelcontextprotocol/logLevel": 5}},
            -32022,
        ),
        ("ping", {"_meta": META}, -32601),
    ],
)
def test_what_cannot_be_served_is_refused(method: str, params: Any, code: int) -> None:
    assert refused(method, params).code == code


def test_what_the_revision_adds_is_taken_off_and_nothing_else() -> None:
    own = {"io.modelcontextprotocol/clientInfo": {}, "io.modelcontextprotocol/logLevel": "info"}
    params = {"name": "x", "requestState": "s", "inputResponses": {}, "_meta": {**META, **own, "a/b": 1}}
    assert json.loads(bytes(modern.bare(raw(params)))) == {"name": "x", "_meta": {"a/b": 1}}
    assert bytes(modern.bare(raw({"_meta": META}))) == b"{}"
    assert bytes(modern.bare(None)) == b"{}"


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_a_result_keeps_all_its_members(result: dict[str, Any]) -> None:
    told = json.loads(modern.complete(json.dumps(result).encode(), INFO, modern.hints(5, private=True)))
    kept = {key: value for key, value in result.items() if key != "_meta"}
    assert {key: told[key] for key in kept} == kept
    assert told["resultType"] == result.get("resultType", "complete")
    assert told["ttlMs"] == result.get("ttlMs", 5)
    assert told["cacheScope"] == result.get("cacheScope", "private")
    assert told["_meta"] == SERVER


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"_meta": {"a": 1}}, {"resultType": "complete", "_meta": {"a": 1, **SERVER}}),
        ({"resultType": "task"}, {"resultType": "task", "_meta": SERVER}),
        ({"text": '"_meta"'}, {"resultType": "complete", "text": '"_meta"', "_meta": SERVER}),
        (
            {"_meta": {"io.modelcontextprotocol/serverInfo": 1}, "ttlMs": 9},
            {
                "resultType": "complete",
                "ttlMs": 9,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": 1},
            },
        ),
    ],
)
def test_what_a_server_has_said_stays(result: Any, expected: Any) -> None:
    hints = modern.hints(1, private=False) if "ttlMs" in result else b""
    assert json.loads(modern.complete(json.dumps(result).encode(), INFO, hints)) == expected


def test_questions_are_a_result_of_their_own() -> None:
    told = json.loads(modern.input_required({"q1": b'{"method":"roots/list"}'}, "s", INFO))
    assert told == {
        "resultType": "input_required",
        "inputRequests": {"q1": {"method": "roots/list"}},
        "requestState": "s",
        "_meta": SERVER,
    }


@pytest.mark.parametrize(
    ("code", "shown"),
    [(-32002, -32602), (-32042, -32603), (-32050, -32603), (-32021, -32021), (-32601, -32601), (5, 5)],
)
def test_codes_that_the_revision_does_not_have_become_others(code: int, shown: int) -> None:
    error = {"code": code, "message": "m", "data": {"uri": "a:b"}}
    found, body = modern.error(json.dumps(error).encode())
    assert found == shown
    assert json.loads(body) == {**error, "code": shown}


def test_refusals_have_the_status_of_the_specification() -> None:
    statuses = [modern.status_of(code) for code in (None, -32601, -32602, -32020, -32021, -32022, -32603)]
    assert statuses == [200, 404, 400, 400, 400, 400, 200]
    assert modern.mismatch("x").code == -32020
    error = modern.lacking({"roots": {}}, "why")
    assert (error.code, error.data) == (-32021, {"requiredCapabilities": {"roots": {}}})


@pytest.mark.parametrize(
    ("method", "params", "needed"),
    [
        ("roots/list", None, {"roots": {}}),
        ("elicitation/create", {"message": "m"}, {"elicitation": {}}),
        ("elicitation/create", {"mode": "url"}, {"elicitation": {"url": {}}}),
        ("elicitation/create", {"mode": 5}, {"elicitation": {}}),
        ("sampling/createMessage", {"messages": []}, {"sampling": {}}),
        ("sampling/createMessage", {"tools": []}, {"sampling": {"tools": {}}}),
        ("ping", None, None),
    ],
)
def test_a_question_needs_what_the_specification_says(method: str, params: Any, needed: Any) -> None:
    assert modern.needed(method, None if params is None else raw(params)) == needed


@pytest.mark.parametrize(
    ("declared", "wanted", "fits"),
    [
        ({}, {"roots": {}}, False),
        ({"roots": {}}, {"roots": {}}, True),
        ({"elicitation": {}}, {"elicitation": {}}, True),
        ({"elicitation": {}}, {"elicitation": {"url": {}}}, False),
        ({"elicitation": {"url": {}}}, {"elicitation": {"url": {}}}, True),
        ({"elicitation": {"url": {}}}, {"elicitation": {}}, False),
        ({"elicitation": {"form": {}, "url": {}}}, {"elicitation": {}}, True),
        ({"sampling": {}}, {"sampling": {"tools": {}}}, False),
        ({"sampling": {"tools": {}}}, {"sampling": {"tools": {}}}, True),
        ({"elicitation": 5}, {"elicitation": {}}, False),
    ],
)
def test_a_client_is_asked_what_it_declares(declared: Any, wanted: Any, fits: bool) -> None:
    assert modern.declares(json.dumps(declared).encode(), wanted) is fits


def test_a_question_is_told_without_a_name_for_its_address() -> None:
    plain = b'{"message":"who?","requestedSchema":{}}'
    assert bytes(modern.question(plain)) == plain
    named = {"mode": "url", "url": "https://x/", "message": "in", "elicitationId": "1"}
    assert json.loads(bytes(modern.question(json.dumps(named).encode()))) == {
        "mode": "url",
        "url": "https://x/",
        "message": "in",
    }


def test_what_a_client_says_to_questions_stays_where_a_request_is_about_that() -> None:
    params = Raw(b'{"taskId":"t","inputResponses":{"q":{}},"_meta":{}}')
    assert json.loads(bytes(modern.bare(params))) == {"taskId": "t"}
    kept = json.loads(bytes(modern.bare(params, answers=True)))
    assert kept == {"taskId": "t", "inputResponses": {"q": {}}}


def test_a_result_is_completed_the_same_each_time_and_for_whoever_answers() -> None:
    for n in [*range(modern.MOST_USUAL + 1), 0, 0]:
        info = b'{"name":"n%d"}' % n
        told = json.loads(modern.complete(b'{"a":1}', info))
        assert told == {
            "resultType": "complete",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": f"n{n}"}},
            "a": 1,
        }
    assert len(modern._USUAL) <= modern.MOST_USUAL
