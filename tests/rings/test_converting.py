"""A failed request is an error result, never a broken session."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from callmux.errors import ToolCallFailed
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.converting import Converting, as_result
from tests.support import context, play


def converted(outcome: Any) -> Result:
    async def proceed(plan: Plan, around: Any) -> Result:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return play(Converting()(Plan(name="x"), context(), proceed))


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
    with pytest.raises(asyncio.CancelledError):
        converted(asyncio.CancelledError())


def test_a_child_of_a_fan_out_is_converted_the_same_way() -> None:
    assert as_result(ToolCallFailed("it broke")).raw == converted(ToolCallFailed("it broke")).raw
