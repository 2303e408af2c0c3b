"""What a client sees in `tools/list`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.results import SchemaCompression
from callmux.metatools.meta_tool import definitions
from callmux.protocol.shapes import Tool
from callmux.router.compress import Compression
from callmux.router.listing import NOTE, View, definition, render
from callmux.router.personas import Persona
from callmux.upstream.catalogue import Catalogue, CatalogueEntry, ServerTools

TOOL = b'{"name": "t",  "inputSchema":{"n": 1.50}, "later": [1 ]}'


def catalogue(*names: str, tools: bytes = TOOL) -> Catalogue:
    return Catalogue([ServerTools(server=name, tools=[Tool(tools)], listed=True) for name in names])


def test_a_tool_that_is_not_changed_leaves_as_the_bytes_that_came() -> None:
    assert definition(CatalogueEntry("t", "s", Tool(TOOL))) == TOOL


def test_a_name_changes_nothing_else() -> None:
    """Members stay in order, unknown ones and digits included."""
    shown = definition(CatalogueEntry("s__t", "s", Tool(TOOL)))
    assert shown == b'{"name":"s__t","inputSchema":{"n": 1.50},"later":[1 ]}'


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (b"", {"anthropic/alwaysLoad": True}),
        (b',"_meta":{"k":1}', {"k": 1, "anthropic/alwaysLoad": True}),
        (b',"_meta":{"anthropic/alwaysLoad":false}', {"anthropic/alwaysLoad": True}),
        (b',"_meta":null', {"anthropic/alwaysLoad": True}),
        (b',"_meta":[1]', {"anthropic/alwaysLoad": True}),
    ],
)
def test_a_tool_may_be_marked_for_loading_at_once(meta: bytes, expected: Any) -> None:
    entry = CatalogueEntry("t", "s", Tool(b'{"name":"t"' + meta + b"}"), always_load=True)
    assert json.loads(definition(entry))["_meta"] == expected


def test_a_persona_says_which_meta_tools_ask_not_to_be_put_aside() -> None:
    def asking(view: View) -> list[str]:
        shown = json.loads(render(catalogue(), definitions(), proxied=False, view=view))["tools"]
        return [tool["name"].removeprefix("callmux_") for tool in shown if "_meta" in tool]

    sparing = Persona(name="x", title="X", sparing=True)
    assert len(asking(View(eager=True))) == len(definitions())
    assert asking(View(eager=True, persona=sparing)) == [
        "parallel",
        "batch",
        "pipeline",
        "search_tools",
        "get_result",
        "call",
    ]
    assert asking(View(persona=sparing)) == []


def test_a_persona_says_how_large_a_schema_may_be() -> None:
    parameter = {"type": "string", "description": "Words of it. " * 100}
    schema = {"type": "object", "properties": {f"p{n}": parameter for n in range(9)}}
    raw = json.dumps({"name": "t", "description": "d", "inputSchema": schema}).encode()
    part = Catalogue(
        [ServerTools(server=key, tools=[Tool(raw)], listed=True) for key in ("a", "b")], late=["b"]
    )
    codex = Persona(name="x", title="X", schema=4000)
    for view, most in ((View(persona=codex), 4000), (View(), None)):
        shown = json.loads(render(part, [], proxied=True, view=view))["tools"]
        for listed in shown:
            properties = listed["inputSchema"]["properties"]
            assert all(one["description"] for one in properties.values())
            size = len(json.dumps(listed["inputSchema"], separators=(",", ":")))
            assert size <= most if most else listed["inputSchema"] == schema


def test_servers_that_come_late_stand_behind_everything_else_in_their_order() -> None:
    """What a client has read already of the list stays as it is."""
    servers = [ServerTools(server=name, tools=[Tool(TOOL)], listed=True) for name in "abcd"]
    own: list[dict[str, Any]] = [{"name": "callmux_x"}]
    before = render(Catalogue([servers[1], servers[3]]), own, proxied=True)
    after = render(Catalogue(servers, late=["c", "a"]), own, proxied=True)
    assert after.startswith(before.removesuffix(b"]}"))
    names = [tool["name"] for tool in json.loads(after)["tools"]]
    assert names == ["b__t", "d__t", "callmux_x", "c__t", "a__t"]
    narrowed = Catalogue(servers, late=["c", "a"]).narrowed({"a": []})
    assert json.loads(render(narrowed, own, proxied=True))["tools"][-1]["name"] == "c__t"
    assert render(Catalogue(servers, late=["a"]), [], proxied=False) == b'{"tools":[]}'


def test_tools_of_servers_come_first_in_order_then_meta_tools() -> None:
    shown = json.loads(render(catalogue("b", "a"), [{"name": "callmux_x"}], proxied=True))
    assert [tool["name"] for tool in shown["tools"]] == ["b__t", "a__t", "callmux_x"]


def test_one_server_keeps_its_names() -> None:
    assert render(catalogue("a"), [], proxied=True) == b'{"tools":[' + TOOL + b"]}"


def test_a_client_may_be_shown_less_and_meta_tools_marked() -> None:
    whole = b'{"name":"t","_meta":{"ui":{"visibility":["app"]}}}'
    one, meta = catalogue("a", tools=whole), [{"name": "callmux_x", "description": "d"}]

    def shown(view: View, compression: Compression | None = None) -> Any:
        return json.loads(render(one, meta, proxied=True, view=view, compression=compression))["tools"]

    assert [tool["name"] for tool in shown(View())] == ["t", "callmux_x"]
    for compression in (None, Compression(SchemaCompression(), {})):
        assert shown(View(apps=False, eager=True), compression) == [
            {"name": "callmux_x", "description": "d", "_meta": {"anthropic/alwaysLoad": True}}
        ]
    assert meta == [{"name": "callmux_x", "description": "d"}]


def test_the_page_of_a_tool_is_named_as_clients_know_it() -> None:
    tool = b'{"name":"t","_meta":{"ui":{"resourceUri":"ui://p"},"ui/resourceUri":"ui://p","k":1.50}}'
    renamed = {"a": {"ui://p": "ui://callmux/a/p"}}
    first, second = json.loads(render(catalogue("a", "b", tools=tool), [], proxied=True, renamed=renamed))[
        "tools"
    ]
    assert first["_meta"] == {
        "ui": {"resourceUri": "ui://callmux/a/p"},
        "ui/resourceUri": "ui://callmux/a/p",
        "k": 1.5,
    }
    assert second["_meta"]["ui"] == {"resourceUri": "ui://p"}


def test_tools_of_servers_may_be_hidden() -> None:
    assert render(catalogue("a", "b"), [], proxied=False) == b'{"tools":[]}'


def test_definitions_are_shortened_and_the_rest_leaves_as_it_came() -> None:
    long = b'{"name":"list_x","description":"List x","inputSchema":{"n": 1.50}}'
    compression = Compression(SchemaCompression(), {})
    shown = render(catalogue("a", tools=long), [{"name": "callmux_x"}], proxied=True, compression=compression)
    assert shown == b'{"tools":[{"name":"list_x","inputSchema":{"n": 1.50}},{"name":"callmux_x"}]}'
    assert definition(CatalogueEntry("t", "s", Tool(TOOL)), compression) == TOOL


def test_the_listing_is_the_same_after_a_restart() -> None:
    tools = b'{"name":"t","description":"T is %b","inputSchema":{"properties":{"b":{},"a":{}}}}' % (
        b"long " * 99
    )
    first, second = (
        render(catalogue("b", "a", tools=tools), definitions(), proxied=True, compression=compression)
        for compression in (Compression(SchemaCompression(), {}), Compression(SchemaCompression(), {}))
    )
    assert first == second


def test_what_must_be_said_stands_beside_the_list() -> None:
    shown = json.loads(render(catalogue("a"), [], proxied=True, note="two servers are down"))
    assert shown["_meta"] == {NOTE: "two servers are down"}
    assert "_meta" not in json.loads(render(catalogue("a"), [], proxied=True))
