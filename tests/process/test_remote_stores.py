"""A whole process whose stores are slow, fail, or never answer: nothing hangs, no answer is wrong."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from random import Random
from typing import Any

import pytest

from callmux.process import host as host_module
from callmux.process.stores import Stores
from tests.process.test_host import House, config
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, MIXED, SLOW, RemoteCache, RemoteResults, Wire
from tests.upstream.fake_link import FakeLink

TOOLS = {
    "tools": [
        {"name": "get", "annotations": {"readOnlyHint": True}},
        {"name": "set"},
        {"name": "rows", "annotations": {"readOnlyHint": True}},
    ]
}
ROWS = [{"id": n, "text": "x" * 100} for n in range(300)]
MOST_SECONDS = 10.0
"""Far more than a few bounded waits for a store, far less than for ever."""


class Register(House):
    """A house with one server that holds a number, behind stores that behave as they are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, way: str, seed: int = 1) -> None:
        self.value = 0
        self.read = 0
        self.wires = [Wire(way, seed), Wire(way, seed + 1)]
        self.cache, self.results = RemoteCache(self.wires[0]), RemoteResults(self.wires[1])
        made = partial(Stores, self.cache, self.results)
        monkeypatch.setattr(host_module, "Stores", made)
        super().__init__(monkeypatch, config("a", cacheTtlSeconds=600))
        self.numbers = iter(range(10, 100_000))

    def open_link(self, name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        self.links[name] = FakeLink(tools__list=TOOLS, tools__call=self.answer)
        return self.links[name]

    def answer(self, params: Any) -> Any:
        if params["name"] == "rows":
            return {"content": [{"type": "text", "text": json.dumps(ROWS)}]}
        self.read += params["name"] == "get"
        self.value += params["name"] == "set"
        return {"content": [{"type": "text", "text": str(self.value)}]}

    async def call(self, name: str, arguments: Any = None) -> str:
        """The text of the answer, which comes in a bounded time."""
        async with asyncio.timeout(MOST_SECONDS):
            params = {"name": name, "arguments": arguments or {}}
            result = await self.asks("tools/call", params, id=next(self.numbers))
        text: str = result["content"][0]["text"]
        return text


@pytest.mark.parametrize("way", [SLOW, FAILS, LATE_FAILS, HANGS])
async def test_a_client_reads_what_it_wrote(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    house = Register(monkeypatch, way)
    await house.greets()
    for _ in range(3):
        written = await house.call("set")
        assert [await house.call("get") for _ in range(3)] == [written] * 3
    # A cache that works is used; one that does not is a miss.
    assert (house.read == 3) is (way == SLOW)
    await house.host.close()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_stores_do_no_answer_is_from_before_a_write(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    house = Register(monkeypatch, MIXED, seed)
    await house.greets()
    draw = Random(seed)
    for _ in range(60):
        for wire in house.wires:
            wire.way = draw.choice([SLOW, SLOW, MIXED, FAILS, HANGS])
        if draw.random() < 0.3:
            assert await house.call("set") == str(house.value)
        else:
            assert await house.call("get") == str(house.value)
        if draw.random() < 0.1:
            await house.call("callmux_cache_clear")
        await asyncio.sleep(draw.choice([0, 0, 1, 30]))
    await house.host.close()


@pytest.mark.parametrize("way", [SLOW, FAILS, LATE_FAILS, HANGS])
async def test_a_large_result_comes_whole_or_can_be_paged(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    house = Register(monkeypatch, way)
    await house.greets()
    shown = json.loads(await house.call("rows"))
    if way != SLOW:
        assert shown == ROWS
    else:
        ref = shown["_callmux"]["ref"]
        page = json.loads(await house.call("callmux_get_result", {"ref": ref, "offset": 200}))
        assert page["data"][0]["id"] == 200
        house.wires[1].way = HANGS
        said = json.loads(await house.call("callmux_get_result", {"ref": ref}))
        assert said["error"]["code"] == "store_unavailable"
    await house.host.close()


@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_a_cache_that_cannot_be_cleared_says_so(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    house = Register(monkeypatch, SLOW)
    await house.greets()
    await house.call("get")
    house.wires[0].way = way
    said = json.loads(await house.call("callmux_cache_clear"))
    assert said["error"]["code"] == "store_unavailable"
    dry = json.loads(await house.call("callmux_dry_run", {"mode": "call", "tool": "get"}))
    assert "true" not in json.dumps(dry.get("cacheHitCandidate", False))
    await house.host.close()
