"""`callmux_pipeline` runs calls in a chain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import ToolNotFound
from tests.metatools.conftest import Bench, text

PIPELINE = "callmux_pipeline"
FIND = '{"items": [{"number": 7}], "total": 2, "none": null}'


@pytest.fixture(autouse=True)
def _scripted(bench: Bench) -> None:
    bench.answers |= {"find": text(FIND), "words": text("plain words"), "fail": text("boom", isError=True)}


def codes(payload: dict[str, Any]) -> list[str]:
    return [w["code"] for w in payload.get("warnings", [])]


def test_values_flow_from_step_to_step(bench: Bench) -> None:
    payload = bench.payload(
        PIPELINE,
        {
            "steps": [
                {"tool": "find"},
                {
                    "tool": "take",
                    "arguments": {"n": "old", "k": 1},
                    "inputMapping": {
                        "n": "$json.items.0.number",
                        "t": "$text",
                        "l": "hello",
                        "z": "$json.none",
                    },
                },
            ]
        },
    )
    taken = {"n": 7, "k": 1, "t": FIND, "l": "hello", "z": None}
    assert payload == {
        "status": "completed",
        "steps": [
            {"step": 0, "tool": "find", "ok": True, "result": json.loads(FIND), "durationMs": 0},
            {
                "step": 1,
                "tool": "take",
                "mappedArguments": {"n": 7, "t": FIND, "l": "hello", "z": None},
                "ok": True,
                "result": {"tool": "take", "args": taken},
                "durationMs": 0,
            },
        ],
        "finalResult": {"tool": "take", "args": taken},
        "totalDurationMs": 0,
    }


def test_mapped_values_are_marked_as_data(bench: Bench) -> None:
    """What a server said is never read as a file reference."""
    bench.run(
        PIPELINE, {"steps": [{"tool": "find"}, {"tool": "take", "b": 1, "inputMapping": {"n": "$json"}}]}
    )
    assert [call.opaque for call in bench.calls] == [frozenset(), frozenset({"n"})]


def test_a_missing_value_is_left_out_and_reported(bench: Bench) -> None:
    mapping = {"n": "$json.items.9", "t": "$json.total"}
    steps = [{"tool": "find"}, {"tool": "take", "arguments": {"base": 1}, "inputMapping": mapping}]
    payload = bench.payload(PIPELINE, {"steps": steps})
    assert payload["status"] == "completed"
    assert payload["finalResult"]["args"] == {"base": 1, "t": 2}
    assert payload["steps"][1]["mappedArguments"] == {"t": 2}
    assert payload["steps"][1]["skippedMappings"] == [
        {"argument": "n", "expression": "$json.items.9", "reason": "path_not_found"}
    ]


def test_plain_text_gives_no_json(bench: Bench) -> None:
    payload = bench.payload(
        PIPELINE, {"steps": [{"tool": "words"}, {"tool": "take", "inputMapping": {"v": "$json.a"}}]}
    )
    assert payload["steps"][1]["skippedMappings"][0]["reason"] == "previous_result_not_json"
    assert "mappedArguments" not in payload["steps"][1]
    assert bench.calls[1].arguments is None


def test_a_required_mapping_that_misses_stops_before_its_step(bench: Bench) -> None:
    step = {
        "tool": "take",
        "inputMapping": {"n": "$json.nope", "t": "$json.total"},
        "onMappingMissing": "fail",
    }
    payload = bench.payload(PIPELINE, {"steps": [{"tool": "find"}, step, {"tool": "words"}]})
    assert (payload["status"], payload["failedStep"], len(payload["steps"])) == ("failed", 1, 2)
    failed = payload["steps"][1]
    assert failed["mappedArguments"] == {"t": 2}
    assert failed["skippedMappings"][0]["argument"] == "n"
    assert failed["error"].startswith("required inputMapping failed")
    assert failed["ok"] is False
    assert "finalResult" not in payload
    assert [call.spelling for call in bench.calls] == ["find"]


def test_a_required_mapping_that_resolves_changes_nothing(bench: Bench) -> None:
    step = {"tool": "take", "inputMapping": {"v": "$json.total"}, "onMappingMissing": "fail"}
    assert bench.payload(PIPELINE, {"steps": [{"tool": "find"}, step]})["status"] == "completed"


@pytest.mark.parametrize("tool", ["fail", "zzz"])
def test_a_failed_step_ends_the_chain(bench: Bench, tool: str) -> None:
    bench.answers["zzz"] = ToolNotFound("no zzz", tool="zzz")
    steps = [{"tool": "find"}, {"tool": tool, "inputMapping": {"n": "$json.total"}}, {"tool": "take"}]
    payload = bench.payload(PIPELINE, {"steps": steps})
    assert (payload["status"], payload["failedStep"], len(payload["steps"])) == ("failed", 1, 2)
    assert payload["steps"][0]["result"]["total"] == 2
    assert payload["steps"][1]["result"]["isError"] is True
    assert payload["steps"][1]["mappedArguments"] == {"n": 2}


def test_a_payload_that_says_error_of_itself_goes_on(bench: Bench) -> None:
    """W19."""
    bench.answers["report"] = text('{"isError": true}')
    assert bench.payload(PIPELINE, {"steps": [{"tool": "report"}, {"tool": "take"}]})["status"] == "completed"


def test_mappings_of_the_first_step_are_ignored_with_a_warning(bench: Bench) -> None:
    """W18: even `fail` was ignored without a word."""
    step = {"tool": "take", "arguments": {"a": 1}, "inputMapping": {"b": "$text"}, "onMappingMissing": "fail"}
    payload = bench.payload(PIPELINE, {"steps": [step]})
    assert payload["finalResult"]["args"] == {"a": 1}
    assert payload["steps"][0].keys() == {"step", "tool", "ok", "result", "durationMs"}
    assert codes(payload) == ["mapping_ignored_on_first_step"]


def test_a_typo_is_sent_literally_with_a_warning(bench: Bench) -> None:
    """W18."""
    steps = [{"tool": "find"}, {"tool": "take", "inputMapping": {"v": "$.items"}}]
    payload = bench.payload(PIPELINE, {"steps": steps})
    assert payload["finalResult"]["args"] == {"v": "$.items"}
    assert codes(payload) == ["unknown_mapping_expression"]
    assert "steps[1].inputMapping.v" in payload["warnings"][0]["message"]


def test_an_earlier_step_can_be_named(bench: Bench) -> None:
    """W18."""
    steps = [
        {"tool": "find"},
        {"tool": "words"},
        {"tool": "take", "inputMapping": {"v": "$steps[0].json.total"}},
    ]
    assert bench.payload(PIPELINE, {"steps": steps})["finalResult"]["args"] == {"v": 2}


def test_flat_steps_are_wrapped_and_mapping_only_steps_are_not(bench: Bench) -> None:
    steps = [{"tool": "take", "q": 1}, {"tool": "take", "inputMapping": {"v": "$json.args.q"}}]
    payload = bench.payload(PIPELINE, {"steps": steps})
    assert payload["finalResult"]["args"] == {"v": 1}
    assert codes(payload) == ["auto_wrapped_flat_steps"]
    assert "1 of 2" in payload["warnings"][0]["message"]


def test_warnings_survive_a_failure(bench: Bench) -> None:
    """W18."""
    assert codes(bench.payload(PIPELINE, {"steps": [{"tool": "fail", "q": 1}]})) == [
        "auto_wrapped_flat_steps"
    ]


def test_large_numbers_flow_unharmed(bench: Bench) -> None:
    """W12: the wrong id was sent on."""
    bench.answers["big"] = text('{"id": 12345678901234567890}')
    bench.run(PIPELINE, {"steps": [{"tool": "big"}, {"tool": "take", "inputMapping": {"id": "$json.id"}}]})
    assert bench.calls[1].arguments == Raw(b'{"id":12345678901234567890}')


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "steps"),
        ({"steps": []}, "steps"),
        ({"steps": {}}, "steps"),
        ({"steps": ["x"]}, "steps[0]"),
        ({"steps": [{"tool": "find"}, {"arguments": {}}]}, "steps[1].tool"),
        ({"steps": [{"tool": "find", "arguments": "x"}]}, "steps[0].arguments"),
        ({"steps": [{"tool": "find", "timeoutMs": 0}]}, "steps[0].timeoutMs"),
        ({"steps": [{"tool": "find", "inputMapping": ["x"]}]}, "steps[0].inputMapping"),
        ({"steps": [{"tool": "find", "inputMapping": {"a": 1}}]}, "steps[0].inputMapping"),
        ({"steps": [{"tool": "find", "onMappingMissing": "stop"}]}, "steps[0].onMappingMissing"),
        (
            {"steps": [{"tool": "a"}, {"tool": "b", "inputMapping": {"x": "$steps[1].text"}}]},
            "steps[1].inputMapping",
        ),
        ({"steps": [{"tool": "a"}], "outputFormat": "yaml"}, "outputFormat"),
        ("x", "steps"),
    ],
)
def test_one_wrong_step_refuses_the_whole(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(PIPELINE, arguments) == field
