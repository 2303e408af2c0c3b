"""One HTTP answer: messages out of JSON and events, and what its end means for whoever waits."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from callmux.bridge.client import Connection
from callmux.bridge.endpoint import read_endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.heads import Heads
from callmux.bridge.stream import Collected, Stream, Waiter
from callmux.protocol.sse import EventBuffer

EVENTS = {b"content-type": b"text/event-stream; charset=utf-8"}


class Link:
    """Keeps what a stream hands over."""

    named = True
    ours = False

    def __init__(self) -> None:
        self.heads = Heads(read_endpoint("http://h/mcp"), {"authorization": "Bearer s3ntinel"})
        self.taken: list[bytes] = []
        self.resumed: list[str] = []
        self.session = b""
        self.closed = False

    def begun(self, session_id: bytes) -> None:
        self.session = session_id

    def take(self, data: bytes, about: int | None, alone: bool) -> None:
        self.taken.append(data)

    def resume(self, events: EventBuffer, waiter: Waiter, why: str) -> None:
        self.resumed.append(events.last_id)

    def close(self) -> None:
        self.closed = True


def streaming(events: EventBuffer | None = None, waits: bool = True) -> tuple[Stream, Link, Any]:
    link = Link()
    waiter = asyncio.get_running_loop().create_future() if waits else None
    return Stream(link, cast(Connection, link), waiter, events), link, waiter


def reason_of(waiter: Any) -> Reason:
    failure = waiter.exception()
    assert isinstance(failure, LinkFailure)
    return failure.reason


async def test_that_a_stream_cannot_be_resumed_says_nothing_about_the_request() -> None:
    """The listener was restarted and knows nothing of it: it may have been carried out all the same."""

    events = EventBuffer()
    events.last_id = "r5_0"
    stream, link, waiter = streaming(events)
    stream.head(400, {b"content-type": b"application/json"})
    stream.body(b'{"jsonrpc":"2.0","id":5,"error":{"code":-32000,"message":"Unknown Last-Event-ID"}}')
    stream.done()
    assert not waiter.done()
    assert (link.taken, link.resumed) == ([], [])
    assert (await stream.refusal()).reason is Reason.REFUSED


async def test_a_stream_that_fell_silent_is_resumed_and_its_connection_given_up() -> None:
    stream, link, waiter = streaming()
    stream.starts_at = "r5_0"
    stream.fell_silent()
    assert link.closed
    assert link.resumed == ["r5_0"]
    assert not waiter.done()


async def test_json_in_pieces() -> None:
    stream, link, waiter = streaming()
    stream.head(200, {b"content-type": b"application/json", b"mcp-session-id": b"s"})
    stream.body(b'{"a":')
    stream.body(b"1}")
    assert link.taken == []
    stream.done()
    assert (link.taken, link.session, stream.finished) == ([b'{"a":1}'], b"s", True)
    assert reason_of(waiter) is Reason.BROKEN, "what came was not the answer"


async def test_events_as_they_come() -> None:
    """An empty one only says where to go on."""

    stream, link, waiter = streaming()
    stream.head(200, EVENTS)
    stream.body(b": open\n\nid: 4_0\ndata: \n\ndata: {}\n\nid: 4_1\nda")
    assert link.taken == [b"{}"]
    stream.broke("reset")
    assert link.resumed == ["4_0"]
    assert not waiter.done()
    waiter.cancel()


@pytest.mark.parametrize("ends", [True, False])
async def test_without_an_event_id_the_answer_is_lost(ends: bool) -> None:
    stream, link, waiter = streaming()
    stream.head(200, EVENTS)
    stream.body(b"data: {}\n\n")
    if ends:
        stream.done()
    else:
        stream.broke("reset")
    assert (link.resumed, reason_of(waiter)) == ([], Reason.BROKEN)


async def test_a_stream_with_a_name_is_resumed_from_its_beginning() -> None:
    stream, link, waiter = streaming()
    stream.starts_at = "r9_0"
    stream.broke("reset")
    assert link.resumed == ["r9_0"]
    waiter.cancel()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            404,
            b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"Unknown session"}}',
            Reason.SESSION,
        ),
        (404, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no method"}}', None),
        (400, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}', None),
        (400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}', Reason.REFUSED),
        (400, b"<html>", Reason.REFUSED),
        (503, b'{"error":"x"}', Reason.BUSY),
        (202, b"", Reason.BROKEN),
        (200, b"", Reason.BROKEN),
    ],
)
async def test_what_an_end_means(status: int, body: bytes, reason: Reason | None) -> None:
    """A refusal may hold the answer itself."""

    stream, link, waiter = streaming()
    stream.head(status, {b"retry-after": b"2"})
    stream.body(body)
    stream.done()
    if reason is None:
        assert link.taken == [body]
        waiter.exception()
    else:
        assert reason_of(waiter) is reason


async def test_its_head_can_be_waited_for() -> None:
    stream, _, _ = streaming(waits=False)
    loop = asyncio.get_running_loop()
    loop.call_later(1, stream.head, 202, {})
    await stream.opened()
    assert stream.status == 202
    await stream.opened()
    loop.call_later(1, stream.done)
    await stream.ended()
    stream, _, _ = streaming(waits=False)
    loop.call_later(1, stream.broke, "reset")
    with pytest.raises(LinkFailure, match="reset"):
        await stream.opened()
    with pytest.raises(LinkFailure, match="reset"):
        await stream.opened()
    assert repr(stream) == "Stream(waiting, finished)"


async def test_a_refusal_without_an_end_is_not_waited_for() -> None:
    stream, link, _ = streaming(waits=False)
    stream.head(503, {})
    assert (await stream.refusal()).reason is Reason.BUSY
    assert link.closed


async def test_a_stream_nobody_wants_gets_a_moment_to_end() -> None:
    stream, link, waiter = streaming()
    stream.head(200, EVENTS)
    stream.drop(5)
    await asyncio.sleep(4)
    assert not link.closed
    await asyncio.sleep(2)
    assert link.closed
    assert not waiter.done()
    stream.close()
    stream.drop(5)


async def test_a_resumed_stream_leaves_its_end_to_the_link() -> None:
    stream, link, waiter = streaming(EventBuffer())
    stream.head(200, EVENTS)
    stream.done()
    assert not waiter.done()
    assert link.resumed == []


@pytest.mark.parametrize("status", [400, 404, 503])
async def test_a_refusal_to_resume_is_no_refusal_of_the_request(status: int) -> None:
    """That one may have run long ago: it must not pass for one that was never begun."""

    stream, _, waiter = streaming(EventBuffer())
    stream.head(status, {})
    stream.body(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"unknown"}}')
    stream.done()
    assert not waiter.done()


async def test_a_body_can_be_collected() -> None:
    collected = Collected()
    collected.head(200, {})
    collected.body(b"a")
    collected.body(b"b")
    collected.done()
    collected.broke("too late")
    assert await collected.body_whole() == b"ab"
    broken = Collected()
    broken.broke("reset")
    with pytest.raises(LinkFailure):
        await broken.body_whole()


async def test_an_answer_in_one_piece_ends_the_wait() -> None:
    link, waiter = Link(), asyncio.get_running_loop().create_future()
    stream = Stream(link, cast(Connection, link), waiter, about=3)
    body = b'{"jsonrpc":"2.0","id":3,"result":{}}'
    assert not stream.takes_whole(body), "the first answer may name the session"
    link.heads.version = "2025-11-25"
    assert not stream.takes_whole(body.replace(b"3", b"4"))
    assert stream.takes_whole(body)
    assert (waiter.result().id, stream.finished, stream.status) == (3, True, 200)
    assert not stream.takes_whole(body), "nobody waits any more"


async def test_what_needs_no_answer_and_what_is_resumed_takes_none_in_one_piece() -> None:
    body = b'{"jsonrpc":"2.0","id":3,"result":{}}'
    for stream in (streaming(waits=False)[0], streaming(EventBuffer())[0], streaming()[0]):
        stream._link.heads.version = "2025-11-25"
        assert not stream.takes_whole(body)
    collected = Collected()
    assert collected.takes_whole(b"{}")
    assert await collected.body_whole() == b"{}"
