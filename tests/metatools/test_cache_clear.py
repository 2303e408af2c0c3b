"""`callmux_cache_clear` forgets what is meant, however it is spelled, and says how much that was."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.stores.cache import CacheLimits, Key
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.metatools.conftest import Bench


def fill(bench: Bench, *tools: str) -> None:
    """One entry for each `server/tool`."""
    bench.cache.configure(CacheLimits(ttl_seconds=60), 0)
    for tool in tools:
        server, bare = tool.split("/")
        bench.cache.put(Key(server, bare, None), b"{}", 0, bench.cache.epoch(server))


def clear(bench: Bench, **arguments: Any) -> dict[str, Any]:
    return bench.payload("callmux_cache_clear", arguments)


def left(bench: Bench) -> list[str]:
    return sorted(f"{key.server}/{key.tool}" for key in bench.cache._entries)


def test_all(bench: Bench) -> None:
    fill(bench, "a/x", "b/x")
    assert clear(bench) == {"cleared": 2, "scope": "all", "previousSize": 2}
    assert clear(bench) == {"cleared": 0, "scope": "all", "previousSize": 0}


def test_one_tool_on_every_server_that_has_it(bench: Bench) -> None:
    fill(bench, "a/x", "a/y", "b/x")
    assert clear(bench, tool="x") == {"cleared": 2, "tool": "x", "scope": "tool"}
    assert left(bench) == ["a/y"]


def test_one_server(bench: Bench) -> None:
    fill(bench, "a/x", "a/y", "b/x")
    assert clear(bench, server="a") == {"cleared": 2, "server": "a", "scope": "server"}
    assert left(bench) == ["b/x"]


def test_one_tool_of_one_server(bench: Bench) -> None:
    fill(bench, "a/x", "a/y", "b/x")
    expected = {"cleared": 1, "tool": "x", "server": "a", "scope": "tool-server"}
    assert clear(bench, tool="x", server="a") == expected
    assert left(bench) == ["a/y", "b/x"]


@pytest.mark.parametrize("spelled", ["x", "a__x", "p__x"])
def test_every_spelling_means_the_same_tool(bench: Bench, spelled: str) -> None:
    """Weak spot W17 of callmux (npm)."""
    bench.serve(a=["x", "y"], b=["z"])
    servers = [ServerTools(server="a", prefix="p", tools=bench.catalogue.servers["a"].tools, listed=True)]
    bench.catalogue = Catalogue([*servers, bench.catalogue.servers["b"]])
    fill(bench, "a/x", "a/y", "b/z")
    assert clear(bench, tool=spelled)["cleared"] == 1
    assert left(bench) == ["a/y", "b/z"]
    fill(bench, "a/x", "a/y", "b/z")
    assert clear(bench, tool=spelled, server="a")["cleared"] == 1


@pytest.mark.parametrize(
    ("pattern", "rest"),
    [
        ("get_*", ["a/list", "b/list"]),
        ("a__*", ["b/get_x", "b/list"]),
        ("*", []),
        ("*_x", ["a/list", "b/list"]),
    ],
)
def test_a_pattern_means_every_tool_it_fits(bench: Bench, pattern: str, rest: list[str]) -> None:
    """Weak spot W17 of callmux (npm)."""
    fill(bench, "a/get_x", "a/list", "b/get_x", "b/list")
    clear(bench, tool=pattern)
    assert left(bench) == rest


def test_a_shortened_name_is_known_too(bench: Bench) -> None:
    long = "a_tool_with_a_name_that_no_client_would_take_because_it_is_too_long"
    bench.serve(a=[long], b=["z"])
    emitted = bench.catalogue.entries[0].emitted
    assert long not in emitted
    fill(bench, f"a/{long}")
    assert clear(bench, tool=emitted)["cleared"] == 1


@pytest.mark.parametrize("arguments", [{"tool": "nope"}, {"server": "nope"}, {"tool": "x", "server": "b"}])
def test_unknown_names_clear_nothing(bench: Bench, arguments: dict[str, Any]) -> None:
    bench.serve(a=["x"])
    fill(bench, "a/x")
    assert clear(bench, **arguments)["cleared"] == 0
    assert left(bench) == ["a/x"]


def test_what_a_server_had_once_can_be_cleared(bench: Bench) -> None:
    bench.serve(a=["other"])
    fill(bench, "a/gone")
    assert clear(bench, tool="gone", server="a")["cleared"] == 1


def test_what_had_expired_does_not_count(bench: Bench) -> None:
    fill(bench, "a/x")
    bench.now = 60.0
    assert clear(bench)["cleared"] == 0


def test_its_arguments_are_checked(bench: Bench) -> None:
    fill(bench, "a/x")
    assert bench.refused("callmux_cache_clear", {"tool": ""}) == "tool"
    assert bench.refused("callmux_cache_clear", {"tool": 7}) == "tool"
    assert bench.refused("callmux_cache_clear", {"server": 4}) == "server"
    assert left(bench) == ["a/x"]
