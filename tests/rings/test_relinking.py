"""Links in results are shown as the listing shows what they lead to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.plan import ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.relinking import Relinking, relink
from callmux.upstream.inventory.offer import Item
from callmux.upstream.resources import ResourceIndex, ServerResources
from tests.support import context, planned, through

RENAMED = {"x:same": "callmux://a/x:same"}


def known(uri: str) -> str:
    return RENAMED.get(uri, uri)


LINK = {"type": "resource_link", "uri": "x:same", "name": "n"}
EMBEDDED = {"type": "resource", "resource": {"uri": "x:same", "text": "x:same"}, "annotations": {}}
SHOWN_LINK = {**LINK, "uri": "callmux://a/x:same"}
SHOWN_EMBEDDED = {**EMBEDDED, "resource": {"uri": "callmux://a/x:same", "text": "x:same"}}
TEXT = {"type": "text", "text": "x:same"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"content": [TEXT, LINK], "n": 1}, {"content": [TEXT, SHOWN_LINK], "n": 1}),
        ({"content": [EMBEDDED]}, {"content": [SHOWN_EMBEDDED]}),
        (
            {"messages": [{"role": "user", "content": LINK}]},
            {"messages": [{"role": "user", "content": SHOWN_LINK}]},
        ),
        ({"messages": [{"content": [TEXT, EMBEDDED]}]}, {"messages": [{"content": [TEXT, SHOWN_EMBEDDED]}]}),
        (
            {"content": [TEXT], "_meta": {"ui": {"resourceUri": "x:same", "x": 1}, "y": "x:same"}},
            {
                "content": [TEXT],
                "_meta": {"ui": {"resourceUri": "callmux://a/x:same", "x": 1}, "y": "x:same"},
            },
        ),
    ],
)
def test_what_leads_to_a_renamed_resource_is_renamed_and_nothing_else(given: Any, shown: Any) -> None:
    assert json.loads(relink(json.dumps(given).encode(), known)) == shown


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[{"type":"text","text":"x:same","uri":"x:same"}],"structuredContent":{"uri":"x:same"}}',
        b'{"content":[{"type":"resource_link","uri":"x:own"}, 7, null]}',
        b'{"content":[{"type":"resource_link","uri":7},{"type":"resource","resource":[]},{"type":"resource"}]}',
        b'{"content":"x:same","messages":[1,{},{"content":7}]}',
        b"[1.0]",
    ],
)
def test_everything_else_stays_the_same_object(raw: bytes) -> None:
    assert relink(raw, known) is raw


async def test_only_servers_with_renamed_resources_are_looked_into() -> None:
    own = ServerResources(server="c", resources=[Item("x:own", b'{"uri":"x:own"}')])
    both = [
        ServerResources(server=name, resources=[Item("x:same", b'{"uri":"x:same"}')]) for name in ("a", "b")
    ]
    stage = Relinking(lambda: ResourceIndex([*both, own]))
    result = Result(json.dumps({"content": [LINK]}).encode())

    async def outcome(server: str, method: str) -> Result:
        async def proceed(call: Any, around: Any) -> Result:
            return result

        call = planned(
            server=server,
            method=method,
            target="t",
            asked=ToolCall(spelling="t"),
            seconds=1,
            deadline=1,
            safe=True,
        )
        if not stage.concerns(call.route):
            return result
        return await through(stage, call, context(), proceed)

    shown = await outcome("b", "tools/call")
    assert json.loads(shown.raw)["content"][0]["uri"] == "callmux://b/x:same"
    assert await outcome("c", "tools/call") is result
    assert await outcome("b", "resources/read") is result
