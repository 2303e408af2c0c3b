"""A request that is silent for long gives a sign of life, with values that rise."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.jsonrpc import Request as Message
from callmux.protocol.jsonrpc import parse
from callmux.session.facts import Said
from callmux.session.request import PROGRESS, Request
from callmux.session.session import Session
from tests.support import play

Work = Callable[[ClientPort], Awaitable[Any]]


class Desk:
    """A session whose requests do as told."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.sent: list[tuple[float, Any]] = []
        self.session = Session(self, self._send)

    def _send(self, line: bytes) -> None:
        self.sent.append((asyncio.get_running_loop().time() - 1000, json.loads(line)))

    async def open(self, session: Session, params: Raw | None) -> bytes:
        return b"{}"

    async def call(self, session: Session, params: DirectCall | Raw | None, port: Any) -> bytes:
        return await self.handle(session, "tools/call", raw(params), port)

    async def handle(self, session: Session, method: str, params: Raw | None, port: ClientPort) -> bytes:
        await self.work(port)
        return b"{}"

    def stateless(self, session: Session, message: Message | Calling, said: Said, *_: Any) -> None:
        session.begin(Request(session, message.id, message.method, said), message.params)

    def told(self, *_: Any) -> None: ...

    def says(self, **message: Any) -> None:
        self.session.receive(parse(json.dumps(message).encode()))

    def asks(self, id: Any = 1, token: Any = "t") -> None:
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        self.says(id=id, method="tools/call", params={"name": "x", **meta})

    def signs(self) -> list[tuple[float, Any]]:
        return [(round(at), m["params"]) for at, m in self.sent if m.get("method") == PROGRESS]


def scene(work: Work, then: Callable[[Desk], Awaitable[Any]]) -> Desk:
    async def run() -> Desk:
        desk = Desk(work)
        await then(desk)
        await desk.session.close()
        return desk

    return play(run())


async def long(port: ClientPort) -> None:
    await asyncio.sleep(100)


async def until_answered(desk: Desk) -> None:
    desk.asks()
    await asyncio.sleep(300)


def test_each_half_minute_of_silence_has_its_sign_until_the_answer() -> None:
    desk = scene(long, until_answered)
    assert [at for at, _ in desk.signs()] == [30, 60, 90]
    values = [params["progress"] for _, params in desk.signs()]
    assert values == sorted(set(values))
    assert all(0 < value < 0.001 for value in values)
    assert desk.signs()[0][1] == {
        "progressToken": "t",
        "progress": values[0],
        "message": "still running after 30 s",
    }
    assert "result" in desk.sent[-1][1]


@pytest.mark.parametrize("token", [None, 1.5, {"a": 1}, [1], True])
def test_a_request_without_a_usable_token_gets_none(token: Any) -> None:
    async def then(desk: Desk) -> None:
        desk.asks(token=token)
        await asyncio.sleep(300)

    assert scene(long, then).signs() == []


@pytest.mark.parametrize("token", [0, 7, "", "ä\n", "7"])
def test_the_token_comes_back_as_it_was(token: Any) -> None:
    async def then(desk: Desk) -> None:
        desk.asks(token=token)
        await asyncio.sleep(40)

    assert scene(long, then).signs()[0][1]["progressToken"] == token


def test_progress_of_the_server_counts_as_a_sign() -> None:
    async def work(port: ClientPort) -> None:
        for n in range(1, 5):
            await asyncio.sleep(20)
            port.notify(PROGRESS, json.dumps({"progressToken": "t", "progress": n, "total": 4}).encode())
        await asyncio.sleep(45)

    signs = scene(work, until_answered).signs()
    assert [(at, params["progress"]) for at, params in signs[:4]] == [(20, 1), (40, 2), (60, 3), (80, 4)]
    ((at, params),) = signs[4:]
    assert (at, params["total"]) == (110, 4)
    assert 4 < params["progress"] < 4.001


