"""A side lane speaks for the client it is opened for, and is the server that is listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.context import Scope
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.hooks import Hooks
from callmux.upstream.lanes import LaneKey
from callmux.upstream.opening.side_lane import open_lane
from tests.support import FakeClient, play
from tests.upstream.fake_link import FakeLink


def opened(link: FakeLink, client: Any, key: LaneKey, *expected: str) -> Connection:
    async def scene() -> Connection:
        async def asked(*args: Any) -> bytes:
            raise AssertionError("it asks nothing")

        hooks = Hooks(told=lambda *_: None, asked=asked, lost=lambda *_: None, noise=lambda *_: None)
        connection = Connection("s", link, hooks)
        async with asyncio.timeout(30):
            return await open_lane(connection, key, client, b'{"name":"callmux"}', 5.0, set(expected))

    return play(scene())


def test_it_declares_what_its_clients_do_and_belongs_to_the_one_it_is_opened_for() -> None:
    client, link = FakeClient(), FakeLink()
    connection = opened(link, client, LaneKey(b'{"sampling":{}}', None, Scope(cwd="/a")))
    assert dict(link.heard)["initialize"]["capabilities"] == {"sampling": {}}
    assert connection.audience.is_only(client)
    assert client in connection.audience
    assert not connection.audience.carried
    assert connection.declared == b'{"sampling":{}}'


def test_one_that_lists_more_than_expected_will_do() -> None:
    link = FakeLink(tools__list={"tools": [{"name": "a"}, {"name": "b"}]})
    assert opened(link, FakeClient(), LaneKey(b"{}"), "a").live


def test_one_that_lacks_an_expected_tool_is_another_server() -> None:
    link = FakeLink(tools__list={"tools": [{"name": "a"}]})
    with pytest.raises(CallFailure, match=r"did not expose expected tool\(s\): b, c\.") as failure:
        opened(link, FakeClient(), LaneKey(b"{}"), "a", "b", "c")
    assert failure.value.category is Category.PROTOCOL
    assert not failure.value.started
    assert link.closed == 1


def test_many_missing_tools_are_counted() -> None:
    link = FakeLink(tools__list={"tools": []})
    with pytest.raises(CallFailure, match=r"t0, t1, t2, t3, t4 and 3 more\."):
        opened(link, FakeClient(), LaneKey(b"{}"), *(f"t{n}" for n in range(8)))
