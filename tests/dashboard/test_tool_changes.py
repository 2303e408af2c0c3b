"""What servers changed in their lists of tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.dashboard import tool_changes as module
from callmux.dashboard.tool_changes import ToolChanges
from callmux.observe.bus import Bus
from callmux.observe.facts import ListsChanged, ServerUp
from callmux.protocol.shapes import Tool
from callmux.upstream.inventory.offer import Suite


class Shelf:
    """Servers that list something."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.suites: dict[str, Suite] = {}
        self.changes = ToolChanges(self.bus, self.suites.get, lambda: 0.0)

    def lists(self, *raws: bytes, server: str = "a") -> None:
        before = self.suites.get(server, Suite())
        self.suites[server] = before.after(tuple(map(Tool, raws)), "now", "now")
        self.bus.publish(ListsChanged(server=server))

    @property
    def shown(self) -> list[dict[str, Any]]:
        import msgspec

        found: list[dict[str, Any]] = json.loads(msgspec.json.encode(self.changes.shown()))["changes"]
        return found


def test_the_first_list_is_no_change_and_each_further_one_is_told_apart() -> None:
    shelf = Shelf()
    shelf.lists(b'{"name":"t"}', b'{"name":"u"}')
    assert shelf.shown == []
    shelf.lists(b'{"name":"t","description":"new"}', b'{"name":"v"}')
    (change,) = shelf.shown
    assert (change["server"], change["at"]) == ("a", "1970-01-01T00:00:00.000Z")
    assert change["added"] == [{"name": "v", "definition": {"name": "v"}}]
    assert change["removed"] == [{"name": "u", "definition": {"name": "u"}}]
    (changed,) = change["changed"]
    assert (changed["before"], changed["after"]["description"]) == ({"name": "t"}, "new")
    assert change["counts"] == {"added": 1, "removed": 1, "changed": 1}
    shelf.lists(b'{"name":"v"}')
    assert [change["generation"] for change in shelf.shown] == [3, 2]


def test_what_is_listed_again_or_by_nobody_is_none() -> None:
    shelf = Shelf()
    shelf.bus.publish(ServerUp(server="gone", again=False, seconds=0.0, tools=0))
    shelf.suites["new"] = Suite()
    shelf.bus.publish(ListsChanged(server="new"))
    shelf.lists(b'{"name":"t"}')
    shelf.lists(b'{"name":"t"}')
    shelf.bus.publish(ServerUp(server="a", again=True, seconds=0.0, tools=1))
    assert shelf.shown == []


def test_what_is_kept_and_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE", 1)
    monkeypatch.setattr(module, "LONGEST", 20)
    shelf = Shelf()
    shelf.lists()
    shelf.lists(b'{"name":"t"}', b'{"name":"u","description":"long"}')
    (change,) = shelf.shown
    assert (len(change["added"]), change["counts"]["added"]) == (1, 2)
    shelf.lists(b'{"name":"u","description":"longer"}')
    assert shelf.shown[0]["changed"][0] == {"name": "u", "before": None, "after": None}
    for n in range(2 * module.MOST):
        shelf.lists(b'{"name":"n%d"}' % n)
    assert len(shelf.shown) == module.MOST
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    shelf.lists(b'{"name":"x"}')
    assert 1 < len(shelf.shown) < module.MOST
    shelf.lists(b'{"name":"x","description":"%s"}' % (b"y" * 200))
    assert len(shelf.shown) == 1
