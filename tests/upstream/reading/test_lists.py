"""Everything a server offers is read, page by page; one list that fails costs only itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.veil import Veil
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.hooks import Hooks
from callmux.upstream.inventory.offer import PROMPTS, RESOURCES, TEMPLATES, Offer
from callmux.upstream.links.veiled import VeiledLink
from callmux.upstream.reading.lists import read_all
from tests.support import play
from tests.upstream.fake_link import FakeLink


def read(capabilities: dict[str, Any], **script: Any) -> tuple[list[str], Offer, FakeLink]:
    """The names of the tools, the rest, and the link."""

    async def scene() -> tuple[list[str], Offer, FakeLink]:
        init = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "instructions": "I"}
        link = FakeLink(initialize=init, **script)

        async def refuse(*_: object) -> bytes:
            raise AssertionError

        hooks = Hooks(told=lambda *_: None, asked=refuse, lost=lambda *_: None, noise=lambda *_: None)
        connection = Connection("s", link, hooks)
        try:
            opened = await connection.open(b"{}", b"{}", 5)
            tools, offer = await read_all(connection, opened, 5)
            return [tool.name for tool in tools], offer, link
        finally:
            await connection.close()

    return play(scene())


def keys(offer: Offer) -> dict[str, list[str]]:
    return {kind.member: [item.key for item in items] for kind, items in offer.items.items()}


def test_every_list_that_is_declared_is_read() -> None:
    names, offer, _ = read(
        {"tools": {}, "prompts": {}, "resources": {}},
        prompts__list={"prompts": [{"name": "p"}]},
        resources__list={"resources": [{"uri": "x:1"}]},
        resources__templates__list={"resourceTemplates": [{"uriTemplate": "x:{n}"}]},
    )
    assert names == ["t"]
    assert keys(offer) == {"prompts": ["p"], "resources": ["x:1"], "resourceTemplates": ["x:{n}"]}
    assert offer.instructions == "I"


def test_what_is_not_declared_is_not_asked_for() -> None:
    names, offer, link = read({"prompts": {}}, prompts__list={"prompts": []})
    assert names == []
    assert {method for method, _ in link.heard if "/list" in method} == {"prompts/list"}
    assert keys(offer) == {"prompts": []}


def test_a_server_that_declares_nothing_is_asked_for_tools() -> None:
    """Old servers declare nothing and have them all the same."""
    names, _, _ = read({})
    assert names == ["t"]


def test_a_list_that_is_refused_is_empty_and_the_others_are_read() -> None:
    names, offer, _ = read(
        {"tools": {}, "prompts": {}, "resources": {}},
        prompts__list=ValueError("no"),
        resources__list={"resources": [{"uri": "x:1"}]},
    )
    assert names == ["t"]
    assert keys(offer) == {"prompts": [], "resources": ["x:1"], "resourceTemplates": []}


@pytest.mark.parametrize("answer", [{"prompts": 7}, {"prompts": [], "nextCursor": 7}, [], 7])
def test_a_list_that_cannot_be_read_is_empty(answer: Any) -> None:
    names, offer, _ = read({"tools": {}, "prompts": {}}, prompts__list=answer)
    assert (names, keys(offer)) == (["t"], {"prompts": []})


def test_a_tool_that_cannot_be_read_is_left_out() -> None:
    names, _, _ = read({"tools": {}}, tools__list={"tools": [{"name": 7}, {}, 7, {"name": "ok"}]})
    assert names == ["ok"]


def test_without_its_tools_a_server_cannot_be_used() -> None:
    with pytest.raises(CallFailure, match="no"):
        read({"tools": {}}, tools__list=ValueError("no"))


def test_pages_are_followed() -> None:
    def page(params: Any) -> Any:
        n = int(params["cursor"]) if params else 0
        return {"tools": [{"name": f"t{n}"}]} | ({"nextCursor": str(n + 1)} if n < 3 else {})

    assert read({"tools": {}}, tools__list=page)[0] == ["t0", "t1", "t2", "t3"]


def test_all_kinds_have_a_list() -> None:
    assert {kind.capability for kind in (PROMPTS, RESOURCES, TEMPLATES)} == {"prompts", "resources"}


def test_a_server_that_repeats_its_secret_in_lists_does_not_show_it_and_keeps_its_names() -> None:
    secret = "t0ken-of-this-server"

    async def scene() -> tuple[tuple[bytes, ...], Offer]:
        init = {"protocolVersion": "2025-11-25", "capabilities": {}, "instructions": f"with {secret}"}
        tools = [
            {"name": "t", "description": f"uses {secret}"},
            {"name": f"t_{secret}", "title": secret},
            {"name": "plain"},
        ]
        link = VeiledLink(FakeLink(initialize=init, tools__list={"tools": tools}), Veil([secret]))
        hooks = Hooks(told=lambda *_: None, asked=None, lost=lambda *_: None, noise=lambda *_: None)  # type: ignore[arg-type]
        connection = Connection("s", link, hooks)
        try:
            listed, offer = await read_all(connection, await connection.open(b"{}", b"{}", 5), 5)
            return tuple(tool.raw for tool in listed), offer
        finally:
            await connection.close()

    raws, offer = play(scene())
    first, second, third = (json.loads(raw) for raw in raws)
    assert first["description"] == "uses [redacted]"
    assert (second["name"], second["title"]) == (f"t_{secret}", "[redacted]")
    assert third["name"] == "plain"
    assert offer.instructions == "with [redacted]"
