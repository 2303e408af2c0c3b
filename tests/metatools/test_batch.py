"""`callmux_batch` runs one tool over many argument sets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.errors import ToolNotFound
from callmux.plan import ToolCall
from tests.metatools.conftest import Bench, text

BATCH = "callmux_batch"


def test_results_carry_the_index_of_their_item(bench: Bench) -> None:
    payload = bench.payload(BATCH, {"tool": "get", "items": [{"arguments": {"id": n}} for n in range(3)]})
    assert payload["results"] == [
        {"index": n, "ok": True, "result": {"tool": "get", "args": {"id": n}}, "durationMs": 0}
        for n in range(3)
    ]
    assert (payload["status"], payload["succeeded"], payload["failedIndexes"]) == ("completed", 3, [])


def test_failed_items_are_indexed(bench: Bench) -> None:
    def pick(call: ToolCall) -> Any:
        two = json.loads(bytes(call.arguments or b""))["id"] == 2
        return text("two is bad", isError=True) if two else text("fine")

    bench.answers["pick"] = pick
    payload = bench.payload(BATCH, {"tool": "pick", "items": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 2}]})
    assert (payload["status"], payload["succeeded"], payload["failed"]) == ("partial", 2, 2)
    assert payload["failedIndexes"] == [1, 3]
    assert payload["results"][1]["result"] == {"error": "two is bad", "isError": True}


def test_counts_and_indexes_agree_whatever_the_payload_says(bench: Bench) -> None:
    """W19: it used to be completed, 0 failed, and failedIndexes [0]."""
    bench.answers["x"] = text('{"isError": true}')
    payload = bench.payload(BATCH, {"tool": "x", "items": [{}]})
    assert (payload["status"], payload["failed"], payload["failedIndexes"]) == ("completed", 0, [])


def test_an_unknown_tool_fails_each_item(bench: Bench) -> None:
    bench.answers["zzz"] = ToolNotFound("no zzz", tool="zzz")
    payload = bench.payload(BATCH, {"tool": "zzz", "items": [{"arguments": {}}, {"arguments": {}}]})
    assert payload["failedIndexes"] == [0, 1]
    assert payload["results"][0]["result"]["structuredContent"]["error"]["code"] == "tool_not_found"


def test_defaults_apply_to_items_without_their_own(bench: Bench) -> None:
    bench.run(
        BATCH,
        {
            "tool": "x",
            "server": "s",
            "timeoutMs": 9,
            "cwd": "/a",
            "items": [{"arguments": {}}, {"arguments": {}, "timeoutMs": 4, "cwd": "/b"}],
        },
    )
    assert [(c.server, c.timeout_ms, c.cwd) for c in bench.calls] == [("s", 9, "/a"), ("s", 4, "/b")]


def test_flat_items_keep_their_own_keys_outside(bench: Bench) -> None:
    payload = bench.payload(
        BATCH, {"tool": "x", "items": [{"id": 1, "timeoutMs": 9, "cwd": "/", "tool": "t"}]}
    )
    assert json.loads(bytes(bench.calls[0].arguments or b"")) == {"id": 1, "tool": "t"}
    assert (bench.calls[0].timeout_ms, bench.calls[0].cwd) == (9, "/")
    assert payload["warnings"][0]["code"] == "auto_wrapped_flat_items"


def test_an_empty_item_is_a_call_with_empty_arguments(bench: Bench) -> None:
    payload = bench.payload(BATCH, {"tool": "x", "items": [{}]})
    assert payload["results"][0]["result"]["args"] == {}
    assert payload["warnings"][0]["code"] == "auto_wrapped_flat_items"


def test_keys_that_mean_nothing_are_named(bench: Bench) -> None:
    """W23."""
    payload = bench.payload(
        BATCH, {"tool": "x", "items": [{"arguments": {}, "server": "s"}], "arguments": {}}
    )
    message = payload["warnings"][0]["message"]
    assert "items[0].server" in message
    assert "arguments" in message


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"tool": "x"}, "items"),
        ({"tool": 7}, "items"),
        ({"items": []}, "tool"),
        ({"items": [3], "tool": ""}, "tool"),
        ({"tool": "x", "server": 7, "timeoutMs": 0, "items": []}, "server"),
        ({"tool": "x", "timeoutMs": 0, "cwd": "", "items": []}, "timeoutMs"),
        ({"tool": "x", "cwd": "", "items": [3]}, "cwd"),
        ({"tool": "x", "items": [3]}, "items[0]"),
        ({"tool": "x", "items": [{}, {"arguments": [1]}]}, "items[1].arguments"),
        ({"tool": "x", "items": [{"arguments": {}, "timeoutMs": 1.5}]}, "items[0].timeoutMs"),
        ({"tool": "x", "items": [{"arguments": {}, "cwd": "x"}]}, "items[0].cwd"),
        ({"tool": "x", "items": [], "outputFormat": "yaml"}, "outputFormat"),
        (7, "tool"),
    ],
)
def test_checks_come_in_the_known_order(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(BATCH, arguments) == field
