"""What goes wrong on the way says whether the listener can have begun."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from callmux.bridge.failures import GivenUp, LinkFailure, Reason, Refusal, as_error, of_refusal, unsure
from callmux.protocol.failure_points import Point
from callmux.protocol.jsonrpc import Failure, Response


@pytest.mark.parametrize(
    ("status", "named", "reason", "started", "untaken"),
    [
        (404, True, Reason.SESSION, False, True),
        (404, False, Reason.REFUSED, False, False),
        (503, True, Reason.BUSY, True, False),
        (429, True, Reason.BUSY, True, False),
        (502, True, Reason.BROKEN, True, False),
        (504, True, Reason.BROKEN, True, False),
        (401, True, Reason.REFUSED, True, False),
        (302, True, Reason.REFUSED, True, False),
        (307, True, Reason.REFUSED, False, False),
        (413, True, Reason.REFUSED, False, False),
        (422, True, Reason.REFUSED, True, False),
        (500, True, Reason.BROKEN, True, False),
        (501, True, Reason.REFUSED, True, False),
    ],
)
def test_what_a_status_means(status: int, named: bool, reason: Reason, started: bool, untaken: bool) -> None:
    failure = of_refusal(Refusal(status=status), named=named)
    assert (failure.reason, failure.started, failure.untaken) == (reason, started, untaken)
    assert failure.status == status


RETRY = {b"retry-after": b"2"}


@pytest.mark.parametrize("status", [429, 503])
def test_only_a_listener_of_ours_proves_by_asking_to_come_back_that_it_began_nothing(status: int) -> None:
    refusal = Refusal(status=status, headers=RETRY)
    ours, foreign = of_refusal(refusal, named=True, ours=True), of_refusal(refusal, named=True)
    assert (ours.started, ours.untaken, ours.doubted) == (False, True, False)
    assert (foreign.started, foreign.untaken) == (True, False)
    assert not of_refusal(Refusal(status=status), named=True, ours=True).untaken


def test_a_400_about_the_session_proves_something_only_if_that_is_forgotten() -> None:
    failure = of_refusal(Refusal(status=400, body=b"no valid session"), named=True)
    assert failure.doubted
    forgotten, elsewise = failure.forgotten(Point.SAID_SESSION), failure.forgotten(Point.FAILED)
    assert (forgotten.untaken, forgotten.over) == (True, True)
    assert (elsewise.untaken, elsewise.started, elsewise.over) == (False, True, True)
    assert (failure.remembered().untaken, failure.remembered().started) == (False, True)


def test_a_404_that_answers_the_request_itself_proves_something_only_if_the_session_is_forgotten() -> None:
    refusal = Refusal(status=404, body=b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}')
    failure = of_refusal(refusal, named=True, about=7)
    assert (failure.reason, failure.doubted, failure.over) == (Reason.REFUSED, True, False)
    assert (failure.remembered().untaken, failure.remembered().started) == (False, True)
    assert (failure.forgotten(Point.NO_SESSION).untaken, failure.forgotten(Point.ERROR).untaken) == (
        True,
        False,
    )
    assert of_refusal(refusal, named=True, about=8).over


@pytest.mark.parametrize(
    ("refusal", "point"),
    [
        (Refusal(status=404), Point.NO_SESSION),
        (Refusal(status=400, body=b"no session"), Point.SAID_SESSION),
        (Refusal(status=500), Point.FAILED),
        (Refusal(status=405), None),
        (Refusal(status=503, headers={b"retry-after": b"1"}), None),
    ],
)
def test_a_refused_ping_tells_of_the_session(refusal: Refusal, point: Point | None) -> None:
    assert of_refusal(refusal, named=True).of_ping() is point


def test_a_listener_that_cannot_be_reached_tells_nothing_of_the_session() -> None:
    assert LinkFailure(Reason.UNREACHABLE, "no").of_ping() is None


@pytest.mark.parametrize("status", [400, 401, 410, 422, 500, 503])
def test_a_forgotten_session_does_not_prove_that_nothing_was_done(status: int) -> None:
    failure = of_refusal(Refusal(status=status), named=True)
    assert failure.remembered() is failure
    forgotten = failure.forgotten(Point.REFUSED)
    assert (forgotten.reason, forgotten.over) == (Reason.SESSION, True)
    assert (forgotten.started, forgotten.untaken) == (True, False)
    assert str(status) in forgotten.message


def test_the_listener_is_quoted_and_advice_is_given() -> None:
    said = b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no token"}}'
    refused = of_refusal(Refusal(status=401, body=said), named=True)
    assert "no token" in refused.message
    assert "CALLMUX_TOKEN" in refused.message
    assert "--url" in of_refusal(Refusal(status=307), named=True).message
    assert "/mcp" in of_refusal(Refusal(status=404, body=b"<html>"), named=False).message


@pytest.mark.parametrize(("header", "wait"), [(b"3", 3.0), (b"Wed, 21 Oct", None), (None, None)])
def test_a_busy_listener_may_say_for_how_long(header: bytes | None, wait: float | None) -> None:
    headers = {} if header is None else {b"retry-after": header}
    assert of_refusal(Refusal(status=503, headers=headers), named=True).wait == wait


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
    headers = {} if header is None else {b"retry-after": header}
    failure = of_refusal(Refusal(status=status, headers=headers), named=True, ours=True)
    assert [failure.pause(attempts) for attempts in range(1, 7)] == pytest.approx(pauses)


def test_a_web_page_is_not_shown_but_named() -> None:
    page = b"<!DOCTYPE HTML>\n<html><body>Unsupported method</body></html>"
    message = of_refusal(Refusal(status=501, body=page), named=False).message
    assert message.endswith("What answers there is not MCP: it sent a web page")
    assert "<" not in message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error": "Unauthorized", "requestId": "r"}', "(HTTP 401): Unauthorized. Give a token"),
        (
            b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "No"}}',
            "(HTTP 401): No. Give a token",
        ),
        (b'{"error": 7}', "(HTTP 401): an error of unknown shape: 7. Give a token"),
        (b"", "(HTTP 401). Give a token"),
    ],
)
def test_a_refusal_says_what_the_listener_said(body: bytes, says: str) -> None:
    assert says in str(of_refusal(Refusal(status=401, body=body), named=False))


def told(state: str, **more: object) -> bytes:
    """The result of a call that failed, with what the listener says of its own attempt."""
    error = {"code": "timeout", "message": "m", "details": {"executionState": state, "tool": "t"}}
    return json.dumps(
        {"content": [], "structuredContent": {"error": error}, "isError": True, **more}
    ).encode()


def test_a_listener_that_began_nothing_does_not_know_of_an_earlier_attempt() -> None:
    answer = unsure(Response(7, Raw(told("not_started"))))
    assert isinstance(answer, Response)
    assert answer.id == 7
    error = json.loads(bytes(answer.result))["structuredContent"]["error"]
    assert error == {"code": "timeout", "message": "m", "details": {"executionState": "unknown", "tool": "t"}}


@pytest.mark.parametrize(
    "result",
    [
        b'{"content":[]}',
        b'{"content":[{"type":"text","text":"not_started"}]}',
        told("unknown", note="not_started"),
        told("not_started", isError=False),
    ],
)
def test_other_answers_stay_as_they_are(result: bytes) -> None:
    answer = Response(7, Raw(result))
    assert unsure(answer) is answer
    failure = Failure(7, Raw(b'{"code":-32000,"message":"not_started"}'))
    assert unsure(failure) is failure


def test_a_refusal_is_passed_on_as_it_is() -> None:
    error = as_error(Failure(1, Raw(b'{"code":-5,"message":"m","data":{"a":1}}')))
    assert (error.code, error.message, bytes(error.data)) == (-5, "m", b'{"a":1}')
