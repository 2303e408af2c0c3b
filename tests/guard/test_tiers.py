"""What a call may do to the world."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from callmux.guard.tiers import DESTROY, READ, TIERS, WRITE, Tiers, of_method
from callmux.protocol.shapes import Tool

NAMES = ["drop", "a__drop", "p__drop"]


def tool(**annotations: Any) -> Tool:
    return Tool(json.dumps({"name": "drop", "annotations": annotations}).encode())


@pytest.mark.parametrize(
    ("annotations", "tier"),
    [
        ({}, WRITE),
        ({"readOnlyHint": True}, READ),
        ({"readOnlyHint": False}, WRITE),
        ({"destructiveHint": True}, DESTROY),
        ({"destructiveHint": False}, WRITE),
        ({"readOnlyHint": False, "destructiveHint": True}, DESTROY),
        ({"readOnlyHint": True, "destructiveHint": True}, READ),
        ({"idempotentHint": True}, WRITE),
        ({"readOnlyHint": "true", "destructiveHint": 1}, WRITE),
    ],
)
def test_a_tool_is_what_it_says_of_itself_and_writes_where_it_says_nothing(
    annotations: dict[str, Any], tier: str
) -> None:
    assert Tiers({}).of_tool(tool(**annotations), NAMES) == tier


@pytest.mark.parametrize("definition", [b'{"name":"drop"}', b'{"name":"drop","annotations":7}'])
def test_a_tool_without_readable_annotations_writes(definition: bytes) -> None:
    assert Tiers({}).of_tool(Tool(definition), NAMES) == WRITE


def test_a_tool_that_nobody_has_listed_writes_unless_the_operator_says_something_else() -> None:
    assert Tiers({}).of_tool(None, NAMES) == WRITE
    assert Tiers({"drop": "destroy"}).of_tool(None, NAMES) == DESTROY


@pytest.mark.parametrize("name", [*NAMES, "dr*", "*__drop", "*"])
def test_the_operator_overrules_what_the_tool_says_by_any_of_its_names(name: str) -> None:
    for tier in TIERS:
        assert Tiers({name: tier}).of_tool(tool(readOnlyHint=True), NAMES) == tier


@pytest.mark.parametrize(
    "order", list(permutations([("*", "write"), ("get_*", "read"), ("get_all", "destroy")]))
)
def test_the_narrower_pattern_counts_whatever_the_order(order: tuple[tuple[str, str], ...]) -> None:
    tiers = Tiers(dict(order))
    assert [tiers.of_tool(None, [name]) for name in ("put", "get_x", "get_all")] == [WRITE, READ, DESTROY]


@pytest.mark.parametrize("order", list(permutations([("ab*", "read"), ("*ab", "destroy"), ("a*b", "write")])))
def test_of_two_equally_narrow_patterns_the_stricter_counts(order: tuple[tuple[str, str], ...]) -> None:
    assert Tiers(dict(order)).of_tool(None, ["abab"]) == DESTROY


def test_a_pattern_means_whole_names_and_takes_everything_else_literally() -> None:
    tiers = Tiers({"a.c": "read", "x": "read"})
    assert [tiers.of_tool(None, [name]) for name in ("a.c", "abc", "xx")] == [READ, WRITE, WRITE]


def test_prompts_resources_and_completions_read_and_what_we_do_not_know_may_write() -> None:
    reading = ["prompts/get", "resources/read", "resources/subscribe", "completion/complete", "tasks/result"]
    assert {of_method(method) for method in reading} == {READ}
    assert {of_method(method) for method in ("tasks/cancel", "x/y", "", "tools/call")} == {WRITE}
