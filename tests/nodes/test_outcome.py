"""What a client hears of a request whose node was lost, and what was answered before that."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from callmux.nodes.outcome import Answered, requests_of, unknown, unknown_body, unknown_events
from callmux.protocol.jsonrpc import Batch, Notification, Request, parse
from callmux.protocol.sse import event

CALL = Request(5, "tools/call", Raw(b'{"name":"git__push","arguments":{}}'))
LIST = Request("a", "tasks/cancel", None)


def test_a_tool_call_fails_as_calls_to_servers_do() -> None:
    answer = json.loads(unknown(CALL))
    assert answer["id"] == 5
    error = answer["result"]["structuredContent"]["error"]
    assert answer["result"]["isError"] is True
    assert error["code"] == "outcome_unknown"
    assert error["details"] == {
        "tool": "git__push",
        "retryable": False,
        "safeToRetry": False,
        "executionState": "unknown",
    }


@pytest.mark.parametrize("params", [None, Raw(b"[]"), Raw(b'{"name":5}'), Raw(b"{}")])
def test_a_call_that_names_no_tool_is_answered_all_the_same(params: Raw | None) -> None:
    error = json.loads(unknown(Request(1, "tools/call", params)))["result"]["structuredContent"]["error"]
    assert "tool" not in error["details"]


def test_a_client_of_a_revision_without_a_handshake_gets_a_result_as_it_knows_them() -> None:
    meta = b'{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'
    answer = json.loads(unknown(Request(5, "tools/call", Raw(b'{"name":"t","_meta":%b}' % meta))))
    assert (answer["result"]["resultType"], answer["result"]["isError"]) == ("complete", True)


def test_another_request_is_refused() -> None:
    answer = json.loads(unknown(LIST))
    assert (answer["id"], answer["error"]["code"]) == ("a", -32000)
    assert answer["error"]["data"]["executionState"] == "unknown"


def test_it_goes_out_as_a_body_or_as_events() -> None:
    assert json.loads(unknown_body([CALL], batch=False))["id"] == 5
    assert [one["id"] for one in json.loads(unknown_body([CALL, LIST], batch=True))] == [5, "a"]
    assert unknown_events([CALL, LIST]).count(b"data: ") == 2


def test_what_was_answered_is_not_open_any_more() -> None:
    answered = Answered()
    whole = event(b'{"jsonrpc":"2.0","id":5,"result":{}}', id="r5_1")
    answered.heard(event(b'{"jsonrpc":"2.0","method":"notifications/progress"}', id="r5_0") + whole[:10])
    assert answered.open([CALL, LIST]) == [CALL, LIST]
    answered.heard(whole[10:])
    assert answered.open([CALL, LIST]) == [LIST]
    answered.heard(event(b'[{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":"no"}}]'))
    answered.heard(event(b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}'))
    assert answered.open([CALL, LIST]) == []


def test_the_requests_of_a_body() -> None:
    assert requests_of(CALL) == [CALL]
    assert requests_of(Batch([CALL, Notification("x", None), LIST])) == [CALL, LIST]
    assert requests_of(parse(b"{")) == []
