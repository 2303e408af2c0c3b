"""How long a call may take, and whether it may be made twice."""

from __future__ import annotations

from typing import Any

import pytest

from callmux import names
from callmux.config.check import check_document
from callmux.protocol.shapes import Tool
from callmux.router.budget import Budgets


def budgets(**document: Any) -> Budgets:
    checked = check_document({"servers": {"a": {"command": "x"}}, **document})
    assert checked.errors == []
    return Budgets(checked.config)


def is_safe(given: Budgets, bare: str = "t", server: str = "a", **hints: Any) -> bool:
    annotations = "{" + ",".join(f'"{k}":{str(v).lower()}' for k, v in hints.items()) + "}"
    tool = Tool(f'{{"name":"{bare}","annotations":{annotations}}}'.encode())
    return given.is_safe(server, tool, names.spellings(server, bare, "p"))


def test_the_servers_limit_wins_over_the_global_one() -> None:
    given = budgets(
        callTimeoutMs=9000, servers={"a": {"command": "x", "callTimeoutMs": 500}, "b": {"command": "x"}}
    )
    assert given.seconds("a") == 0.5
    assert given.seconds("b") == 9
    assert given.seconds("no such server") == 9


@pytest.mark.parametrize(
    ("hints", "safe"),
    [
        ({}, False),
        ({"readOnlyHint": True}, True),
        ({"idempotentHint": True}, True),
        ({"readOnlyHint": False}, False),
        ({"destructiveHint": False}, False),
    ],
)
def test_a_tool_is_safe_to_repeat_if_it_says_so(hints: dict[str, Any], safe: bool) -> None:
    assert is_safe(budgets(), **hints) is safe


def test_a_name_is_no_signal() -> None:
    assert not is_safe(budgets(), "get_everything")
    assert not budgets().is_safe("a", None, ["get", "a__get"])


def test_the_operator_may_say_so_instead() -> None:
    given = budgets(
        cachePolicy={"allowTools": ["get_*"]},
        servers={"a": {"command": "x", "cachePolicy": {"allowTools": ["a__find"]}}, "b": {"command": "x"}},
    )
    assert is_safe(given, "get_it")
    assert is_safe(given, "find")
    assert not is_safe(given, "find", server="b")
    assert given.is_safe("b", None, ["get_it", "b__get_it"])
    assert not is_safe(given, "forget_it")


def test_the_operators_word_counts_however_the_tool_is_spelled() -> None:
    """Bare, qualified or under its prefix: all spellings mean the same tool."""
    for allowed in ("t*", "a__t", "p__t"):
        given = budgets(servers={"a": {"command": "x", "prefix": "p"}}, cachePolicy={"allowTools": [allowed]})
        assert is_safe(given)