def test_progress_that_would_fall_behind_is_raised_and_all_else_stays() -> None:
    async def work(port: ClientPort) -> None:
        await asyncio.sleep(35)
        port.notify(PROGRESS, b'{"progressToken":"t","progress":0,"message":"begun","x":1.50}')
        port.notify(PROGRESS, b'{"progressToken":"t","progress":1}')

    signs = [params for _, params in scene(work, until_answered).signs()]
    assert signs[0]["progress"] < signs[1]["progress"] < signs[2]["progress"] == 1
    assert {k: v for k, v in signs[1].items() if k != "progress"} == {
        "progressToken": "t",
        "message": "begun",
        "x": 1.5,
    }


def test_without_a_sign_of_ours_progress_passes_as_it_came() -> None:
    """Also where it does not rise: it is the server's own."""
    lines = [b'{"progressToken":"t","progress":%d,  "x":1.50}' % n for n in (5, 5, 3)]

    async def work(port: ClientPort) -> None:
        for line in lines:
            port.notify(PROGRESS, line)

    desk = scene(work, until_answered)
    assert [params["progress"] for _, params in desk.signs()] == [5, 5, 3]


@pytest.mark.parametrize(
    "params", [None, b"[]", b"{}", b'{"progressToken":"t"}', b'{"progressToken":"t","progress":"1"}']
)
def test_what_is_no_progress_passes_as_it_came(params: bytes | None) -> None:
    async def work(port: ClientPort) -> None:
        port.notify(PROGRESS, params)

    desk = scene(work, until_answered)
    expected = {} if params is None else {"params": json.loads(params)}
    assert desk.sent[0][1] == {"jsonrpc": "2.0", "method": PROGRESS, **expected}


def test_a_cancelled_request_gives_no_more_signs() -> None:
    async def then(desk: Desk) -> None:
        desk.asks()
        await asyncio.sleep(31)
        desk.says(method="notifications/cancelled", params={"requestId": 1})
        await asyncio.sleep(100)

    assert [at for at, _ in scene(long, then).signs()] == [30]


def test_a_request_that_is_being_cancelled_gives_none_either() -> None:
    """Its task needs another turn to end."""

    async def then(desk: Desk) -> None:
        desk.asks()
        await asyncio.sleep(20)
        pulse = desk.session.pulse
        pulse._read()
        (beat,) = pulse._known.values()
        beat.heard -= 100
        desk.says(method="notifications/cancelled", params={"requestId": 1})
        pulse._look()

    assert scene(long, then).signs() == []


def test_each_request_has_its_own_silence() -> None:
    async def then(desk: Desk) -> None:
        desk.asks(1, "a")
        await asyncio.sleep(20)
        desk.asks(2, 2)
        await asyncio.sleep(55)

    signs = [(at, params["progressToken"]) for at, params in scene(long, then).signs()]
    assert signs == [(30, "a"), (50, 2), (60, "a")]


def test_nothing_is_kept_of_requests_that_are_done() -> None:
    async def quick(port: ClientPort) -> None:
        await asyncio.sleep(0)

    async def then(desk: Desk) -> None:
        for n in range(50):
            desk.asks(n, n)
        await asyncio.sleep(1)
        assert len(desk.session.pulse.beats) == 0
        assert desk.session.pulse._by_token == {}
        await asyncio.sleep(60)
        assert desk.session.pulse._timer is None

    assert scene(quick, then).signs() == []


steps = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 90)), max_size=8)


@given(steps)
def test_values_always_rise_where_the_servers_do(steps: list[tuple[float, int]]) -> None:
    """Whatever the server says between our signs, and whenever."""
    rising = sorted({value for value, _ in steps})

    async def work(port: ClientPort) -> None:
        for value, (_, pause) in zip(rising, steps, strict=False):
            await asyncio.sleep(pause)
            port.notify(PROGRESS, json.dumps({"progressToken": "t", "progress": value}).encode())

    values = [params["progress"] for _, params in scene(work, until_answered).signs()]
    assert all(one < other for one, other in itertools.pairwise(values))
