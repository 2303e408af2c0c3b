"""Who listens hears of each request of a client once, with how it was answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from callmux.observe.bus import Bus
from callmux.observe.facts import RequestEnded
from callmux.protocol.jsonrpc import INVALID_PARAMS, RpcError
from callmux.session.observing import RequestObserver, named_in
from callmux.session.session import Session
from tests.session.test_session import Desk
from tests.support import loop_clock, settle


class Watched(Desk):
    """A session that is watched."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()
        self.heard: list[RequestEnded] = []
        self.leave = self.bus.subscribe(RequestEnded, self.heard.append)
        self.session.observer = RequestObserver(self.bus, loop_clock())
        self.session.facts.client_name = "tester"

    async def greets(self) -> Watched:
        await self.hears({"id": 0, "method": "initialize", "params": {}})
        await self.hears({"method": "notifications/initialized"})
        return self


async def test_an_answer_a_refusal_and_a_cancellation_are_told_apart() -> None:
    desk = await Watched().greets()
    desk.answers.update({"prompts/get": RpcError(INVALID_PARAMS, "no such prompt"), "slow": asyncio.Event()})
    await desk.hears(
        {"id": 1, "method": "resources/read", "params": {"uri": "file:///a"}},
        {"id": 2, "method": "prompts/get", "params": {"name": "p"}},
        {"id": 3, "method": "slow"},
    )
    await desk.hears({"method": "notifications/cancelled", "params": {"requestId": 3}})
    await settle()
    shown = [(f.method, f.name, f.outcome, f.code, f.client) for f in desk.heard]
    assert shown == [
        ("initialize", "", "ok", "", "tester"),
        ("resources/read", "file:///a", "ok", "", "tester"),
        ("prompts/get", "p", "failed", "-32602", "tester"),
        ("slow", "", "cancelled", "", "tester"),
    ]


async def test_a_request_that_came_before_anybody_listened_is_not_told() -> None:
    desk = await Watched().greets()
    observer, desk.session.observer = desk.session.observer, None
    desk.answers["slow"] = gate = asyncio.Event()
    await desk.hears({"id": 3, "method": "slow"})
    desk.session.observer = observer
    gate.set()
    await settle()
    assert [f.method for f in desk.heard] == ["initialize"]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (None, ""),
        (b"[1]", ""),
        (b'{"name":1}', ""),
        (b'{"uri":"u"}', "u"),
        (b'{"arguments":{"name":"x"},"name":"t"}', "t"),
    ],
)
def test_the_name_is_read_from_whatever_comes(params: Any, name: str) -> None:
    assert named_in(None if params is None else Raw(params)) == name


def test_a_session_that_nobody_watches_has_no_observer() -> None:
    assert Session(Desk(), lambda line: None).observer is None
