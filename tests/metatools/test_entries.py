"""Reading calls, and the warnings about what had to be repaired."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import InvalidArguments
from callmux.fields import Fields, as_object
from callmux.metatools.entries import CALL_KEYS, Repairs, output_format, read_call, read_calls
from callmux.plan import ToolCall


def fields(value: Any, path: str = "calls[0]") -> Fields:
    return Fields(as_object(json.dumps(value).encode(), path), path)


def test_a_well_formed_call_needs_no_warning() -> None:
    repairs = Repairs("calls", "{}")
    call = read_call(fields({"tool": "x", "arguments": {"a": 1}}), repairs)
    assert call.arguments == Raw(b'{"a": 1}')
    assert repairs.warnings() == []


def test_arguments_do_not_hold_on_to_the_request() -> None:
    """A view would keep the whole request in memory."""
    request = b'{"tool":"x","arguments":{"a":1}}' + b" " * 10_000
    before = sys.getrefcount(request)
    call = read_call(Fields(as_object(request, "")), Repairs("calls", "{}"))
    assert call.arguments is not None
    assert sys.getrefcount(request) == before


WELL = {"tool": "x", "arguments": {"a": 1}}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [WELL],
        [WELL, {"tool": "y", "server": "s", "arguments": {}}],
        [WELL, {"tool": "y", "a": 1}],
        [{"tool": "y", "arguments": {}, "timeoutMs": 5, "cwd": "/"}],
        [{"tool": "y", "arguments": {}, "more": 1}],
    ],
)
def test_a_list_is_read_like_its_entries(entries: list[dict[str, Any]]) -> None:
    one_by_one, at_once = Repairs("calls", "{}"), Repairs("calls", "{}")
    expected = [read_call(fields(entry, f"calls[{n}]"), one_by_one) for n, entry in enumerate(entries)]
    assert read_calls(fields({"calls": entries}, ""), "calls", at_once) == expected
    assert at_once.warnings() == one_by_one.warnings()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "calls"),
        ({"calls": None}, "calls"),
        ({"calls": [WELL, 5]}, "calls[1]"),
        ({"calls": [WELL, {"arguments": {}}]}, "calls[1].tool"),
        ({"calls": [WELL, {"tool": " ", "arguments": {}}]}, "calls[1].tool"),
        ({"calls": [{"tool": "x", "arguments": []}]}, "calls[0].arguments"),
        ({"calls": [{"tool": "x", "arguments": None}]}, "calls[0].arguments"),
        ({"calls": [{"tool": "x", "server": " ", "arguments": {}}]}, "calls[0].server"),
        ({"calls": [{"tool": "x", "server": None, "arguments": {}}]}, "calls[0].server"),
    ],
)
def test_what_is_wrong_in_a_list_is_named(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        read_calls(fields(given, ""), "calls", Repairs("calls", "{}"))
    assert caught.value.details["field"] == field


def test_arguments_in_a_list_do_not_hold_on_to_the_request() -> None:
    request = b'{"calls":[{"tool":"x","arguments":{"a":1}}]}' + b" " * 10_000
    before = sys.getrefcount(request)
    calls = read_calls(Fields(as_object(request, "")), "calls", Repairs("calls", "{}"))
    assert calls == [ToolCall(spelling="x", arguments=Raw(b'{"a":1}'))]
    assert sys.getrefcount(request) == before


def test_many_stray_keys_are_counted() -> None:
    repairs = Repairs("calls", "{}")
    repairs.arguments(fields({"arguments": {}} | {f"k{n}": n for n in range(8)}), CALL_KEYS)
    (warning,) = repairs.warnings()
    assert "calls[0].k4" in warning["message"]
    assert "calls[0].k5" not in warning["message"]
    assert "3 more" in warning["message"]


def test_own_warnings_come_last() -> None:
    repairs = Repairs("steps", "{}")
    repairs.add("own", "m", "r")
    repairs.ignore(["x"])
    repairs.arguments(fields({"q": 1}), CALL_KEYS)
    assert [w["code"] for w in repairs.warnings()] == [
        "auto_wrapped_flat_steps",
        "unexpected_keys_ignored",
        "own",
    ]
    assert all(w.keys() == {"code", "message", "recommendation"} for w in repairs.warnings())


def test_an_entry_without_arguments_has_none_unless_it_must() -> None:
    repairs = Repairs("calls", "{}")
    assert repairs.arguments(fields({"tool": "x"}), CALL_KEYS, required=False) is None
    assert repairs.warnings() == []
    assert repairs.arguments(fields({"tool": "x"}), CALL_KEYS, required=True) == Raw(b"{}")


@pytest.mark.parametrize("given", ["json", "toon", "auto", "plain", "shortest", None])
def test_an_output_format_is_one_of_three(given: str | None) -> None:
    assert output_format(fields({"outputFormat": given} if given else {})) == given


def test_another_output_format_is_refused_by_name() -> None:
    with pytest.raises(InvalidArguments, match="outputFormat"):
        output_format(fields({"outputFormat": "yaml"}))
