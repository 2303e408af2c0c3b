"""What a subscription asks for, as far as anything tells of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from callmux.protocol.jsonrpc import RpcError
from callmux.session.modern.listening import MOST_RESOURCES, Listening, read
from tests.session.modern.desk import Desk

CHANGING = {"listChanged": True}
EVERYTHING: dict[str, Any] = dict.fromkeys(("tools", "prompts", "resources"), CHANGING)


def wanted(capabilities: Any = EVERYTHING, **notifications: Any) -> Any:
    return read(Raw(json.dumps({"notifications": notifications}).encode()), capabilities)


def test_what_nothing_tells_of_is_left_out() -> None:
    all_of_it = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
        "resourceSubscriptions": ["a:a", "a:a"],
    }
    found = wanted(**all_of_it)
    assert (found.tools_list_changed, found.prompts_list_changed, found.resources_list_changed) == (True,) * 3
    assert found.resource_subscriptions == ["a:a"]
    found = wanted({"tools": Raw(b'{"listChanged":true}')}, **all_of_it)
    assert found.tools_list_changed is True
    assert found.prompts_list_changed is found.resource_subscriptions is UNSET
    for silent in ({}, {"listChanged": False}, {"listChanged": None}, Raw(b"{}")):
        assert wanted({"tools": silent}, **all_of_it).tools_list_changed is UNSET
    assert wanted(toolsListChanged=False).tools_list_changed is UNSET


@pytest.mark.parametrize(
    "params",
    [b"{}", b'{"notifications":5}', b'{"notifications":{"toolsListChanged":"yes"}}', None],
)
def test_what_cannot_be_read_is_refused(params: bytes | None) -> None:
    with pytest.raises(RpcError):
        read(None if params is None else Raw(params), EVERYTHING)


def test_it_names_so_many_resources_at_most() -> None:
    with pytest.raises(RpcError):
        wanted(resourceSubscriptions=[f"a:{n}" for n in range(MOST_RESOURCES + 1)])


async def test_nothing_is_told_before_it_is_acknowledged() -> None:
    sent: list[Any] = []
    desk = Desk()
    listening = Listening(
        desk, b"5", wanted(resourcesListChanged=True), lambda method, params: sent.append((method, params))
    )
    desk.session.capabilities = b'{"roots":{}}'
    listening.resemble(desk.session)
    assert (listening.is_ready, listening.capabilities) == (False, b'{"roots":{}}')
    assert listening.kinds == ("resources", "resourceTemplates")
    listening.notify("notifications/resources/list_changed", None)
    assert sent == []
    listening.acknowledge()
    listening.notify("notifications/resources/list_changed", b'{"_meta":{"a":1}}')
    assert listening.is_ready
    tag = "io.modelcontextprotocol/subscriptionId"
    assert [json.loads(bytes(params)) for _, params in sent] == [
        {"notifications": {"resourcesListChanged": True}, "_meta": {tag: 5}},
        {"_meta": {"a": 1, tag: 5}},
    ]
    assert json.loads(listening.result) == {"_meta": {tag: 5}}
