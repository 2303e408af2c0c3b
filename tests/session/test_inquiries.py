"""A question to a client has one end: its answer, its refusal, its withdrawal, or that the client leaves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.client_peer import ClientPeer
from callmux.protocol.jsonrpc import Failure, Response, RpcError
from callmux.session.inquiries import Inquiries
from callmux.tasks import Withdrawal
from tests.support import settle


class Desk:
    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []
        self.inquiries = Inquiries(ClientPeer(), self.emit, self.notify)
        self.heard: list[Any] = []

    def emit(self, line: bytes, about: Any) -> None:
        self.sent.append((json.loads(line), about))

    def notify(self, method: str, params: bytes, about: Any) -> None:
        self.sent.append(({"method": method, "params": json.loads(params)}, about))

    async def asks(self, params: bytes | None = None) -> asyncio.Future[bytes]:
        heard = lambda told: self.heard.append(json.loads(told))  # noqa: E731
        asked = asyncio.ensure_future(self.inquiries.ask("roots/list", params, heard, 7))
        await settle()
        return asked


async def test_an_answer_goes_to_whoever_asked() -> None:
    desk = Desk()
    asked = await desk.asks()
    assert desk.sent == [({"jsonrpc": "2.0", "id": 1, "method": "roots/list"}, 7)]
    assert repr(desk.inquiries) == "Inquiries(1 waiting)"
    desk.inquiries.settle(2, Response(2, Raw(b"{}")))
    desk.inquiries.settle(1, Response(1, Raw(b'{"a":1}')))
    desk.inquiries.settle(1, Response(1, Raw(b'{"a":2}')))
    assert await asked == b'{"a":1}'
    assert repr(desk.inquiries) == "Inquiries(0 waiting)"


async def test_a_refusal_and_a_client_that_leaves_are_errors() -> None:
    desk = Desk()
    refused, left = await desk.asks(), await desk.asks()
    desk.inquiries.settle(1, Failure(1, Raw(b'{"code":-5,"message":"no"}')))
    desk.inquiries.close()
    for asked, code in ((refused, -5), (left, -32603)):
        with pytest.raises(RpcError) as caught:
            await asked
        assert caught.value.code == code


async def test_a_question_that_nobody_asks_any_longer_is_withdrawn() -> None:
    desk = Desk()
    asked = await desk.asks()
    asked.cancel(Withdrawal("enough"))
    await settle()
    told, about = desk.sent[-1]
    assert (told["method"], told["params"], about) == (
        "notifications/cancelled",
        {"requestId": 1, "reason": "enough"},
        7,
    )


async def test_progress_has_the_servers_own_token_again() -> None:
    desk = Desk()
    asked = await desk.asks(b'{"_meta":{"progressToken":"theirs"}}')
    assert desk.sent[0][0]["params"] == {"_meta": {"progressToken": 1}}
    desk.inquiries.progressed(None)
    for params in (b'{"progressToken":"x"}', b'{"progressToken":2}', b'{"progressToken":1,"progress":3}'):
        desk.inquiries.progressed(Raw(params))
    assert desk.heard == [{"progressToken": "theirs", "progress": 3}]
    desk.inquiries.close()
    with pytest.raises(RpcError):
        await asked
