"""Each call of a preview: where it goes, what it would send, and what is probably wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.metatools.conftest import Bench

TEXT = {
    "name": "comment",
    "inputSchema": {
        "type": "object",
        "properties": {
            "body": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "any": {"type": ["string", "object"]},
        },
        "required": ["body"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def served(bench: Bench) -> Bench:
    bench.serve(a=[TEXT, "put"], b=["put"])
    return bench


def items(bench: Bench, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.payload("callmux_dry_run", request)["items"]
    return found


def codes(item: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in item.get("warnings", ())]


def test_members_come_in_the_known_order(served: Bench) -> None:
    served.cached = {"comment"}
    (item,) = items(
        served,
        tool="comment",
        items=[{"arguments": {"body": "$json.x"}, "timeoutMs": 10, "cwd": "/usr"}],
        server="a",
    )
    assert list(item) == [
        *("source", "tool", "serverHint", "server", "timeoutMs", "cwd", "resolved", "resolvedArguments"),
        *("warnings", "resolvedArgumentBytes", "cacheHitCandidate"),
    ]
    assert item["source"] == {"mode": "batch", "index": 0}
    assert item["resolved"] == {"server": "a", "actualTool": "comment", "qualifiedTool": "a__comment"}
    assert item["cacheHitCandidate"] is True


def test_a_summary_adds_up(served: Bench) -> None:
    served.cached = {"comment"}
    calls = [
        {"tool": "comment", "arguments": {"body": "x"}},
        {"tool": "none"},
        {"tool": "put", "server": "a", "arguments": {"a": "$json"}},
    ]
    payload = served.payload("callmux_dry_run", {"calls": calls})
    assert payload["valid"] is False
    assert payload["summary"] == {
        "totalCalls": 3,
        "validCalls": 2,
        "invalidCalls": 1,
        "cacheHitCandidates": 1,
        "estimatedResolvedArgumentBytes": len('{"body":"x"}{"a":"$json"}'),
        "warningCount": 1,
    }


def test_a_call_that_could_not_be_made(served: Bench) -> None:
    first, second, third = items(
        served,
        calls=[
            {"tool": "put"},
            {"tool": "none", "server": "a"},
            {"tool": "a__put", "arguments": {"x": {"$file": "/none"}}},
        ],
    )
    assert first["error"]["code"] == "tool_resolution_failed"
    assert (second["server"], second["serverHint"]) == ("a", "a")
    assert third["error"]["code"] == "argument_resolution_failed"
    assert third["error"]["details"] == {"tool": "a__put"}
    assert list(third) == ["source", "tool", "error"]


def test_no_arguments_are_no_bytes(served: Bench) -> None:
    (item,) = items(served, calls=[{"tool": "a__put"}])
    assert "resolvedArguments" not in item
    assert item["resolvedArgumentBytes"] == 0


def test_steps_with_mappings(served: Bench) -> None:
    first, second = items(
        served,
        steps=[
            {"tool": "a__put"},
            {"tool": "comment", "inputMapping": {"body": "$text"}, "onMappingMissing": "fail"},
        ],
    )
    assert first["source"] == {
        "mode": "pipeline",
        "step": 0,
        "hasInputMapping": False,
        "onMappingMissing": "continue",
    }
    assert codes(second) == ["pipeline_mapping_not_evaluated_in_dry_run"], (
        "the mapped argument is not missing"
    )
    assert second["warnings"][0]["path"] == "steps[1].inputMapping"
    assert "fails" in second["warnings"][0]["recommendation"]
    assert list(second)[-1] == "note"


def test_what_a_client_may_turn_into_text_is_shown_beside_what_is_sent(served: Bench) -> None:
    """The original showed only the text, which its real calls never sent. Weak spot W15 of callmux (npm)."""
    (item,) = items(served, tool="comment", arguments={"body": {"a": 1}, "tags": [[1]], "any": {"x": 1}})
    assert item["resolvedArguments"] == {"body": '{"a":1}', "tags": ["[1]"], "any": {"x": 1}}
    assert item["sentArguments"] == {"body": {"a": 1}, "tags": [[1]], "any": {"x": 1}}
    assert codes(item) == ["client_stringifies_structured_value"] * 2


def test_a_reference_on_a_text_field_is_no_such_case(served: Bench) -> None:
    (item,) = items(served, tool="comment", arguments={"body": {"$text": "x"}})
    assert item["resolvedArguments"] == {"body": "x"}
    assert codes(item) == []
    assert "sentArguments" not in item


def test_arguments_are_compared_with_the_schema(served: Bench) -> None:
    """Weak spot W15 of callmux (npm)."""
    (item,) = items(served, tool="comment", arguments={"tags": "x", "other": 1})
    assert [(w["code"], w["path"]) for w in item["warnings"]] == [
        ("missing_required_argument", "arguments.body"),
        ("argument_type_mismatch", "arguments.tags"),
        ("unknown_argument", "arguments.other"),
    ]


def test_a_page_of_a_kept_result_is_not_a_call_to_a_server(served: Bench) -> None:
    (item,) = items(served, tool="callmux_get_result", arguments={"ref": "r"})
    assert item["resolved"]["server"] == "callmux"


def test_many_calls_let_others_run(served: Bench) -> None:
    assert len(items(served, tool="a__put", items=[{"arguments": {"n": n}} for n in range(200)])) == 200
