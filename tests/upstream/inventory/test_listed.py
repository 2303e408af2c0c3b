"""What a server lists: changes are told once, and an earlier process is no listing."""

from __future__ import annotations

import json
from typing import Any

from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.upstream.inventory.listed import Listed
from callmux.upstream.inventory.offer import Offer
from tests.support import loop_clock


def tools(*names: str) -> tuple[Tool, ...]:
    return tuple(Tool(json.dumps({"name": name}).encode()) for name in names)


class Desk:
    def __init__(self) -> None:
        self.changes = 0
        self.listed = Listed(lambda declared: None, TaskSet("t"), loop_clock(), self._changed)

    def _changed(self) -> None:
        self.changes += 1


async def test_only_what_is_new_is_told() -> None:
    desk = Desk()
    for given in (tools("a"), tools("a"), tools("a", "b"), tools("a", "b")):
        desk.listed.take(given, Offer(), "then")
    assert desk.changes == 2
    assert repr(desk.listed) == "Listed(2 tools)"
    desk.listed.take(tools("a", "b"), Offer(instructions="other"), "then")
    assert desk.changes == 2
    assert desk.listed.offer.instructions == "other"


async def test_without_a_kept_listing_nothing_is_recalled_or_forgotten() -> None:
    desk = Desk()
    desk.listed.recall(b"{}")
    desk.listed.forget_recalled()
    assert (desk.listed.recalled, desk.changes) == (False, 0)


async def test_what_was_recalled_is_forgotten_or_replaced() -> None:
    class Kept:
        def recall(self, *, exact: bool = False) -> Any:
            return tools("old"), Offer()

        async def keep(self, tools: Any, offer: Any) -> None: ...

    desk = Desk()
    kept: Any = Kept()
    desk.listed._listing_for = lambda declared: kept
    desk.listed.recall(b"{}")
    assert repr(desk.listed) == "Listed(1 tools, recalled)"
    desk.listed.take(tools("old"), Offer(), "then")
    assert (desk.listed.recalled, desk.changes, desk.listed.suite.generation) == (False, 1, 1)
    desk.listed.recall(b"{}")
    desk.listed.forget_recalled()
    assert desk.listed.suite.tools == ()
