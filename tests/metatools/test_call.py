"""`callmux_call` gives a tool's own result."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callmux.errors import InvalidArguments, ResultNotFound, ToolNotFound, ToolResolutionFailed
from callmux.fields import Fields
from callmux.metatools import call
from callmux.metatools.table import NAMES
from tests.metatools.conftest import Bench, text

CALL = "callmux_call"


def test_the_result_passes_byte_for_byte(bench: Bench) -> None:
    raw = b'{"content":[{"type":"image","data":"aGk=","mimeType":"image/png"}],"n":98765432109876543210}'
    bench.answers["image"] = raw
    plan = bench.parse(CALL, {"tool": "image", "arguments": {}})
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
    (one,) = bench.calls
    assert (one.spelling, one.server, one.timeout_ms, one.cwd, one.force_reconnect) == (
        " x ",
        "s",
        5,
        "/tmp",
        True,
    )
    assert json.loads(bytes(one.arguments or b"")) == {"deep": [1, None, {"b": False}]}


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


def test_a_tool_of_callmux_itself_is_no_miss_where_it_cannot_be_had(bench: Bench) -> None:
    """In a recipe, or after a reload that took a server away whose tool had this name."""
    bench.serve(a=["y"])
    bench.answers["callmux_parallel"] = ToolNotFound("call it directly", tool="callmux_parallel")
    plan = call.parse_one(Fields({"tool": Raw(b'"callmux_parallel"'), "arguments": Raw(b"{}")}))
    error = json.loads(asyncio.run(call.run(plan, bench.engine, bench.context)).raw)["structuredContent"][
        "error"
    ]
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


ASKED: dict[str, Any] = {
    "callmux_parallel": {"calls": [{"tool": "a__x", "arguments": {"n": 1}}, {"tool": "a__y"}]},
    "callmux_batch": {"tool": "a__x", "items": [{"arguments": {}}, {"arguments": {}}]},
    "callmux_pipeline": {"steps": [{"tool": "a__x"}, {"tool": "a__y", "inputMapping": {"z": "$text"}}]},
    "callmux_search_tools": {"query": "x"},
    "callmux_get_result": {"ref": "r_1", "path": "a", "offset": 3},
    "callmux_dry_run": {"tool": "a__x", "arguments": {}},
    "callmux_recipe_run": {"recipe": "queue", "arguments": {"label": "new"}},
    "callmux_recipe_dry_run": {"recipe": "queue"},
    "callmux_cache_clear": {"tool": "a__x"},
    "callmux_status": {},
}


def test_every_other_meta_tool_is_planned_as_if_it_had_been_called_itself(bench: Bench) -> None:
    assert ASKED.keys() == NAMES - {CALL}
    for name, arguments in ASKED.items():
        own = bench.parse(name, arguments)
        for beside in ({}, {"server": "callmux"}):
            through = bench.parse(CALL, {"tool": name, "arguments": arguments, **beside})
            assert msgspec.structs.replace(through, via="") == own, name
            assert (own.via, through.via) == ("", CALL)


def test_what_is_wrong_in_the_arguments_of_another_meta_tool_is_named_as_there(bench: Bench) -> None:
    assert bench.refused(CALL, {"tool": "callmux_parallel", "arguments": {}}) == "calls"
    assert bench.refused(CALL, {"tool": "callmux_parallel"}) == "calls"
    assert bench.refused(CALL, {"tool": "callmux_search_tools", "arguments": {"limit": "x"}}) == "limit"


def test_it_does_not_call_itself(bench: Bench) -> None:
    inner = {"tool": CALL, "arguments": {"tool": "x"}}
    assert bench.refused(CALL, inner) == "tool"
    assert bench.refused(CALL, {"tool": CALL, "arguments": inner}) == "tool"
    # An entry of a fan-out is a tool of a server, whatever its name.
    plan = bench.parse(CALL, {"tool": "callmux_parallel", "arguments": {"calls": [inner, inner]}})
    assert [one.spelling for one in plan.calls] == [CALL, CALL]


@pytest.mark.parametrize("beside", [{"cwd": "/w"}, {"timeoutMs": 5}, {"forceReconnect": True}])
def test_what_would_have_no_effect_on_the_calls_of_another_meta_tool_is_refused(
    bench: Bench, beside: dict[str, Any]
) -> None:
    (key,) = beside
    for name in ("callmux_parallel", "callmux_recipe_run", "callmux_dry_run"):
        assert bench.refused(CALL, {"tool": name, "arguments": ASKED[name], **beside}) == key
    for name in ("callmux_status", "callmux_get_result", "callmux_search_tools"):
        assert bench.parse(CALL, {"tool": name, "arguments": ASKED[name], **beside}).name == name


def test_format_and_repairs_of_the_outer_call_count_for_another_meta_tool(bench: Bench) -> None:
    flat = {"tool": "callmux_parallel", **ASKED["callmux_parallel"], "outputFormat": "toon"}
    plan = bench.parse(CALL, flat)
    assert (plan.name, plan.output_format, len(plan.calls)) == ("callmux_parallel", "toon", 2)
    assert [warning["code"] for warning in plan.warnings] == ["auto_wrapped_flat_calls"]
    inside = {"tool": "callmux_status", "arguments": {"outputFormat": "json"}}
    assert bench.parse(CALL, inside).output_format == "json"
    assert bench.parse(CALL, {**inside, "outputFormat": "toon"}).output_format == "toon"
    plain = {"tool": "callmux_cache_clear", "arguments": {}, "outputFormat": "toon"}
    assert bench.parse(CALL, plain).output_format is None


def test_a_server_with_a_tool_of_that_name_is_called(bench: Bench) -> None:
    plan = bench.parse(CALL, {"tool": "callmux_get_result", "server": "a", "arguments": {}})
    assert plan.name == CALL


def test_paging_runs_whichever_way_the_plan_is_taken(bench: Bench) -> None:
    plan = bench.parse(CALL, {"tool": "callmux_get_result", "ref": "r_1"})
    with pytest.raises(ResultNotFound):
        asyncio.run(call.run(plan, bench.engine, bench.context))
