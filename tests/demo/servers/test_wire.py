"""The stdio side of the example servers, as a transcript over real pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from callmux.demo.servers.wire import Tool, ToolError
from tests.support import SECONDS


def exchange(*lines: str | dict[str, Any], args: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What the tracker answers to `lines`, its input closed after them."""
    data = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = subprocess.run(
        [sys.executable, "-m", "callmux.demo.servers.tracker", *args],
        input=data.encode(),
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(key: object, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": key, "method": method, "params": params}


def call(key: object, tool: str, **arguments: Any) -> dict[str, Any]:
    return request(key, "tools/call", name=tool, arguments=arguments)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-06-18")],
)
def test_a_known_revision_is_taken_and_any_other_answered_with_ours(asked: str, answered: str) -> None:
    (answer,) = exchange(request(1, "initialize", protocolVersion=asked))
    assert answer["result"]["protocolVersion"] == answered
    assert answer["result"]["capabilities"] == {"tools": {}}


def test_ping_and_listing_are_answered_and_tools_say_whether_they_write() -> None:
    pong, listing = exchange(request("a", "ping"), request("b", "tools/list"))
    assert pong == {"jsonrpc": "2.0", "id": "a", "result": {}}
    hints = {tool["name"]: tool["annotations"]["readOnlyHint"] for tool in listing["result"]["tools"]}
    assert hints == {"list_issues": True, "get_issue": True, "add_comment": False}


def test_bad_lines_get_errors_and_the_next_line_is_served() -> None:
    answers = exchange("nonsense", "[]", request(1, "resources/list"), call(2, "nothing"), request(3, "ping"))
    assert [a.get("error", {}).get("code") for a in answers] == [-32700, -32600, -32601, -32602, None]
    assert [a["id"] for a in answers] == [None, None, 1, 2, 3]


def test_notifications_and_answers_are_not_answered() -> None:
    assert (
        exchange({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"id": 5, "result": {}}, "") == []
    )


def test_calls_in_flight_wait_together() -> None:
    """What needs no delay overtakes them, and they are answered in their order."""
    calls = [call(n, "get_issue", number=101 + n) for n in range(20)]
    answers = exchange(*calls, request("ping", "ping"), args=("--delay-ms", "200"))
    assert [a["id"] for a in answers] == ["ping", *range(20)]


def test_a_cancelled_call_is_never_answered() -> None:
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    answers = exchange(call(1, "list_issues"), call(2, "list_issues"), cancelled, args=("--delay-ms", "300"))
    assert [a["id"] for a in answers] == [2]


def test_a_call_that_fails_is_a_result_the_model_can_read() -> None:
    missing, wrong, unknown = exchange(
        call(1, "get_issue"), call(2, "get_issue", number="105"), call(3, "get_issue", number=1, colour="red")
    )
    assert all(a["result"]["isError"] for a in (missing, wrong, unknown))
    assert "number is required" in missing["result"]["content"][0]["text"]


def test_half_an_emoji_comes_back_as_it_went() -> None:
    (answer,) = exchange(call(1, "add_comment", number=101, body="\ud83d"))
    assert json.loads(answer["result"]["content"][0]["text"])["body"] == "\ud83d"


def test_a_boolean_is_no_integer() -> None:
    tool = Tool("t", "", {"n": {"type": "integer"}}, ["n"], lambda _: None)
    with pytest.raises(ToolError):
        tool.check({"n": True})


def test_a_bad_option_ends_the_server_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callmux.demo.servers.notes", "--delay-ms", "soon"],
        capture_output=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert b"--delay-ms must be a whole number" in done.stderr
