"""All sessions of a listener."""

from __future__ import annotations

import pytest

from callmux.session import table as table_module
from callmux.session.table import SessionTable
from tests.support import FakeClock, play

KEY = b"k" * 32


class Seat:
    def __init__(self, id: str, seen_at: float = 0.0, active: int = 0) -> None:
        self.id = id
        self.seen_at = seen_at
        self.active = active


class Hall:
    """A table that keeps whom it let go."""

    def __init__(self, *seats: Seat) -> None:
        self.time = FakeClock(1000.0)
        self.ended: list[str] = []
        self.table: SessionTable[Seat] = SessionTable(self.time.clock, KEY, self.end)
        for seat in seats:
            self.table.add(seat)

    async def end(self, seat: Seat) -> None:
        self.ended.append(seat.id)

    @property
    def here(self) -> list[str]:
        return [seat.id for seat in self.table]


def test_the_longest_idle_session_makes_room_and_busy_ones_stay() -> None:
    hall = Hall(Seat("busy", 1, active=1), Seat("late", 3), Seat("early", 2))
    assert play(hall.table.make_room(3)) is True
    assert hall.ended == ["early"]
    assert hall.here == ["busy", "late"]


def test_there_is_no_room_where_all_are_busy_and_nobody_goes_where_there_is() -> None:
    hall = Hall(Seat("busy", active=1))
    assert play(hall.table.make_room(1)) is False
    assert play(hall.table.make_room(2)) is True
    assert hall.ended == []


def test_sweeping_ends_only_who_has_been_idle_for_longer() -> None:
    hall = Hall(Seat("old", 899), Seat("edge", 900), Seat("busy", 0, active=1))
    play(hall.table.sweep(0))
    assert len(hall.table) == 3
    play(hall.table.sweep(100))
    assert hall.ended == ["old"]
    assert hall.table.get("old") is None


def test_another_process_with_the_key_recalls_an_id_and_one_without_does_not() -> None:
    id = Hall().table.new_id("2025-11-25", b'{"roots":{}}')
    ticket = Hall().table.recall(id)
    assert ticket is not None
    assert (ticket.version, ticket.capabilities) == ("2025-11-25", '{"roots":{}}')
    stranger: SessionTable[Seat] = SessionTable(FakeClock(1000.0).clock, b"other", Hall().end)
    assert stranger.recall(id) is None


def test_a_session_that_was_removed_is_not_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "ENDED", 1)
    hall = Hall()
    first, second = (hall.table.new_id("2025-11-25", b"{}") for _ in range(2))
    hall.table.add(Seat(first))
    hall.table.add(Seat(second))
    assert play(hall.table.remove(first)) is True
    assert play(hall.table.remove(first)) is False
    assert hall.ended == [first]
    assert hall.table.recall(first) is None
    play(hall.table.remove(second))
    assert hall.table.recall(second) is None
    assert hall.table.recall(first) is not None, "only so many ended ids are remembered"


def test_ended_sessions_stay_ended_in_the_process_that_follows() -> None:
    before, after = Hall(), Hall()
    id = before.table.new_id("2025-11-25", b"{}")
    before.table.add(Seat(id))
    play(before.table.remove(id))
    assert before.table.ended == [id]
    assert after.table.recall(id) is not None
    after.table.bury(before.table.ended)
    assert (after.table.recall(id), after.table.key) == (None, before.table.key)
