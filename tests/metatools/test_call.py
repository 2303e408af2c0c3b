"""`callmux_call` gives a tool's own result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.errors import InvalidArguments, ResultNotFound, ToolNotFound, ToolResolutionFailed
from tests.metatools.conftest import Bench, text

CALL = "callmux_call"


def test_the_result_passes_byte_for_byte(bench: Bench) -> None:
    raw = b'{"content":[{"type":"image","data":"aGk=","mimeType":"image/png"}],"n":98765432109876543210}'
    bench.answers["image"] = raw
    plan = bench.parse(CALL, {"tool": "image", "arguments": {}})
    import asyncio

    from callmux.metatools import call

    assert asyncio.run(call.run(plan, bench.engine, bench.context)).raw == raw


def test_everything_asked_reaches_the_door(bench: Bench) -> None:
    bench.run(
        CALL,
        {
            "tool": " x ",
            "server": "s",
            "arguments": {"deep": [1, None, {"b": False}]},
            "timeoutMs": 5.0,
            "cwd": " /tmp ",
            "forceReconnect": True,
        },
    )
    (call,) = bench.calls
    assert (call.spelling, call.server, call.timeout_ms, call.cwd, call.force_reconnect) == (
        " x ",
        "s",
        5,
        "/tmp",
        True,
    )
    assert json.loads(bytes(call.arguments or b"")) == {"deep": [1, None, {"b": False}]}


def test_without_arguments_none_are_sent(bench: Bench) -> None:
    bench.run(CALL, {"tool": "x", "timeoutMs": 7})
    assert bench.calls[0].arguments is None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"arguments": {}}, "tool"),
        ({"tool": "  "}, "tool"),
        ({"tool": 5}, "tool"),
        ({"tool": "x", "server": 7}, "server"),
        ({"tool": "x", "server": None}, "server"),
        ({"tool": "x", "server": ""}, "server"),
        ({"tool": "x", "timeoutMs": 0}, "timeoutMs"),
        ({"tool": "x", "timeoutMs": "5"}, "timeoutMs"),
        ({"tool": "x", "timeoutMs": 1.5}, "timeoutMs"),
        ({"tool": "x", "timeoutMs": 2**31}, "timeoutMs"),
        ({"tool": "x", "cwd": "relative/x"}, "cwd"),
        ({"tool": "x", "cwd": ""}, "cwd"),
        ({"tool": "x", "forceReconnect": "yes"}, "forceReconnect"),
        ({"tool": "x", "outputFormat": "xml"}, "outputFormat"),
        ({"tool": "x", "outputFormat": 1}, "outputFormat"),
        ([1], "tool"),
        ("text", "tool"),
        (None, "tool"),
    ],
)
def test_a_wrong_field_is_named(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(CALL, arguments) == field


@pytest.mark.parametrize("value", [[1], "text", None, 7, True])
def test_arguments_that_are_no_object_run_nothing(bench: Bench, value: Any) -> None:
    """W1: they used to run the tool with an error object as its arguments."""
    assert bench.refused(CALL, {"tool": "x", "arguments": value}) == "arguments"


def test_an_exceeded_bound_is_told(bench: Bench) -> None:
    with pytest.raises(InvalidArguments) as caught:
        bench.parse(CALL, {"tool": "x", "timeoutMs": 2**60})
    assert caught.value.details["max"] == 2**31 - 1


def test_flat_arguments_are_wrapped_and_the_result_says_so_aside(bench: Bench) -> None:
    """W23: content and structured content stay the tool's own; `_meta` has the warning."""
    bench.answers["x"] = text("hi", structuredContent={"n": 1}, _meta={"own": True})
    result = bench.run(CALL, {"tool": "x", "title": "t", "n": 2, "cwd": "/", "outputFormat": "json"})
    assert json.loads(bytes(bench.calls[0].arguments or b"")) == {"title": "t", "n": 2}
    warnings = result["_meta"].pop("callmux/warnings")
    assert [w["code"] for w in warnings] == ["auto_wrapped_flat_calls"]
    assert result == text("hi", structuredContent={"n": 1}, _meta={"own": True})


