"""How many scoped connections there may be counts over all servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from callmux.context import Scope
from callmux.upstream.lanes import Berth, LaneKey, NoRoom
from callmux.upstream.scoped.berths import Berths


class Quay:
    """Lanes of one server; `idle` are those without a call."""

    def __init__(self, owner: str, *directories: str, idle: tuple[str, ...] = ()) -> None:
        self.owner = owner
        self.most: int | None = None
        self.directories = list(directories)
        self.idle = idle

    def berths(self) -> list[Berth]:
        return [
            Berth(self.owner, LaneKey(b"{}", None, Scope(cwd=d)), 1.0 if d in self.idle else None)
            for d in self.directories
        ]

    def in_use(self, key: LaneKey) -> int:
        return 0 if key.scope is not None and key.scope.cwd in self.idle else 2

    def evict(self, key: LaneKey) -> Awaitable[None]:
        assert key.scope is not None
        assert key.scope.cwd is not None
        self.directories.remove(key.scope.cwd)
        return asyncio.sleep(0)


async def test_an_idle_connection_of_another_server_makes_room() -> None:
    berths, full, idle = Berths(), Quay("a", "/1", "/2"), Quay("b", "/3", idle=("/3",))
    berths.join(full)
    berths.join(idle)
    berths.configure(3, 9, 600)
    room = berths.make_room(full)
    assert idle.directories == []  # at once, whatever the wait
    assert room is not None
    await room
    assert berths.make_room(full) is None
    assert repr(berths) == "Berths(2 of 3)"


def test_a_servers_own_limit_goes_before_the_general_one() -> None:
    berths, quay = Berths(), Quay("a", "/1")
    berths.join(quay)
    quay.most = 1
    with pytest.raises(NoRoom, match=r"1 \(maxScopedClientsPerServer\)"):
        berths.make_room(quay)
    quay.most = 2
    assert berths.make_room(quay) is None


def test_a_closed_server_takes_no_room() -> None:
    berths, gone, quay = Berths(), Quay("a", "/1"), Quay("b")
    berths.join(gone)
    berths.join(quay)
    berths.configure(1, 9, 600)
    with pytest.raises(NoRoom):
        berths.make_room(quay)
    berths.leave(gone)
    assert berths.make_room(quay) is None


def test_status_shows_the_directories_and_no_credentials() -> None:
    berths = Berths()
    berths.join(Quay("b", "/1", "/2", idle=("/2",)))
    berths.join(Quay("a"))
    assert berths.facts() == {
        "total": 2,
        "byServer": {"b": 2},
        "items": [
            {"server": "b", "cwd": "/1", "activeCalls": 2, "idle": False},
            {"server": "b", "cwd": "/2", "activeCalls": 0, "idle": True},
        ],
    }
