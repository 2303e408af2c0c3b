"""One transport, then the other: only where the first was refused as such."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.jsonrpc import Response, parse
from callmux.upstream.failures import CallFailure, Category, lost, refused
from callmux.upstream.links.fallback import FallbackLink
from callmux.upstream.links.link import Listener
from tests.support import settle


class OneLink:
    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.sent: list[tuple[bytes, int | None]] = []
        self.listener: Listener
        self.failure: CallFailure | None = None
        self.opens: asyncio.Event | None = None
        self.calls: list[Any] = []

    async def open(self, listener: Listener) -> None:
        self.listener = listener
        if self.opens is not None:
            await self.opens.wait()
        if self.failure is not None:
            raise self.failure

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        self.sent.append((line, id))

    def agreed(self, protocol_version: str) -> None:
        self.calls.append(protocol_version)

    def abandon(self, id: int) -> None:
        self.calls.append(id)

    async def close(self) -> None:
        self.calls.append("close")


class Desk:
    """A link that has sent its first request."""

    def __init__(self) -> None:
        self.first, self.second = OneLink("streamable-http"), OneLink("sse")
        self.received: list[Any] = []
        self.failed: list[CallFailure] = []
        self.lost: list[CallFailure] = []
        self.link = FallbackLink("s", self.first, lambda: self.second)

    async def __aenter__(self) -> Desk:
        await self.link.open(
            Listener(
                lambda message, id: self.received.append(message),
                lambda id, failure: self.failed.append(failure),
                self.lost.append,
            )
        )
        self.link.send(b"first\n", 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()


REFUSED = CallFailure(Category.PROTOCOL, "the server refuses the request (HTTP 405)", started=False)


async def test_a_refused_first_request_is_sent_again_over_the_older_transport() -> None:
    async with Desk() as desk:
        desk.first.listener.failed(1, REFUSED)
        await settle()
        assert desk.second.sent == [(b"first\n", 1)]
        assert desk.first.calls == ["close"]
        assert desk.link.transport == "sse"
        assert (desk.failed, desk.lost) == ([], [])
        desk.second.listener.received(parse(b'{"id":1,"result":{}}'), None)
        assert isinstance(desk.received[0], Response)
        desk.link.agreed("v")
        desk.link.abandon(1)
        assert desk.second.calls == ["v", 1]


@pytest.mark.parametrize(
    "failure",
    [
        CallFailure(Category.AUTHORIZATION, "HTTP 401", started=False),
        lost("cannot be reached", started=False),
        CallFailure(Category.UNKNOWN, "HTTP 500"),
        CallFailure(Category.TIMEOUT, "late"),
    ],
)
async def test_any_other_failure_is_the_true_one(failure: CallFailure) -> None:
    async with Desk() as desk:
        desk.first.listener.failed(1, failure)
        await settle()
        assert desk.failed == [failure]
        assert desk.second.sent == []


async def test_a_json_rpc_error_with_a_4xx_is_a_refusal_too() -> None:
    """Some servers of the older transport answer a POST that way."""

    async with Desk() as desk:
        desk.first.listener.failed(1, refused(Raw(b'{"code":-32000,"message":"no session"}')))
        await settle()
        assert desk.link.transport == "sse"


async def test_where_neither_works_both_reasons_are_told() -> None:
    async with Desk() as desk:
        desk.second.failure = CallFailure(Category.PROTOCOL, "HTTP 404", started=False)
        desk.first.listener.failed(1, REFUSED)
        await settle()
        (failure,) = desk.failed
        assert (
            failure.cause == "streamable HTTP: the server refuses the request (HTTP 405); HTTP+SSE: HTTP 404"
        )
        assert desk.second.calls == ["close"]


async def test_a_sign_in_that_the_second_wants_is_told_as_one() -> None:
    async with Desk() as desk:
        desk.second.failure = CallFailure(
            Category.AUTHORIZATION, "run login", started=False, lasting=True, sign_in=True
        )
        desk.first.listener.failed(1, REFUSED)
        await settle()
        (failure,) = desk.failed
        assert (failure.category, failure.lasting, failure.sign_in) == (Category.AUTHORIZATION, True, True)


async def test_once_it_has_answered_the_first_transport_stays() -> None:
    async with Desk() as desk:
        desk.first.listener.received(parse(b'{"id":1,"result":{}}'), 1)
        desk.first.listener.failed(2, REFUSED)
        desk.first.listener.lost(REFUSED)
        await settle()
        assert (desk.failed, desk.lost) == ([REFUSED], [REFUSED])
        assert desk.link.transport == "streamable-http"


async def test_a_link_that_ends_at_the_first_request_has_only_changed() -> None:
    async with Desk() as desk:
        desk.first.listener.failed(1, REFUSED)
        desk.first.listener.lost(REFUSED)
        await settle()
        assert desk.lost == []
        assert desk.link.transport == "sse"


async def test_a_closed_link_says_nothing_more() -> None:
    desk = Desk()
    async with desk:
        desk.first.listener.failed(1, REFUSED)
    desk.first.listener.failed(1, REFUSED)
    desk.first.listener.received(parse(b"{}"), None)
    await asyncio.sleep(1)
    assert (desk.received, desk.failed, desk.lost) == ([], [], [])


async def test_the_link_beneath_is_closed_though_whoever_closes_is_cancelled() -> None:
    desk = Desk()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)

    async with desk:
        desk.link._tasks.spawn(slow())
        await settle()
        closing = asyncio.ensure_future(desk.link.close())
        await settle()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert desk.first.calls[-1] == "close"


class LabelledLink(OneLink):
    """The same, whose requests have headers."""

    def label(self, id: int, head: Any) -> None:
        self.calls.append((id, head))


async def test_the_question_for_an_era_decides_nothing() -> None:
    """A server of the older transport refuses it like any other request; only `initialize` tells."""
    desk = Desk()
    desk.first = LabelledLink("streamable-http")
    desk.link = FallbackLink("s", desk.first, lambda: desk.second)
    refusal = CallFailure(Category.PROTOCOL, "405", started=False)
    await desk.link.open(Listener(lambda *_: None, lambda id, why: desk.failed.append(why), desk.lost.append))
    desk.link.label(1, {"Mcp-Method": "server/discover"})
    desk.link.send(b"discover", 1)
    desk.first.listener.failed(1, refusal)
    assert desk.failed == [refusal]
    assert desk.first.calls == [(1, {"Mcp-Method": "server/discover"})]
    desk.link.send(b"initialize", 2)
    desk.first.listener.failed(2, refusal)
    await settle()
    assert desk.second.sent == [(b"initialize", 2)]
    desk.link.label(3, {})
    await desk.link.close()


@pytest.mark.parametrize("code", [-32020, -32021, -32022, -32601])
async def test_who_refuses_as_servers_without_a_handshake_do_has_no_older_transport(code: int) -> None:
    async with Desk() as desk:
        desk.first.listener.failed(1, refused(Raw(b'{"code":%d,"message":"no"}' % code)))
        await settle()
        assert [failure.cause for failure in desk.failed] == ["no"]
        assert desk.second.sent == []


async def test_a_link_that_is_closed_while_it_falls_back_closes_the_second_one_too() -> None:
    desk = Desk()
    desk.second.opens = asyncio.Event()
    async with desk:
        desk.first.listener.failed(1, REFUSED)
        await settle()
    assert desk.second.calls == ["close"]
    assert desk.second.sent == []
