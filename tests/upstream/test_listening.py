"""What changes at a server without a handshake is heard, whatever becomes of the stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, lost
from callmux.upstream.listening import LONGEST_DELAY_SECONDS
from tests.support import settle
from tests.upstream.modern_link import SUBSCRIBED, ModernLink, RpcRefusal, modern

TOOLS, UPDATED = "notifications/tools/list_changed", "notifications/resources/updated"


async def subscribe(connection: Connection, uri: str, seconds: float = 5) -> None:
    await connection.request("resources/subscribe", b'{"uri":"%b"}' % uri.encode(), seconds)


def begin(connection: Connection) -> None:
    assert connection.stateless is not None
    assert connection.init is not None
    connection.stateless.listening.begin(connection.init.capabilities)


def filters(link: ModernLink) -> list[Any]:
    return [params["notifications"] for params in link.requests("subscriptions/listen")]


async def test_it_listens_to_the_lists_that_the_server_tells_of() -> None:
    connection, link, ears = await modern()
    begin(connection)
    await settle()
    assert filters(link) == [{"toolsListChanged": True}]
    link.tells(TOOLS, link.listens[0])
    await settle()
    assert ears.told == [(TOOLS, {}, None)]


async def test_where_nothing_is_told_nothing_is_listened_to() -> None:
    connection, link, _ = await modern()
    assert connection.stateless is not None
    connection.stateless.listening.begin({})
    await settle()
    assert filters(link) == []


async def test_a_subscription_is_there_once_the_server_says_so() -> None:
    link = ModernLink()
    link.honours = None
    connection, _, _ = await modern(link)
    waiting = asyncio.create_task(subscribe(connection, "a"))
    await settle()
    assert not waiting.done()
    link.honours = {"resourceSubscriptions"}
    link.acknowledge(link.listens[0], {"resourceSubscriptions": ["a"]})
    await waiting
    assert filters(link) == [{"resourceSubscriptions": ["a"]}]


async def test_another_stream_takes_the_place_of_the_one_that_lacks_something() -> None:
    """Only once it is there the other ends, and nobody doubts what became of that."""
    connection, link, _ = await modern()
    begin(connection)
    await settle()
    await asyncio.gather(subscribe(connection, "a"), subscribe(connection, "b"))
    await subscribe(connection, "a")
    both = {"toolsListChanged": True, "resourceSubscriptions": ["a", "b"]}
    assert filters(link) == [{"toolsListChanged": True}, both]
    cancelled = link.requests("notifications/cancelled")
    assert [params["requestId"] for params in cancelled] == [link.listens[0]]
    assert "Unanswered(0" in repr(connection.hooks.unanswered)
    await connection.request("resources/unsubscribe", b'{"uri":"a"}', 5)
    await settle()
    assert filters(link)[-1] == {"toolsListChanged": True, "resourceSubscriptions": ["b"]}
    await connection.request("resources/unsubscribe", b'{"uri":"x"}', 5)
    await settle()
    assert len(link.listens) == 3


async def test_the_last_subscription_ends_the_stream() -> None:
    connection, link, _ = await modern()
    await subscribe(connection, "a")
    await connection.request("resources/unsubscribe", b'{"uri":"a"}', 5)
    await settle()
    assert len(link.requests("notifications/cancelled")) == 1
    assert connection.in_flight == 0


async def test_a_server_that_does_not_tell_of_resources_refuses() -> None:
    link = ModernLink()
    link.honours = set()
    connection, _, _ = await modern(link)
    with pytest.raises(CallFailure, match="does not tell when this resource changes") as caught:
        await subscribe(connection, "a")
    assert caught.value.rpc is not None
    assert caught.value.rpc.code == -32601


async def test_a_server_that_says_nothing_has_the_time_of_the_request() -> None:
    link = ModernLink()
    link.honours = None
    connection, _, _ = await modern(link)
    with pytest.raises(CallFailure, match="timed out after 5000 ms"):
        await subscribe(connection, "a")
    await asyncio.sleep(100)
    # Nobody wants it any more, so it is not asked again.
    assert len(link.listens) == 1


@pytest.mark.parametrize("end", ["answered", "cancelled", "failed"])
async def test_a_stream_that_ends_is_opened_again_and_what_was_missed_is_told(end: str) -> None:
    connection, link, ears = await modern()
    begin(connection)
    await subscribe(connection, "a")
    await settle()
    stream = link.listens[-1]
    if end == "answered":
        link.says({"id": stream, "result": {"resultType": "complete", "_meta": {SUBSCRIBED: stream}}})
    elif end == "cancelled":
        link.says({"method": "notifications/cancelled", "params": {"requestId": stream}})
    else:
        link.fails(stream, lost("the stream broke", started=True))
    await settle()
    before = len(link.listens)
    await asyncio.sleep(1)
    assert len(link.listens) == before + 1
    assert filters(link)[-1] == {"toolsListChanged": True, "resourceSubscriptions": ["a"]}
    assert ears.told == [(TOOLS, None, None), (UPDATED, {"uri": "a"}, None)]
    link.says({"method": "notifications/cancelled", "params": {"requestId": 99}})
    link.says({"method": "notifications/cancelled"})
    await settle()
    assert len(link.listens) == before + 1


async def test_a_stream_that_ends_together_with_its_beginning_is_opened_again_less_and_less() -> None:
    link = ModernLink()
    link.honours = None
    connection, _, ears = await modern(link)
    begin(connection)
    await settle()
    for number in range(3):
        # Both come in one piece.
        link.honours = {"toolsListChanged"}
        link.acknowledge(link.listens[-1], {"toolsListChanged": True})
        link.honours = None
        link.says_soon({"id": link.listens[-1], "result": {"resultType": "complete"}})
        await settle()
        assert len(link.listens) == number + 1
        await asyncio.sleep(LONGEST_DELAY_SECONDS)
        assert len(link.listens) == number + 2
    assert ears.told == []
    link.honours = {"toolsListChanged"}
    link.acknowledge(link.listens[-1], {"toolsListChanged": True})
    await settle()
    assert ears.told == [(TOOLS, None, None)]


async def test_a_server_that_cannot_be_listened_to_is_asked_less_and_less() -> None:
    connection, link, _ = await modern()
    begin(connection)
    await settle()
    link.honours = None
    for _ in range(8):
        link.fails(link.listens[-1], lost("the stream broke", started=True))
        await asyncio.sleep(LONGEST_DELAY_SECONDS + 1)
    assert 8 <= len(link.listens) <= 12


async def test_a_server_that_has_no_such_stream_is_left_alone() -> None:
    refusal = RpcRefusal({"code": -32601, "message": "no such method"})
    connection, link, _ = await modern(ModernLink(subscriptions__listen=refusal))
    begin(connection)
    await asyncio.sleep(100)
    with pytest.raises(CallFailure, match="no such method"):
        await subscribe(connection, "a")
    await asyncio.sleep(100)
    assert link.methods().count("subscriptions/listen") == 2


async def test_an_open_stream_holds_up_no_end() -> None:
    connection, link, _ = await modern()
    begin(connection)
    await settle()
    await connection.close_when_drained()
    assert link.closed == 1
    await asyncio.sleep(100)
    assert len(link.listens) == 1


async def test_a_lost_connection_is_not_listened_to() -> None:
    connection, link, _ = await modern()
    begin(connection)
    await settle()
    link.dies()
    await asyncio.sleep(100)
    assert len(link.listens) == 1
    assert connection.stateless is not None
    assert repr(connection.stateless.listening) == "Listening(1 lists, 0 resources, None)"
