"""What a server offers, seen by itself; all of it together is tried in `tests/upstream/test_server.py`."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.context import Scope
from callmux.upstream.inventory.offer import PROMPTS, TOOLS_CHANGED
from tests.support import FakeClient, settle
from tests.upstream.fake_link import INITIALIZE, FakeLink
from tests.upstream.test_server import Plant, tools

ABLE = b'{"elicitation":{}}'


class Choosy(FakeLink):
    """Lists one tool more for each capability that its client declares, and what else it is told to."""

    more: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(tools__list=lambda params: tools("t", *self.more, *self.declared()))

    def declared(self) -> list[str]:
        return sorted(dict(self.heard)["initialize"]["capabilities"])


async def up(*links: FakeLink) -> Plant:
    plant = Plant(*links)
    plant.server.start()
    return await plant.up()


def listed(plant: Plant) -> list[str]:
    return [tool.name for tool in plant.server.inventory.suite.tools]


async def test_only_notices_of_lists_are_taken_and_those_lists_read_again() -> None:
    link = Choosy()
    plant = await up(link)
    inventory, connection = plant.server.inventory, plant.server.connection
    assert connection is not None
    assert not inventory.heard(connection, "notifications/message")
    link.more = ("new",)
    assert inventory.heard(connection, TOOLS_CHANGED)
    assert inventory.heard(connection, PROMPTS.changed)
    await asyncio.sleep(10)
    assert listed(plant) == ["t", "new"]
    await plant.server.close()


async def test_what_one_kind_of_clients_sees_changes_for_that_kind_alone() -> None:
    main, other = Choosy(), Choosy()
    plant = await up(main, other)
    inventory, guest = plant.server.inventory, FakeClient(ABLE)
    assert inventory.kind_of(ABLE) is None, "all see the same as far as is known"
    waiting: Any = plant.server.unlisted_for(guest)
    await waiting
    assert (inventory.kind_of(ABLE), inventory.kind_of(b"{}")) == (ABLE, b"")
    other.more = ("new",)
    (lane,) = plant.server.lanes.connections()
    assert inventory.heard(lane, TOOLS_CHANGED)
    await asyncio.sleep(10)
    assert listed(plant) == ["t"]
    assert [tool.name for tool in inventory.views.of(ABLE)] == ["t", "new", "elicitation"]
    await plant.server.close()


async def test_a_connection_that_counts_no_more_is_not_read_again() -> None:
    old, new = Choosy(), Choosy()
    plant = await up(old, new)
    inventory, before = plant.server.inventory, plant.server.connection
    assert before is not None
    await plant.server.restart()
    old.more = ("late",)
    inventory.heard(before, TOOLS_CHANGED)
    await asyncio.sleep(10)
    assert listed(plant) == ["t"]
    assert repr(inventory).startswith("Inventory(Listed(1 tools), Views(")
    await plant.server.close()


async def test_what_changes_for_all_and_is_said_on_another_connection_is_read_on_the_main_one() -> None:
    main, other = Choosy(), Choosy()
    for link in (main, other):
        link.script["initialize"] = {**INITIALIZE, "capabilities": {"tools": {}, "prompts": {}}}
        link.script["prompts/list"] = {"prompts": []}
    plant = await up(main, other)
    await plant.acquire()
    inventory = plant.server.inventory
    lane = await plant.server.acquire("t", FakeClient(ABLE))
    changes = plant.changes
    main.script["prompts/list"] = {"prompts": [{"name": "new"}]}
    assert inventory.heard(lane, PROMPTS.changed)
    await settle()
    assert [item.key for item in inventory.offer.items[PROMPTS]] == ["new"]
    assert plant.changes == changes + 1
    main.more = ("late",)
    assert inventory.heard(lane, TOOLS_CHANGED)
    await settle()
    assert listed(plant) == ["t", "late"]
    await plant.server.close()


async def test_what_a_connection_of_one_client_says_of_lists_is_looked_at_on_the_main_one() -> None:
    main, other = Choosy(), Choosy()
    plant = await up(main, other)
    plant.server.questions.apart = True
    lane = await plant.server.acquire("t", FakeClient())
    assert lane is not plant.server.connection
    main.more = ("late",)
    assert plant.server.inventory.heard(lane, TOOLS_CHANGED)
    await settle()
    assert listed(plant) == ["t", "late"]
    await plant.server.close()


async def test_what_others_see_is_read_when_it_is_asked_for_after_another_connection_told_of_a_change() -> (
    None
):
    """A server that says so at each start must not be started for that again and again."""
    links = [Choosy() for _ in range(3)]
    plant = await up(*links)
    await plant.acquire()
    inventory, guest = plant.server.inventory, FakeClient(ABLE)
    waiting: Any = plant.server.unlisted_for(guest)
    await waiting
    await asyncio.sleep(10)
    for link in links:
        link.more = ("late",)
    lane = await plant.server.acquire("t", FakeClient(b'{"sampling":{}}'))
    assert inventory.heard(lane, TOOLS_CHANGED)
    await asyncio.sleep(10)
    assert listed(plant) == ["t", "late"]
    assert len(plant.made) == 3, "nothing was opened to read what the guest sees"
    waiting = plant.server.unlisted_for(guest)
    assert waiting is not None
    await plant.server.close()


async def test_the_main_connection_has_others_read_again_whatever_was_said_elsewhere_before() -> None:
    main, other = Choosy(), Choosy()
    plant = await up(main, other)
    await plant.acquire()
    inventory, guest, connection = plant.server.inventory, FakeClient(ABLE), plant.server.connection
    assert connection is not None
    waiting: Any = plant.server.unlisted_for(guest)
    await waiting
    lane = await plant.server.acquire("t", guest)
    other.more = ("late",)
    assert inventory.heard(lane, PROMPTS.changed)
    assert inventory.heard(connection, TOOLS_CHANGED)
    await settle()
    assert [tool.name for tool in inventory.views.of(ABLE)] == ["t", "late", "elicitation"]
    await plant.server.close()


async def test_what_a_connection_of_one_directory_says_of_lists_is_not_looked_at_on_the_main_one() -> None:
    main, other = Choosy(), Choosy()
    plant = await up(main, other)
    lane = await plant.server.acquire("t", FakeClient(), scope=Scope(cwd="/a"))
    assert lane is not plant.server.connection
    main.more = ("late",)
    assert plant.server.inventory.heard(lane, TOOLS_CHANGED)
    await settle()
    assert listed(plant) == ["t"]
    plant.server.leave(lane)
    await plant.server.close()
