"""`callmux_parallel` runs independent calls at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.errors import ToolNotFound
from tests.metatools.conftest import Bench, text

PARALLEL = "callmux_parallel"


def test_every_result_stands_beside_its_call(bench: Bench) -> None:
    bench.answers["plain"] = text("words")
    payload = bench.payload(
        PARALLEL,
        {
            "calls": [
                {"tool": "get", "server": "s", "arguments": {"id": 1}, "timeoutMs": 9, "cwd": "/"},
                {"tool": "plain"},
            ]
        },
    )
    assert payload == {
        "status": "completed",
        "results": [
            {
                "call": {"tool": "get", "server": "s", "arguments": {"id": 1}, "timeoutMs": 9, "cwd": "/"},
                "ok": True,
                "result": {"tool": "get", "args": {"id": 1}},
                "durationMs": 0,
            },
            {"call": {"tool": "plain"}, "ok": True, "result": "words", "durationMs": 0},
        ],
        "totalDurationMs": 0,
        "succeeded": 2,
        "failed": 0,
        "failedIndexes": [],
    }


def test_failures_are_counted_and_do_not_stop_the_rest(bench: Bench) -> None:
    bench.answers["fail"] = text("boom", isError=True)
    bench.answers["zzz"] = ToolNotFound("no zzz", tool="zzz")
    payload = bench.payload(
        PARALLEL, {"calls": [{"tool": "a"}, {"tool": "fail"}, {"tool": "zzz"}, {"tool": "b"}]}
    )
    assert (payload["status"], payload["succeeded"], payload["failed"]) == ("partial", 2, 2)
    assert payload["failedIndexes"] == [1, 2]
    assert [entry["ok"] for entry in payload["results"]] == [True, False, False, True]
    assert payload["results"][1]["result"] == {"error": "boom", "isError": True}
    unknown = payload["results"][2]["result"]
    assert unknown["isError"] is True
    assert unknown["structuredContent"]["error"]["code"] == "tool_not_found"


def test_a_payload_that_says_error_of_itself_is_no_failure(bench: Bench) -> None:
    """W19: only the result's own isError counts."""
    bench.answers["x"] = text('{"isError": true, "why": "that is the report"}')
    payload = bench.payload(PARALLEL, {"calls": [{"tool": "x"}]})
    assert (payload["status"], payload["failedIndexes"], payload["results"][0]["ok"]) == (
        "completed",
        [],
        True,
    )


def test_all_failed_is_still_a_result(bench: Bench) -> None:
    bench.answers["fail"] = text("boom", isError=True)
    payload = bench.payload(PARALLEL, {"calls": [{"tool": "fail"}, {"tool": "fail"}]})
    assert (payload["status"], payload["succeeded"], payload["failedIndexes"]) == ("partial", 0, [0, 1])


def test_no_calls_complete_at_once(bench: Bench) -> None:
    payload = bench.payload(PARALLEL, {"calls": []})
    assert (payload["status"], payload["results"], payload["failed"]) == ("completed", [], 0)


def test_flat_calls_are_wrapped_with_one_warning(bench: Bench) -> None:
    payload = bench.payload(
        PARALLEL, {"calls": [{"tool": "a", "id": 4}, {"tool": "b"}, {"tool": "c", "id": 5}]}
    )
    assert payload["results"][0]["call"]["arguments"] == {"id": 4}
    assert "arguments" not in payload["results"][1]["call"]
    (warning,) = payload["warnings"]
    assert warning["code"] == "auto_wrapped_flat_calls"
    assert "2 of 3" in warning["message"]


def test_a_bare_tool_needs_no_warning(bench: Bench) -> None:
    assert "warnings" not in bench.payload(PARALLEL, {"calls": [{"tool": "a"}]})


def test_keys_that_mean_nothing_are_named(bench: Bench) -> None:
    """W23."""
    calls = [{"tool": "a", "arguments": {}, "id": 5}]
    payload = bench.payload(PARALLEL, {"calls": calls, "server": "s"})
    (warning,) = payload["warnings"]
    assert warning["code"] == "unexpected_keys_ignored"
    assert "calls[0].id" in warning["message"]
    assert "server" in warning["message"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "calls"),
        ({"calls": {}}, "calls"),
        ({"calls": None}, "calls"),
        ({"calls": ["x"]}, "calls[0]"),
        ({"calls": [{"tool": "a"}, {"tool": ""}]}, "calls[1].tool"),
        ({"calls": [{"tool": "a", "server": ""}]}, "calls[0].server"),
        ({"calls": [{"tool": "a", "timeoutMs": -1}]}, "calls[0].timeoutMs"),
        ({"calls": [{"tool": "a", "cwd": "x"}]}, "calls[0].cwd"),
        ({"calls": [{"tool": "a"}, {"tool": "a", "arguments": [1]}]}, "calls[1].arguments"),
        ({"calls": [], "outputFormat": "yaml"}, "outputFormat"),
        ([], "calls"),
    ],
)
def test_one_wrong_entry_refuses_the_whole(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(PARALLEL, arguments) == field


def test_large_numbers_keep_their_digits(bench: Bench) -> None:
    """W12."""
    import asyncio

    bench.answers["x"] = text('{"id": 12345678901234567890, "f": 1.0}')
    raw = asyncio.run(
        bench.arun(PARALLEL, b'{"calls":[{"tool":"x","arguments":{"n":98765432109876543210}}]}')
    ).raw
    assert b'"result":{"id":12345678901234567890,"f":1.0}' in raw
    assert b'"arguments":{"n":98765432109876543210}' in raw


def test_the_answer_is_one_line(bench: Bench) -> None:
    """A child's JSON may be printed over many lines; a message may not."""
    import asyncio

    bench.answers["x"] = text('{\n  "a": [\n    1\n  ]\n}')
    assert b"\n" not in asyncio.run(bench.arun(PARALLEL, {"calls": [{"tool": "x"}]})).raw


@pytest.mark.parametrize("name", ["callmux_parallel", "callmux_batch", "callmux_pipeline"])
def test_results_are_kept_as_they_came_only_where_they_may_be_shown_so(bench: Bench, name: str) -> None:
    bench.answers["plain"] = text('{"a":  1}')
    requests: dict[str, dict[str, Any]] = {
        "callmux_parallel": {"calls": [{"tool": "plain"}]},
        "callmux_batch": {"tool": "plain", "items": [{"arguments": {}}]},
        "callmux_pipeline": {"steps": [{"tool": "plain"}]},
    }
    asked = requests[name]
    assert bench.finish(bench.arun(name, asked)).told is None
    for wanted in ("plain", "shortest"):
        told = bench.finish(bench.arun(name, asked | {"outputFormat": wanted})).told
        assert told is not None
        (kept,) = told.results
        assert kept is not None
        assert json.loads(kept.raw) == text('{"a":  1}')
    bench.output_format = "plain"
    assert bench.finish(bench.arun(name, asked)).told is not None
    assert bench.finish(bench.arun(name, asked | {"outputFormat": "json"})).told is None


def test_a_large_result_is_kept_as_it_came(bench: Bench) -> None:
    """It is unwrapped in portions, and by another way."""
    bench.answers["large"] = text("x" * 600_000)
    asked = {"calls": [{"tool": "large"}, {"tool": "large"}], "outputFormat": "plain"}
    told = bench.finish(bench.arun(PARALLEL, asked)).told
    assert told is not None
    assert [kept is not None and json.loads(kept.raw) for kept in told.results] == [text("x" * 600_000)] * 2
