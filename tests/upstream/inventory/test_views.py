"""Clients that declare something else see what the server lists to them, and nobody else does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.upstream.inventory.views import MOST
from callmux.upstream.scoped.side_lanes import LINGER_SECONDS
from tests.support import FakeClient, play, settle
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_server import DOWN, Plant, tools

ABLE = b'{"elicitation":{}}'


class Choosy(FakeLink):
    """Lists one tool more for each capability that its client declares."""

    def __init__(self) -> None:
        super().__init__(tools__list=lambda params: tools("t", *self.declared()))

    def declared(self) -> list[str]:
        return sorted(dict(self.heard)["initialize"]["capabilities"])


def names(plant: Plant, kind: bytes) -> list[str]:
    return [tool.name for tool in plant.server.views.of(kind)]


async def listed(plant: Plant, client: Any) -> list[str]:
    waiting = plant.server.unlisted_for(client)
    if waiting is not None:
        await waiting
    return names(plant, client.capabilities)


async def plant_for(*links: FakeLink) -> Plant:
    plant = Plant(*links)
    return await plant.up()


@pytest.mark.parametrize("first", [b"{}", ABLE])
async def test_the_first_client_does_not_decide_what_others_see(first: bytes) -> None:
    plant = Plant(*(Choosy() for _ in range(4)))
    one, two = FakeClient(first), FakeClient(ABLE if first == b"{}" else b"{}")
    plant.server.start(first)
    await plant.up()
    await plant.server.acquire("t", one)
    shown = {b"{}": ["t"], ABLE: ["t", "elicitation"]}
    assert await listed(plant, two) == shown[two.capabilities]
    assert await listed(plant, one) == shown[one.capabilities]
    assert plant.server.views.differ
    assert [tool.name for tool in plant.server.views.others()] == ([] if first == ABLE else ["elicitation"])
    await plant.server.close()


async def test_where_all_see_the_same_nothing_differs_and_the_connection_is_not_kept() -> None:
    plant = await plant_for(FakeLink(), FakeLink())
    await plant.acquire()
    able = FakeClient(ABLE)
    assert await listed(plant, able) == ["t"]
    assert plant.server.unlisted_for(able) is None
    assert plant.server.kind_of(ABLE) is None
    assert not plant.server.views.differ
    assert plant.changes == 1
    assert len(plant.server.lanes) == 1
    await asyncio.sleep(2 * LINGER_SECONDS)
    assert len(plant.server.lanes) == 0
    assert plant.server.unlisted_for(able) is None
    await plant.server.close()


async def test_a_connection_that_a_call_follows_on_is_kept() -> None:
    plant = await plant_for(Choosy(), Choosy())
    await plant.acquire()
    able = FakeClient(ABLE)
    await listed(plant, able)
    lane = await plant.server.acquire("elicitation", able)
    await asyncio.sleep(10 * LINGER_SECONDS)
    assert plant.server.ready(able) is lane
    assert len(plant.made) == 2
    await plant.server.close()


async def test_callers_at_the_same_time_share_one_reading() -> None:
    plant = await plant_for(Choosy(), Choosy())
    await plant.acquire()
    await asyncio.gather(*(listed(plant, FakeClient(ABLE)) for _ in range(5)))
    assert len(plant.made) == 2
    await plant.server.close()


def test_where_the_connection_cannot_be_opened_they_see_what_the_others_see(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        plant = Plant(FakeLink(), DOWN)
        await plant.up()
        await plant.acquire()
        assert await listed(plant, FakeClient(ABLE)) == ["t"]
        assert plant.server.unlisted_for(FakeClient(ABLE)) is None
        await plant.server.close()

    play(scene())
    assert "lists to other clients: no such command" in caplog.text


async def test_when_the_main_list_changes_that_of_clients_who_are_here_is_read_again() -> None:
    links = [Choosy() for _ in range(6)]
    plant = await plant_for(*links)
    await plant.acquire()
    able, gone = FakeClient(ABLE), FakeClient(b'{"sampling":{}}')
    for client in (able, gone):
        await listed(plant, client)
    plant.server.forget(gone)
    await asyncio.sleep(2 * LINGER_SECONDS)
    for link in links:
        link.script["tools/list"] = lambda params, link=link: tools("t", "new", *link.declared())
    links[0].says({"method": "notifications/tools/list_changed"})
    await settle()
    assert names(plant, ABLE) == ["t", "new", "elicitation"]
    assert names(plant, b'{"sampling":{}}') == ["t", "sampling"]
    assert len(plant.made) == 4
    assert await listed(plant, FakeClient(b'{"sampling":{}}')) == ["t", "new", "sampling"]
    await plant.server.close()


async def test_a_lane_whose_list_changes_is_read_again() -> None:
    links = [Choosy(), Choosy()]
    plant = await plant_for(*links)
    await plant.acquire()
    able = FakeClient(ABLE)
    await listed(plant, able)
    await plant.server.acquire("t", able)
    changes = plant.changes
    links[1].script["tools/list"] = tools("t", "late")
    links[1].says({"method": "notifications/tools/list_changed"})
    await settle()
    assert names(plant, ABLE) == ["t", "late"]
    assert plant.tools == ["t"]
    assert plant.changes == changes + 1
    await plant.server.close()


async def test_who_may_use_the_main_connection_in_a_moment_waits_for_it() -> None:
    """It is opened anew with what the first client declares."""

    plant = await plant_for(Choosy(), Choosy())
    able = FakeClient(ABLE)
    plant.server.choice.welcome(able)
    waiting = plant.server.unlisted_for(able)
    assert waiting is not None
    await waiting
    assert plant.tools == ["t", "elicitation"]
    assert plant.server.unlisted_for(able) is None
    assert len(plant.server.lanes) == 0
    await plant.server.close()


async def test_the_kinds_that_are_assumed_while_the_server_sleeps_are_bounded() -> None:
    plant = await plant_for(Choosy())
    for n in range(2 * MOST):
        client = FakeClient()
        plant.server.views.assume(client, json.dumps({"extensions": {f"c{n}": {}}}).encode())
        plant.server.forget(client)
    assert repr(plant.server.views) == f"Views({MOST} kinds, 0 guests, 0 being read)"
    await plant.server.close()


async def test_the_kinds_that_are_kept_are_bounded() -> None:
    plant = await plant_for(*(Choosy() for _ in range(3 * MOST)))
    await plant.acquire()
    for n in range(2 * MOST):
        client = FakeClient(json.dumps({"extensions": {f"c{n}": {}}}).encode())
        assert await listed(plant, client) == ["t", "extensions"]
        plant.server.forget(client)
    assert repr(plant.server.views) == f"Views({MOST} kinds, 0 guests, 0 being read)"
    await asyncio.sleep(2 * LINGER_SECONDS)
    assert len(plant.server.lanes) == 0
    await plant.server.close()
