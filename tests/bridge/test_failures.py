"""What goes wrong on the way says whether the listener can have begun."""

from __future__ import annotations

import json

import pytest

from callmux.bridge.failures import GivenUp, LinkFailure, Reason, of_status


@pytest.mark.parametrize(
    ("status", "session", "reason", "started"),
    [
        (404, True, Reason.SESSION, False),
        (404, False, Reason.REFUSED, False),
        (503, True, Reason.BUSY, False),
        (429, True, Reason.BUSY, False),
        (502, True, Reason.BROKEN, True),
        (504, True, Reason.BROKEN, True),
        (401, True, Reason.REFUSED, False),
        (302, True, Reason.REFUSED, False),
        (413, True, Reason.REFUSED, False),
        (500, True, Reason.BROKEN, True),
        (501, True, Reason.REFUSED, True),
    ],
)
def test_what_a_status_means(status: int, session: bool, reason: Reason, started: bool) -> None:
    failure = of_status(status, b"", None, session=session)
    assert (failure.reason, failure.started, failure.status) == (reason, started, status)


def test_the_listener_is_quoted_and_advice_is_given() -> None:
    refused = of_status(
        401, b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no token"}}', None, session=True
    )
    assert "no token" in refused.message
    assert "CALLMUX_TOKEN" in refused.message
    assert "--url" in of_status(307, b"", None, session=True).message
    assert "/mcp" in of_status(404, b"<html>", None, session=False).message


@pytest.mark.parametrize(("header", "wait"), [(b"3", 3.0), (b"Wed, 21 Oct", None), (None, None)])
def test_a_busy_listener_may_say_for_how_long(header: bytes | None, wait: float | None) -> None:
    assert of_status(503, b"", header, session=True).wait == wait


def test_a_call_that_never_left_is_safe_to_retry() -> None:
    failure = LinkFailure(Reason.UNREACHABLE, "refused")
    result = json.loads(
        GivenUp(failure, started=False, attempts=0, safe=False).as_result("http://x", "t").raw
    )
    assert result["isError"] is True
    assert result["structuredContent"]["error"] == {
        "code": "bridge_upstream_unavailable",
        "message": "refused (http://x)",
        "details": {
            "tool": "t", "url": "http://x", "retryable": True, "safeToRetry": True,
            "executionState": "not_started", "lastConnectError": "refused",
        },
    }  # fmt: skip


def test_a_call_that_broke_half_way_is_safe_only_if_the_tool_says_so() -> None:
    failure = LinkFailure(Reason.BROKEN, "reset")
    for safe in (True, False):
        details = GivenUp(failure, started=True, attempts=2, safe=safe).as_error("u", "t").details
        assert (details["executionState"], details["safeToRetry"]) == ("unknown", safe)
        assert details["retryAttempted"] is True


def test_a_refusal_is_a_failed_call() -> None:
    failure = LinkFailure(Reason.REFUSED, "HTTP 401", status=401)
    given_up = GivenUp(failure, started=False, attempts=1, safe=False)
    assert given_up.as_error("u", "t").code == "bridge_tool_call_failed"
    rpc = given_up.as_rpc("u")
    assert (rpc.code, rpc.data["code"], rpc.data["retryable"]) == (-32000, "bridge_tool_call_failed", False)


@pytest.mark.parametrize(
    ("status", "header", "pauses"),
    [
        (503, b"1", [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]),
        (503, None, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]),
        (429, b"3", [3.0] * 6),
        (429, None, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]),
    ],
)
def test_a_listener_that_is_replaced_may_be_back_before_its_time_one_that_limits_is_obeyed(
    status: int, header: bytes | None, pauses: list[float]
) -> None:
    failure = of_status(status, b"", header, session=True)
    assert [failure.pause(attempts) for attempts in range(1, 7)] == pytest.approx(pauses)
