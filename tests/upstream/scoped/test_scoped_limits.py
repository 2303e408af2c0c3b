"""How many scoped connections there may be counts over all servers."""

from __future__ import annotations

import asyncio

import pytest

from callmux.context import Scope
from callmux.upstream.lanes import CountedLane, LaneKey, NoRoom
from callmux.upstream.scoped.scoped_limits import ScopedLimits


class Lanes:
    """Lanes of one server; `idle` are those without a call."""

    def __init__(self, owner: str, *directories: str, idle: tuple[str, ...] = ()) -> None:
        self.owner = owner
        self.most: int | None = None
        self.directories = list(directories)
        self.idle = idle

    def counted(self) -> list[CountedLane]:
        return [
            CountedLane(self.owner, LaneKey(b"{}", None, Scope(cwd=d)), 1.0 if d in self.idle else None)
            for d in self.directories
        ]

    def in_use(self, key: LaneKey) -> int:
        return 0 if key.scope is not None and key.scope.cwd in self.idle else 2

    def evict(self, key: LaneKey) -> asyncio.Task[None]:
        assert key.scope is not None
        assert key.scope.cwd is not None
        self.directories.remove(key.scope.cwd)
        return asyncio.get_running_loop().create_task(asyncio.sleep(0))


async def test_an_idle_connection_of_another_server_makes_room() -> None:
    limits, full, idle = ScopedLimits(), Lanes("a", "/1", "/2"), Lanes("b", "/3", idle=("/3",))
    limits.join(full)
    limits.join(idle)
    limits.configure(3, 9, 600)
    room = limits.make_room(full)
    assert idle.directories == []  # at once, whatever the wait
    assert room is not None
    await room
    assert limits.make_room(full) is None
    assert repr(limits) == "ScopedLimits(2 of 3)"


def test_a_servers_own_limit_goes_before_the_general_one() -> None:
    limits, lanes = ScopedLimits(), Lanes("a", "/1")
    limits.join(lanes)
    lanes.most = 1
    with pytest.raises(NoRoom, match=r"1 \(maxScopedClientsPerServer\)"):
        limits.make_room(lanes)
    lanes.most = 2
    assert limits.make_room(lanes) is None


def test_a_closed_server_takes_no_room() -> None:
    limits, gone, lanes = ScopedLimits(), Lanes("a", "/1"), Lanes("b")
    limits.join(gone)
    limits.join(lanes)
    limits.configure(1, 9, 600)
    with pytest.raises(NoRoom):
        limits.make_room(lanes)
    limits.leave(gone)
    assert limits.make_room(lanes) is None


def test_status_shows_the_directories_and_no_credentials() -> None:
    limits = ScopedLimits()
    limits.join(Lanes("b", "/1", "/2", idle=("/2",)))
    limits.join(Lanes("a"))
    assert limits.facts() == {
        "total": 2,
        "byServer": {"b": 2},
        "items": [
            {"server": "b", "cwd": "/1", "activeCalls": 2, "idle": False},
            {"server": "b", "cwd": "/2", "activeCalls": 0, "idle": True},
        ],
    }
