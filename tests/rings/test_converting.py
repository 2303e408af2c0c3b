"""A failed request is an error result, never a broken session."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from callmux.errors import CallmuxError, InvalidArguments, ToolCallFailed
from callmux.plan import Plan
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result
from callmux.rings.converting import Converting, as_result, as_rpc_error
from callmux.rings.ring import Job
from callmux.rings.stage import Cancelled
from tests.support import context, play, through


def converted(outcome: Any, plain: bool = False) -> Result:
    async def proceed(plan: Plan, around: Any) -> Result:
        if isinstance(outcome, BaseException):
            raise outcome
        assert isinstance(outcome, Result)
        return outcome

    return play(through(Converting(plain), Plan(name="x"), context(), proceed))


def test_a_result_passes_untouched() -> None:
    result = Result(b'{"content":[]}')
    assert converted(result) is result


def test_a_failure_we_foresaw_keeps_its_code_and_details() -> None:
    shown = json.loads(converted(ToolCallFailed("it broke", server="s")).raw)
    assert shown["isError"] is True
    assert shown["structuredContent"]["error"]["code"] == "tool_call_failed"
    assert "it broke" in shown["content"][0]["text"]


def test_a_failure_nobody_foresaw_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Its text may hold anything, so the client sees none of it."""
    with caplog.at_level(logging.ERROR):
        shown = converted(KeyError("the secret"))
    assert b"the secret" not in shown.raw
    assert json.loads(shown.raw)["structuredContent"]["error"]["code"] == "internal_error"
    assert "the secret" in caplog.text
    assert "Traceback" in caplog.text


def test_cancellation_is_no_failure() -> None:
    gone = Cancelled("enough")
    assert Converting().leave(Job(context=context()), gone) is gone


def test_a_child_of_a_fan_out_is_converted_the_same_way() -> None:
    assert as_result(ToolCallFailed("it broke")).raw == converted(ToolCallFailed("it broke")).raw


def refused(rpc: bytes) -> ToolCallFailed:
    """A failure that is the server's own refusal."""
    error = ToolCallFailed("the server said no", server="s")
    error.rpc = rpc
    return error


def test_a_refusal_is_an_error_result_unless_nothing_may_be_added() -> None:
    """In transparent mode the server's own error passes as it came."""
    error = refused(b'{"code":-7,"message":"no","data":{"n": 1.50}}')
    assert converted(error).is_error
    with pytest.raises(RpcError) as caught:
        converted(error, plain=True)
    assert json.loads(caught.value.encoded()) == {"code": -7, "message": "no", "data": {"n": 1.5}}
    assert converted(ToolCallFailed("lost"), plain=True).is_error


def test_a_client_that_must_visit_a_page_is_told_so() -> None:
    """Only as an error of JSON-RPC does a client know what to do with it."""
    with pytest.raises(RpcError) as caught:
        converted(refused(b'{"code":-32042,"message":"visit","data":{"elicitations":[]}}'))
    assert caught.value.code == -32042


def test_an_error_of_json_rpc_passes() -> None:
    with pytest.raises(RpcError):
        converted(RpcError(-1, "no"))


def test_a_failure_outside_of_tools_is_an_error_of_json_rpc() -> None:
    assert as_rpc_error(refused(b'{"code":-7,"message":"no"}')).code == -7
    error = as_rpc_error(InvalidArguments("wrong", field="uri"))
    assert (error.code, error.data) == (-32602, {"code": "invalid_arguments", "field": "uri"})
    assert as_rpc_error(CallmuxError("x")).code == -32603