def test_keys_beside_arguments_are_not_sent_and_named(bench: Bench) -> None:
    """W23: they used to vanish."""
    result = bench.run(CALL, {"tool": "x", "arguments": {"a": 1}, "id": 5})
    assert json.loads(bytes(bench.calls[0].arguments or b"")) == {"a": 1}
    (warning,) = result["_meta"]["callmux/warnings"]
    assert warning["code"] == "unexpected_keys_ignored"
    assert "id" in warning["message"]


def test_warnings_never_spoil_a_result_with_odd_meta(bench: Bench) -> None:
    bench.answers["x"] = {"content": [], "_meta": "odd"}
    assert bench.run(CALL, {"tool": "x", "a": 1}) == {"content": [], "_meta": "odd"}


def test_a_tools_own_error_passes(bench: Bench) -> None:
    bench.serve(a=["fail"])
    bench.answers["fail"] = text("scripted", isError=True)
    assert bench.run(CALL, {"tool": "fail"}) == text("scripted", isError=True)


def test_a_miss_lists_what_there_is(bench: Bench) -> None:
    bench.serve(b=["z", "y"], a=["y"])
    bench.answers["zzz"] = ToolNotFound("no zzz", tool="zzz")
    error = bench.run(CALL, {"tool": "zzz"})["structuredContent"]["error"]
    assert error["code"] == "tool_not_found"
    assert error["details"] == {"tool": "zzz", "totalAvailable": 3, "available": ["y", "z", "y"]}


def test_a_tool_of_callmux_itself_is_no_miss(bench: Bench) -> None:
    bench.serve(a=["y"])
    bench.answers["callmux_parallel"] = ToolNotFound("call it directly", tool="callmux_parallel")
    error = bench.run(CALL, {"tool": "callmux_parallel"})["structuredContent"]["error"]
    assert error["message"] == "call it directly"
    assert error["details"] == {"tool": "callmux_parallel"}


def test_a_long_list_is_cut_and_points_to_the_search(bench: Bench) -> None:
    bench.serve(a=[f"t{n:02}" for n in range(40)])
    bench.answers["zzz"] = ToolNotFound("no zzz", tool="zzz")
    details = bench.run(CALL, {"tool": "zzz"})["structuredContent"]["error"]["details"]
    assert details["totalAvailable"] == 40
    assert details["available"] == [f"t{n:02}" for n in range(25)]
    assert "callmux_search_tools" in details["hint"]


def test_an_error_of_another_kind_is_left_alone(bench: Bench) -> None:
    bench.serve(a=["y"], b=["y"])
    bench.answers["y"] = ToolResolutionFailed("ambiguous")
    error = bench.run(CALL, {"tool": "y"})["structuredContent"]["error"]
    assert error == {"code": "tool_resolution_failed", "message": "ambiguous"}


@pytest.mark.parametrize("server", [None, "callmux"])
def test_pages_of_a_stored_result_are_planned_as_such(bench: Bench, server: str | None) -> None:
    asked = {"tool": "callmux_get_result", "arguments": {"ref": "r_1"}, "outputFormat": "toon"}
    plan = bench.parse(CALL, asked if server is None else asked | {"server": server})
    assert (plan.name, plan.calls, plan.output_format) == ("callmux_get_result", (), "toon")


def test_a_server_with_a_tool_of_that_name_is_called(bench: Bench) -> None:
    plan = bench.parse(CALL, {"tool": "callmux_get_result", "server": "a", "arguments": {}})
    assert plan.name == CALL


def test_paging_runs_whichever_way_the_plan_is_taken(bench: Bench) -> None:
    import asyncio

    from callmux.metatools import call

    plan = bench.parse(CALL, {"tool": "callmux_get_result", "ref": "r_1"})
    with pytest.raises(ResultNotFound):
        asyncio.run(call.run(plan, bench.engine, bench.context))
