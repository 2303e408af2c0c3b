"""Patterns of a configuration mean a tool by any of its names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.guard.tiers import DESTROY, READ, WRITE
from callmux.protocol.shapes import Tool
from callmux.rings.route import ONLY_READS, WRITES, CachingVerdict
from callmux.router.routing import Routing
from callmux.traits import Traits
from callmux.upstream.catalogue import Found

READER = Tool(json.dumps({"name": "get", "annotations": {"readOnlyHint": True}}).encode())


def routing(*, plain: bool = False, **document: Any) -> Routing:
    checked = check_document({"servers": {"a": {"command": "x", "prefix": "p"}}} | document)
    assert checked.errors == []
    return Routing(checked.config, plain=plain)


NAMES = ["get", "a__get", "p__get", "p_get_0123"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_of_the_cache_means_the_tool_by_any_of_its_names(name: str) -> None:
    made = routing(cacheTtlSeconds=9, cachePolicy={"denyTools": [name]})
    route = made.of_tool(Found("a", "get", READER, "p_get_0123"))
    assert route.verdict == CachingVerdict(True, False, False)


@pytest.mark.parametrize("name", NAMES)
def test_so_does_a_pattern_of_what_is_safe(name: str) -> None:
    made = routing(cachePolicy={"allowTools": [name]})
    assert made.of_tool(Found("a", "get", Tool(b'{"name":"get"}'), "p_get_0123")).safe


@pytest.mark.parametrize("name", NAMES)
def test_so_does_a_pattern_of_the_shield(name: str) -> None:
    made = routing(responseShield={"denyTools": [name]})
    assert made.of_tool(Found("a", "get", READER, "p_get_0123")).limits is None


@pytest.mark.parametrize("name", [*NAMES, "*get*"])
def test_so_does_a_pattern_of_tiers(name: str) -> None:
    entry = {"command": "x", "prefix": "p", "tiers": {name: "destroy"}}
    made = routing(servers={"a": entry, "b": {"command": "x"}})
    assert made.of_tool(Found("a", "get", READER, "p_get_0123")).tier == DESTROY
    assert made.of_tool(Found("b", "get", READER)).tier == READ
    assert made.of_method("a", "resources/read", safe=True).tier == READ
    assert made.of_method("a", "x/y", safe=False).tier == WRITE


def test_a_tool_that_nobody_has_listed_has_a_route() -> None:
    route = routing(callTimeoutMs=500).of_tool(Found("a", "get", None))
    assert (route.server, route.bare, route.tool, route.shaper) == ("a", "get", None, None)
    assert (route.seconds, route.safe, route.verdict) == (0.5, False, WRITES)


def test_other_methods_are_neither_shared_nor_shaped() -> None:
    made = routing()
    assert made.of_method("a", "resources/read", safe=True).verdict == ONLY_READS
    other = made.of_method("a", "tasks/cancel", safe=False)
    assert (other.verdict, other.safe, other.method, other.tool) == (WRITES, False, "tasks/cancel", None)


def test_in_the_transparent_mode_nothing_is_shaped() -> None:
    tool = Tool(b'{"name":"t","inputSchema":{"properties":{"n":{"type":"integer"}}}}')
    assert routing().of_tool(Found("a", "t", tool)).shaper is not None
    assert routing(plain=True).of_tool(Found("a", "t", tool)).shaper is None


def test_a_meta_tool_has_what_its_row_says_and_limits_by_its_name() -> None:
    route = routing().of_meta_tool("callmux_x", Traits(tier="read"))
    assert (route.own, route.tier, route.server, route.bare) == (Traits(tier="read"), "read", "", "callmux_x")
    assert route.limits is not None
    denied = routing(responseShield={"denyTools": ["callmux_x"]})
    assert denied.of_meta_tool("callmux_x", Traits()).limits is None


def test_rules_see_a_tool_as_calls_do() -> None:
    made = routing()
    found = Found("a", "get", READER, "p_get_0123")
    wanted, route = made.wanted(found), made.of_tool(found)
    assert (wanted.server, wanted.tier) == ("a", READ)
    assert route.names == wanted.names
    assert set(NAMES) <= set(wanted.names)


@pytest.mark.parametrize(("tool", "asks"), [("get", False), ("drop", True)])
def test_a_call_that_a_person_must_approve_says_so(tool: str, asks: bool) -> None:
    made = routing(approve=["*drop"])
    assert made.of_tool(Found("a", tool, None, f"a__{tool}")).asks is asks
