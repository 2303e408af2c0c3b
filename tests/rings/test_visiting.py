"""A person opens the addresses that a server names, and the call is made again while his client waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import ToolCallFailed
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result
from callmux.rings.ring import run
from callmux.rings.stage import Stages
from callmux.rings.visiting import MOST_VISITS, Visiting
from callmux.upstream.questions import Questions
from tests.support import FakeClient, context, planned, route

URLS = b'{"elicitation":{"url":{}}}'
ACCEPT, DECLINE = b'{"action":"accept"}', b'{"action":"decline"}'


def refusal(*ids: str, code: int = -32042, **more: Any) -> ToolCallFailed:
    named = [{"mode": "url", "elicitationId": id, "url": f"https://x/{id}", "message": id} for id in ids]
    failed = ToolCallFailed("open this first")
    error = {"code": code, "message": "open this first", "data": {"elicitations": named}, **more}
    failed.rpc = json.dumps(error).encode()
    return failed


class Bench:
    """A server that refuses as told, and then answers the number of the call."""

    def __init__(self, *refusals: Any) -> None:
        self.refusals: list[Any] = list(refusals)
        self.client = FakeClient(URLS)
        self.client.version, self.client.parks = "2026-07-28", True
        self.client.answers = [ACCEPT] * 20
        self.questions = Questions()
        self.sent = 0
        servers: Any = {"s": self}
        self.stages = Stages([Visiting(servers), self])
        self.then: Callable[[], None] = lambda: None

    async def enter(self, call: Any) -> Result:
        self.sent += 1
        self.then()
        if self.refusals and (failure := self.refusals.pop(0)) is not None:
            raise failure
        return Result(b'{"n":%d}' % self.sent)

    async def call(self) -> Any:
        call = planned(context=context(client=self.client), stages=self.stages, seconds=60.0, deadline=60.0)
        return json.loads((await run(call)).raw)["n"]

    @property
    def shown(self) -> list[str]:
        assert all(
            method == "elicitation/create" and params["mode"] == "url" for method, params in self.client.asked
        )
        return [params["url"] for _, params in self.client.asked]


async def test_the_call_is_made_again_once_its_person_has_agreed() -> None:
    bench = Bench(refusal("a", "b"))
    assert await bench.call() == 2
    assert bench.shown == ["https://x/a", "https://x/b"]


async def test_until_he_is_done_there_the_call_is_tried_now_and_then() -> None:
    bench = Bench(*[refusal("a")] * 5)
    assert await bench.call() == 6
    assert bench.shown == ["https://x/a"], "he is sent there once"


async def test_where_the_server_says_that_he_is_done_it_is_tried_at_once() -> None:
    bench = Bench(*[refusal("a")] * 3)
    told = Raw(b'{"elicitationId":"a"}')
    loop = asyncio.get_running_loop()
    began = loop.time()

    def done() -> None:
        loop.call_later(0.1, bench.questions.visits.told, told)

    bench.then = done
    assert await bench.call() == 4
    assert loop.time() - began < 1


async def test_he_is_sent_further_where_the_server_wants_more_and_not_for_ever() -> None:
    bench = Bench(refusal("a"), refusal("a"), refusal("b"))
    loop = asyncio.get_running_loop()

    def done() -> None:
        for id in ("a", "b"):
            loop.call_later(0.1, bench.questions.visits.told, Raw(b'{"elicitationId":"%b"}' % id.encode()))

    bench.then = done
    assert await bench.call() == 4
    assert bench.shown == ["https://x/a", "https://x/b"]
    bench = Bench(*[refusal("a")] * 100)
    bench.then = done
    with pytest.raises(ToolCallFailed):
        await bench.call()
    assert len(bench.shown) == MOST_VISITS


async def test_a_person_who_never_comes_ends_with_the_refusal() -> None:
    bench = Bench(*[refusal("a")] * 1000)
    with pytest.raises(ToolCallFailed):
        await bench.call()
    assert (len(bench.shown), bench.sent < 30) == (1, True)


@pytest.mark.parametrize("answer", [DECLINE, b'{"action":"cancel"}', b"[]", RpcError(-1, "no")])
async def test_who_does_not_agree_ends_with_the_refusal(answer: Any) -> None:
    failure = refusal("a")
    bench = Bench(failure)
    bench.client.answers = [answer]
    with pytest.raises(ToolCallFailed) as ended:
        await bench.call()
    assert (ended.value, bench.sent) == (failure, 1)


@pytest.mark.parametrize(
    "failure",
    [
        refusal("a", code=-32000),
        refusal(),
        refusal("a", data=None),
        refusal("a", data={"elicitations": 5}),
        ToolCallFailed("no"),
        ValueError("no"),
    ],
)
async def test_other_failures_are_left_as_they_are(failure: Exception) -> None:
    bench = Bench(failure)
    with pytest.raises(type(failure)):
        await bench.call()
    assert (bench.shown, bench.sent) == ([], 1)


@pytest.mark.parametrize(
    ("version", "capabilities", "parks"),
    [
        ("2025-11-25", URLS, True),
        ("2026-07-28", b'{"elicitation":{}}', True),
        ("2026-07-28", b"{}", True),
        ("2026-07-28", URLS, False),
    ],
)
async def test_only_who_opens_addresses_in_the_middle_of_a_request_is_asked(
    version: str, capabilities: bytes, parks: bool
) -> None:
    bench = Bench(refusal("a"))
    bench.client.version, bench.client.capabilities, bench.client.parks = version, capabilities, parks
    with pytest.raises(ToolCallFailed):
        await bench.call()
    assert bench.shown == []


async def test_another_failure_of_the_second_call_is_its_outcome_and_giving_up_ends_it() -> None:
    bench = Bench(refusal("a"), ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await bench.call()
    bench = Bench(*[refusal("a")] * 100)
    task = asyncio.ensure_future(bench.call())
    await asyncio.sleep(1.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sent = bench.sent
    await asyncio.sleep(60)
    assert bench.sent == sent


def test_only_requests_whose_clients_can_be_asked_are_concerned() -> None:
    stage = Visiting({})
    assert stage.concerns(route())
    assert stage.concerns(route(method="resources/read"))
    assert not stage.concerns(route(method="completion/complete"))
