"""All sessions of a listener."""

from __future__ import annotations

import uuid

import pytest

from callmux.session import table as table_module
from callmux.session.table import SessionTable, shown
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
            assert self.table.enter(seat, 100) == []

    async def end(self, seat: Seat) -> None:
        self.ended.append(seat.id)

    @property
    def here(self) -> list[str]:
        return [seat.id for seat in self.table]


def test_the_longest_idle_sessions_make_room_and_busy_ones_stay() -> None:
    """As many as it takes: the bound may be lower than it was."""
    hall = Hall(Seat("busy", 1, active=1), Seat("late", 3), Seat("early", 2))
    gone = hall.table.enter(Seat("new", 4), 3)
    assert [seat.id for seat in gone or ()] == ["early"]
    assert hall.here == ["busy", "late", "new"]
    assert hall.ended == []
    play(hall.table.end(gone or ()))
    assert hall.ended == ["early"]
    gone = hall.table.enter(Seat("newer", 5), 2)
    assert [seat.id for seat in gone or ()] == ["late", "new"]
    assert hall.here == ["busy", "newer"]


def test_there_is_no_room_where_all_are_busy_and_nobody_goes_where_there_is() -> None:
    hall = Hall(Seat("busy", active=1), Seat("idle"))
    assert hall.table.enter(Seat("new"), 1) is None
    assert hall.here == ["busy", "idle"]
    assert hall.table.enter(Seat("new"), 3) == []


def test_one_whose_end_fails_does_not_keep_another_that_had_to_go_from_ending() -> None:
    hall = Hall()
    end = hall.end

    async def fail(seat: Seat) -> None:
        await end(seat)
        if seat.id == "first":
            raise OSError("gone")

    hall.table = SessionTable(hall.time.clock, KEY, fail)
    with pytest.raises(OSError, match="gone"):
        play(hall.table.end([Seat("first"), Seat("second")]))
    assert hall.ended == ["first", "second"]


def test_sweeping_ends_only_who_has_been_idle_for_longer() -> None:
    hall = Hall(Seat("old", 899), Seat("edge", 900), Seat("busy", 0, active=1))
    play(hall.table.sweep(0))
    assert len(hall.table) == 3
    play(hall.table.sweep(100))
    assert hall.ended == ["old"]
    assert hall.table.get("old") is None


def test_a_session_that_is_used_while_another_is_ended_is_not_swept() -> None:
    first, used, seen = Seat("first", 1), Seat("used", 2), Seat("seen", 3)
    hall = Hall(first, used, seen)
    end = hall.end

    async def slowly(seat: Seat) -> None:
        used.active, seen.seen_at = 1, 1000.0
        await end(seat)

    hall.table = SessionTable(hall.time.clock, KEY, slowly)
    for seat in (first, used, seen):
        hall.table.enter(seat, 100)
    play(hall.table.sweep(100))
    assert (hall.ended, hall.here) == (["first"], ["used", "seen"])


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
    for id in (first, second):
        assert hall.table.enter(Seat(id), 2) == []
    assert play(hall.table.remove(first)) is True
    assert play(hall.table.remove(first)) is False
    assert hall.ended == [first]
    assert hall.table.recall(first) is None
    play(hall.table.remove(second))
    assert hall.table.recall(second) is None
    assert hall.table.recall(first) is None, "of older ones the time is remembered"
    hall.time.now += 1
    assert hall.table.recall(hall.table.new_id("2025-11-25", b"{}")) is not None


def test_ended_sessions_stay_ended_in_the_process_that_follows() -> None:
    before, after = Hall(), Hall()
    id = before.table.new_id("2025-11-25", b"{}")
    assert before.table.enter(Seat(id), 1) == []
    play(before.table.remove(id))
    assert len(before.table.ended) == 1
    assert after.table.recall(id) is not None
    after.table.bury(before.table.ended)
    assert (after.table.recall(id), after.table.key) == (None, before.table.key)


@pytest.mark.parametrize("other", ["", "bearer:dev", "oidc_jwt:ops", "bearer:ops "])
def test_an_id_is_recalled_for_its_owner_only(other: str) -> None:
    id = Hall().table.new_id("2025-11-25", b"{}", "bearer:ops")
    assert Hall().table.recall(id, "bearer:ops") is not None
    assert Hall().table.recall(id, other) is None
    nobodys = Hall().table.new_id("2025-11-25", b"{}")
    assert Hall().table.recall(nobodys, "bearer:ops") is None


def test_what_an_older_version_left_is_understood() -> None:
    """It left the ids themselves; and times go from process to process, too."""
    before, after = Hall(), Hall()
    id = before.table.new_id("2025-11-25", b"{}")
    after.table.bury([id])
    assert after.table.recall(id) is None
    late = Hall()
    late.table.bury([], floor=1000.0)
    assert (late.table.recall(id), late.table.floor) == (None, 1000.0)


@pytest.mark.parametrize(
    "id",
    [uuid.uuid4().hex, str(uuid.uuid4()), "x" * 200, Hall().table.new_id("v", b"{}")],
    ids=["hexadecimal", "with dashes", "long", "ours"],
)
def test_what_is_shown_of_an_id_leaves_too_much_to_guess(id: str) -> None:
    part = shown(id)
    assert id.startswith(part)
    assert len(part) <= 24
    assert len(id) - len(part) >= 24
