"""An index of tools that keeps within a number of tokens."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.recipes import Recipe
from callmux.protocol.shapes import Tool
from callmux.router import tool_index
from callmux.router.text_size import characters, estimate
from callmux.router.tool_index import (
    LONGEST,
    MOST_TOLD,
    SEARCH,
    Passage,
    fitted,
    grouped,
    servers_told,
    unknown,
)
from callmux.upstream.catalogue import Catalogue, ServerTools


def tool(name: str, *needed: str, description: str = "Does what has to be done there", **more: Any) -> Tool:
    properties = {**{key: {"type": "string"} for key in needed}, **more}
    schema = {"type": "object", "properties": properties, "required": list(needed)}
    return Tool(json.dumps({"name": name, "description": description, "inputSchema": schema}).encode())


def server(key: str, *tools: Tool) -> ServerTools:
    return ServerTools(server=key, tools=tools, listed=True)


def many(key: str, count: int) -> ServerTools:
    return server(
        key, *(tool(f"handle_thing_{n:04}", "owner", "repo", page={"type": "integer"}) for n in range(count))
    )


def recipes(**named: dict[str, Any]) -> dict[str, Recipe]:
    return check_document({"servers": {}, "recipes": named}).config.recipes


def text(blocks: list[Passage]) -> str:
    return "\n".join(f"{block.heading}\n{block.between.join(block.items)}" for block in blocks)


FEW = Catalogue(
    [server("b", tool("get_page", "url", full={"type": "boolean"})), server("a", tool("add", "x"))]
)


def test_where_there_is_room_all_is_said_of_each_tool() -> None:
    assert text(fitted(grouped(FEW, {}), 1000)) == (
        "## a__:\nadd(x) Does what has to be done there\n"
        "## b__:\nget_page(url, full?:bool) Does what has to be done there"
    )


def test_deprecated_tools_stand_last_and_say_so_in_every_step() -> None:
    old = tool("add", "x", description="Adds. Deprecated: use put.")
    groups = grouped(Catalogue([server("a", old, tool("put", "x", y={}), tool("zip", "x"))]), {})
    shown = {}
    for step in tool_index.STEPS:
        groups[0].step = step
        shown[step] = groups[0].block().items
    assert shown[tool_index.WORDS][-1] == "add(x) deprecated: use put"
    assert shown[tool_index.SIGNATURES] == ["put(x, y?:any)", "zip(x)", "add(x) (deprecated)"]
    assert shown[tool_index.REQUIRED] == ["put(x, ...)", "zip(x)", "add(x) (deprecated)"]
    assert shown[tool_index.NAMES] == ["put", "zip", "add (deprecated)"]


@pytest.mark.parametrize(
    ("room", "step", "expected"),
    [
        (
            10_000,
            tool_index.WORDS,
            "handle_thing_0000(owner, repo, page?:int) Does what has to be done there",
        ),
        (700, tool_index.SIGNATURES, "handle_thing_0000(owner, repo, page?:int)"),
        (540, tool_index.REQUIRED, "handle_thing_0000(owner, repo, ...)"),
        (300, tool_index.NAMES, "handle_thing_0000"),
    ],
)
def test_with_less_room_less_is_said_of_each_and_the_heading_says_so(
    room: int, step: int, expected: str
) -> None:
    blocks = fitted(grouped(Catalogue([many("a", 40), server("z")]), {}), room)
    assert [block.items[0] for block in blocks] == [expected]
    note = {tool_index.REQUIRED: " (required parameters only)", tool_index.NAMES: " (names only)"}.get(
        step, ""
    )
    assert blocks[0].heading == f"## a__{note}:"
    assert estimate(text(blocks)) <= room


def test_a_server_whose_names_find_no_room_is_counted_and_the_others_lose_nothing() -> None:
    blocks = fitted(grouped(Catalogue([many("big", 5000), server("a", tool("add", "x"))]), {}), 400)
    assert blocks[0].items == ["add(x) Does what has to be done there"]
    assert blocks[1] == Passage(SEARCH, ["big: 5000 (handle, thing)"], "; ")


def test_of_more_servers_than_there_is_room_for_the_rest_is_counted() -> None:
    blocks = fitted(grouped(Catalogue([many(f"server{n:03}", 2) for n in range(400)]), {}), 300)
    assert [block.heading for block in blocks] == [SEARCH]
    shown = len(blocks[0].items) - 1
    assert 5 < shown < 100
    assert blocks[0].items[-1] == f"{400 - shown} more servers: {2 * (400 - shown)}"


def test_recipes_stand_first_and_degrade_as_servers_do() -> None:
    known = recipes(
        queue={
            "mode": "call",
            "tool": "t",
            "description": "What waits",
            "arguments": {"l": {"$param": "label"}},
        },
        again={"mode": "call", "tool": "t"},
    )
    blocks = fitted(grouped(FEW, known), 1000)
    assert blocks[0] == Passage(
        "Recipes, run by callmux_recipe_run:", ["again()", "queue(label:any) What waits"]
    )
    crowd = recipes(**{f"recipe_{n}": {"mode": "call", "tool": "t"} for n in range(300)})
    assert fitted(grouped(FEW, crowd), 300)[-1].items == ["recipes: 300 (callmux_status lists them)"]


def test_the_same_tools_give_the_same_index_in_whatever_order_they_came() -> None:
    chance = random.Random(3)
    servers = [many("c", 30), many("a", 3), server("b", tool("one", "x", "y"), tool("two"))]
    before = fitted(grouped(Catalogue(servers), {}), 500)
    for _ in range(100):
        shuffled = [server(s.server, *chance.sample(list(s.tools), len(s.tools))) for s in servers]
        chance.shuffle(shuffled)
        assert fitted(grouped(Catalogue(shuffled), {}), 500) == before


def test_servers_that_came_late_stand_at_the_end() -> None:
    servers = [server(key, tool("add", "x")) for key in "abcd"]
    blocks = fitted(grouped(Catalogue(servers, late=["c", "a"]), {}), 1000)
    assert [block.heading for block in blocks] == ["## b__:", "## d__:", "## c__:", "## a__:"]
    early = fitted(grouped(Catalogue(servers[1::2]), {}), 1000)
    # Names have no prefix where there is only one server.
    assert early == blocks[:2]


def test_a_name_that_has_not_the_prefix_of_its_server_stands_whole() -> None:
    long = "a_name_that_is_much_longer_than_any_client_would_ever_show_it"
    catalogue = Catalogue([server("a", tool(long), tool("short")), server("b", tool("x"))])
    names = [entry.emitted for entry in catalogue.offered("a")]
    items = fitted(grouped(catalogue, {}), 1000)[0].items
    assert sorted(item.partition("(")[0] for item in items) == sorted([names[0].removeprefix("a__"), "short"])
    alone = fitted(grouped(Catalogue([server("a", tool("short"))]), {}), 1000)
    assert alone[0].heading == "## a:"
    assert alone[0].items == ["short() Does what has to be done there"]


def test_tools_for_pages_alone_are_not_in_it() -> None:
    hidden = Tool(b'{"name":"hidden","inputSchema":{},"_meta":{"ui":{"visibility":["app"]}}}')
    assert fitted(grouped(Catalogue([server("a", hidden), server("b")]), {}), 1000) == []


def test_an_item_that_no_description_has_room_for_is_cut_to_its_name_or_left_out() -> None:
    catalogue = Catalogue(
        [server("a", tool("n" * 600), tool("m" * 440, "x", "y" * 60)), server("b")], name_limit=0
    )
    assert fitted(grouped(catalogue, {}), 100_000)[0].items == ["m" * 440]
    assert characters("m" * 440) <= LONGEST


def test_servers_are_told_with_the_number_of_their_tools_as_far_as_there_is_room() -> None:
    assert servers_told(FEW) == "a 1, b 1"
    assert servers_told(Catalogue([server("a"), server("b")])) == ""
    told = servers_told(Catalogue([many(f"server{n:03}", 2) for n in range(400)]))
    assert told.startswith("server000 2, server001 2, ")
    assert told.endswith(" more servers")
    assert len(told) <= MOST_TOLD + len(", 400 more servers")


def test_servers_that_are_not_up_yet_are_named_as_such_and_only_to_whom_they_may_be_known() -> None:
    off = ServerTools(server="off", disabled=True)
    slow = [ServerTools(server=key) for key in ("slow", "hidden")]
    whole = Catalogue([server("b", tool("get")), *slow, off, server("bare")])
    assert servers_told(whole) == "b 1, hidden not up yet, slow not up yet"
    (passage,) = unknown(whole)
    assert text([passage]) == f"{tool_index.UNKNOWN}\nhidden, slow"
    part = whole.limited(lambda entry: True, {"b", "slow", "off", "bare"})
    assert servers_told(part) == "b 1, slow not up yet"
    assert unknown(part)[0].items == ["slow"]
    assert unknown(FEW) == []
    (passage,) = unknown(Catalogue([ServerTools(server=f"server{n:03}") for n in range(400)]))
    assert passage.items[-1].endswith(" more servers")
    assert len(text([passage])) <= len(tool_index.UNKNOWN) + MOST_TOLD + len("\n, 400 more servers")


def test_a_group_shows_what_it_is() -> None:
    (group, *_) = grouped(FEW, {})
    assert repr(group) == "Group(a, 1, step 0)"
