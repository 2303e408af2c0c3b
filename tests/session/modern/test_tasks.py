"""A client is told of its tasks by ids that lead it, and nobody else, to them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.protocol.extensions import TASKS
from callmux.protocol.jsonrpc import RpcError
from callmux.router.offers import Offers
from callmux.session.modern.tasks import ExtendedTasks
from tests.support import FakeClient, context

HANDLE = {"resultType": "task", "taskId": "t", "status": "working"}
EXTENDED = json.dumps({"extensions": {TASKS: {}}}).encode()


class FakeOffers:
    servers: tuple[str, ...] = ("a", "b")

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.answer: Any = {"taskId": "t", "status": "working"}

    async def other(self, method: str, params: Raw, around: Any, server: str, tool: str) -> bytes:
        self.sent.append((method, json.loads(bytes(params)), server, tool))
        return json.dumps(self.answer).encode()


class Bench:
    def __init__(self) -> None:
        self.tasks, self.offers = ExtendedTasks(), FakeOffers()
        self.client = FakeClient(EXTENDED)

    def told(self, result: Any, owner: str = "ada") -> Any:
        return json.loads(self.tasks.told(json.dumps(result).encode(), "a", "tool", owner))

    async def ask(self, method: str, params: Any, owner: str = "ada") -> Any:
        raw = None if params is None else Raw(json.dumps(params).encode())
        around = context(client=self.client)
        offers = cast(Offers, self.offers)
        return json.loads(await self.tasks.answer(method, raw, around, owner, offers))


async def test_requests_about_a_task_go_to_its_server_under_its_own_id() -> None:
    bench = Bench()
    shown = bench.told(HANDLE)
    assert shown["taskId"] != "t"
    found = await bench.ask("tasks/get", {"taskId": shown["taskId"], "x": 1})
    assert found == {"taskId": shown["taskId"], "status": "working"}
    bench.offers.answer = {}
    assert await bench.ask("tasks/update", {"taskId": shown["taskId"], "inputResponses": {"q": {}}}) == {}
    assert bench.offers.sent == [
        ("tasks/get", {"taskId": "t", "x": 1}, "a", "tool"),
        ("tasks/update", {"taskId": "t", "inputResponses": {"q": {}}}, "a", "tool"),
    ]


def test_other_results_stay_as_they_are() -> None:
    assert Bench().told({"content": [], "taskId": "t"}) == {"content": [], "taskId": "t"}


@pytest.mark.parametrize("params", [None, {}, {"taskId": 5}, {"taskId": "t"}])
async def test_what_names_no_task_is_refused(params: Any) -> None:
    with pytest.raises(RpcError) as refused:
        await Bench().ask("tasks/get", params)
    assert refused.value.code == -32602


async def test_a_task_is_its_owners_and_ends_with_its_server() -> None:
    bench = Bench()
    shown = bench.told(HANDLE)["taskId"]
    with pytest.raises(RpcError, match="no such task"):
        await bench.ask("tasks/get", {"taskId": shown}, owner="bob")
    bench.offers.servers = ("b",)
    with pytest.raises(RpcError, match="no such task"):
        await bench.ask("tasks/get", {"taskId": shown})
    assert bench.offers.sent == []


async def test_whoever_does_not_declare_the_extension_is_refused() -> None:
    bench = Bench()
    shown = bench.told(HANDLE)["taskId"]
    bench.client = FakeClient()
    with pytest.raises(RpcError) as refused:
        await bench.ask("tasks/get", {"taskId": shown})
    assert refused.value.code == -32021
