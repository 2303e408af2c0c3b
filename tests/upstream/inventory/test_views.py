"""Clients that declare something else see what the server lists to them, and nobody else does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.context import Scope
from callmux.upstream.failures import CallFailure
from callmux.upstream.inventory.views import MOST
from callmux.upstream.lanes import LaneKey
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.scoped.side_lanes import LINGER_SECONDS
from tests.support import FakeClient, play, settle
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_server import DOWN, Plant, later, tools

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


async def test_what_a_principal_sees_by_its_own_sign_in_is_read_on_its_first_connection() -> None:
    """Whether or not anybody says that it has signed in: its calls work, so its tools are listed, too."""
    plant = Plant(FakeLink(), DOWN, FakeLink(tools__list=tools("t", "own")))
    await plant.up()
    await plant.acquire()
    client, kind = FakeClient(), b"{}\0ann"
    waiting = plant.server.views.unknown_to(client, kind)
    assert waiting is not None
    await waiting
    assert names(plant, kind) == ["t"]
    lane = await plant.server.lanes.acquire(LaneKey(b"{}", scope=Scope(owner="ann")), client)
    await later(1)
    assert names(plant, kind) == ["t", "own"]
    assert (names(plant, b"{}"), len(plant.made)) == (["t"], 2)
    plant.server.lanes.leave(lane)
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
    views = plant.server.views
    views.confirm(b"{}")
    assert repr(views) == f"Views({MOST} kinds, 0 guests, 0 being read)"
    assert len(views._assumed) == len(views._unsure) == len(views._stale) == MOST
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


class Shelf:
    """What earlier processes kept, by what was declared."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Any] = {}
        self.alone: list[bool] = []

    def of(self, declared: bytes) -> Any:
        return OnShelf(self, declared)


class OnShelf:
    def __init__(self, shelf: Shelf, declared: bytes) -> None:
        self.shelf, self.declared = shelf, declared

    def recall(self, *, exact: bool = False) -> Any:
        kept = self.shelf.kept
        return kept.get(self.declared) or (None if exact else next(iter(kept.values()), None))

    async def keep(self, tools: Any, offer: Any, *, exact: bool = False) -> None:
        self.shelf.kept[self.declared] = tools, offer
        self.shelf.alone.append(exact)


def stocked(shelf: Shelf, *links: FakeLink | CallFailure, lazy: bool = True) -> Plant:
    """A server that keeps what it lists."""
    plant = Plant(*links)
    plant.server.timing = Timing(5.0, plant.server.timing.policy, lazy)
    plant.server.inventory._listed._listing_for = plant.server.views._listing = shelf.of
    return plant


async def shelf_of_two_kinds() -> Shelf:
    """An earlier process, in which clients of two kinds have listed."""
    shelf = Shelf()
    plant = stocked(shelf, *(Choosy() for _ in range(3)), lazy=False)
    await plant.up()
    await plant.server.acquire("t", FakeClient())
    assert await listed(plant, FakeClient(ABLE)) == ["t", "elicitation"]
    await settle()
    await plant.server.close()
    assert shelf.kept.keys() == {b"{}", ABLE}
    # What clients of another kind see does not stand in for all.
    assert shelf.alone == [False, True]
    return shelf


async def test_a_sleeping_server_is_listed_to_each_kind_as_it_was_and_starts_for_none_of_them() -> None:
    plant = stocked(await shelf_of_two_kinds(), *(Choosy() for _ in range(9)))
    plant.server.start()
    one, two = FakeClient(), FakeClient(ABLE)
    plant.server.choice.welcome(one)
    assert await listed(plant, one) == ["t"]
    plant.server.main_line.adopter = one
    assert await listed(plant, two) == ["t", "elicitation"]
    assert (plant.made, plant.server.asleep) == ([], True)
    # Nor do they cost one once it runs, and nobody is told of a change.
    await plant.server.acquire("t", one)
    await settle()
    assert await listed(plant, two) == ["t", "elicitation"]
    assert (len(plant.made), plant.changes) == (1, 0)
    await plant.server.close()


async def test_what_a_kind_sees_is_compared_on_the_first_connection_of_that_kind() -> None:
    """The server may list something else by now."""
    news = FakeLink(tools__list=tools("t", "new"))
    plant = stocked(await shelf_of_two_kinds(), Choosy(), news)
    plant.server.start()
    one, two = FakeClient(), FakeClient(ABLE)
    plant.server.main_line.adopter = one
    assert await listed(plant, two) == ["t", "elicitation"]
    await plant.server.acquire("t", one)
    await plant.server.acquire("t", two)
    await later(1)
    assert (names(plant, ABLE), names(plant, b"{}"), plant.changes) == (["t", "new"], ["t"], 1)
    assert len(plant.made) == 2
    await plant.server.close()


async def test_where_nothing_is_kept_of_a_kind_it_is_read_once_the_server_is_awake() -> None:
    shelf = await shelf_of_two_kinds()
    del shelf.kept[ABLE]
    plant = stocked(shelf, *(Choosy() for _ in range(9)))
    plant.server.start()
    one, two = FakeClient(), FakeClient(ABLE)
    plant.server.main_line.adopter = one
    assert await listed(plant, two) == ["t"]
    await plant.server.acquire("t", one)
    await later(1)
    assert (names(plant, ABLE), plant.changes) == (["t", "elicitation"], 1)
    assert shelf.kept.keys() == {b"{}", ABLE}
    await plant.server.close()


async def test_where_the_main_list_has_changed_all_others_are_read_again() -> None:
    plant = stocked(await shelf_of_two_kinds(), *(FakeLink(tools__list=tools("new")) for _ in range(3)))
    plant.server.start()
    one, two = FakeClient(), FakeClient(ABLE)
    plant.server.main_line.adopter = one
    assert await listed(plant, two) == ["t", "elicitation"]
    await plant.server.acquire("t", one)
    await later(1)
    assert names(plant, ABLE) == ["new"]
    await plant.server.close()


async def test_while_a_server_starts_a_kind_sees_what_it_saw_and_its_list_is_read_once_it_is_up() -> None:
    slow = Choosy()
    slow.opening = later(3)
    plant = stocked(await shelf_of_two_kinds(), slow, *(Choosy() for _ in range(3)), lazy=False)
    plant.server.start()
    two = FakeClient(ABLE)
    assert await listed(plant, two) == ["t", "elicitation"]
    assert plant.server.recalled
    await plant.up()
    await plant.server.acquire("t", FakeClient())
    assert await listed(plant, two) == ["t", "elicitation"]
    assert len(plant.made) == 2
    await plant.server.close()


async def test_where_a_list_cannot_be_read_again_a_kind_sees_what_it_saw() -> None:
    plant = stocked(await shelf_of_two_kinds(), FakeLink(tools__list=tools("t", "new")), DOWN)
    plant.server.start()
    one, two = FakeClient(), FakeClient(ABLE)
    plant.server.main_line.adopter = one
    assert await listed(plant, two) == ["t", "elicitation"]
    await plant.server.acquire("t", one)
    await later(1)
    assert (names(plant, ABLE), names(plant, b"{}")) == (["t", "elicitation"], ["t", "new"])
    await plant.server.close()
