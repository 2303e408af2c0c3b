"""How long a call may take, and whether it may be made twice."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.protocol.shapes import Tool
from callmux.router.budget import Budgets
from callmux.upstream.catalogue import Found


def budgets(**document: Any) -> Budgets:
    checked = check_document({"servers": {"a": {"command": "x"}}, **document})
    assert checked.errors == []
    return Budgets(checked.config)


def found(bare: str = "t", server: str = "a", **hints: Any) -> Found:
    annotations = "{" + ",".join(f'"{k}":{str(v).lower()}' for k, v in hints.items()) + "}"
    return Found(server, bare, Tool(f'{{"name":"{bare}","annotations":{annotations}}}'.encode()))


def test_the_callers_limit_wins_then_the_servers_then_the_global_one() -> None:
    given = budgets(
        callTimeoutMs=9000, servers={"a": {"command": "x", "callTimeoutMs": 500}, "b": {"command": "x"}}
    )
    assert given.seconds("a", 20) == 0.02
    assert given.seconds("a", None) == 0.5
    assert given.seconds("b", None) == 9
    assert given.seconds("no such server", None) == 9


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
def test_a_tool_is_safe_to_repeat_if_it_says_so(hints: dict[str, bool], safe: bool) -> None:
    assert budgets().is_safe(found(**hints)) is safe


def test_a_name_is_no_signal() -> None:
    assert not budgets().is_safe(found("get_everything"))
    assert not budgets().is_safe(Found("a", "get", None))


def test_the_operator_may_say_so_instead() -> None:
    given = budgets(
        cachePolicy={"allowTools": ["get_*"]},
        servers={"a": {"command": "x", "cachePolicy": {"allowTools": ["a__find"]}}, "b": {"command": "x"}},
    )
    assert given.is_safe(found("get_it"))
    assert given.is_safe(found("find"))
    assert not given.is_safe(found("find", server="b"))
    assert given.is_safe(Found("b", "get_it", None))
    assert not given.is_safe(found("forget_it"))


def test_the_operators_word_counts_however_the_tool_is_spelled() -> None:
    """Bare, qualified or under its prefix: all spellings mean the same tool."""
    for allowed in ("t*", "a__t", "p__t"):
        given = budgets(servers={"a": {"command": "x", "prefix": "p"}}, cachePolicy={"allowTools": [allowed]})
        assert given.is_safe(found())
