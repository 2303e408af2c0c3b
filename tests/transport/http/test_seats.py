"""Sessions for requests that have none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.protocol.modern import Asked
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.seats import IDLE_SECONDS
from callmux.transport.http.web_session import WebSession
from tests.transport.http.asgi import Call, House

PLAIN = Asked("2026-07-28", b"{}")


def exchange(path: str = "/mcp") -> Exchange:
    return Call("POST", path).exchange()


async def test_requests_at_the_same_time_have_different_ones_and_later_ones_have_them_again() -> None:
    seats = House().listener.seats
    one, two = await seats.take(exchange(), PLAIN), await seats.take(exchange(), PLAIN)
    assert one is not two
    seats.release(one)
    assert await seats.take(exchange(), PLAIN) is one
    assert repr(seats) == "Seats(2, 0 idle)"


async def test_what_says_something_else_of_itself_gets_another() -> None:
    seats = House().listener.seats
    first = await seats.take(exchange(), PLAIN)
    seats.release(first)
    others = [
        Asked("2026-07-28", b'{"roots":{}}'),
        Asked("2026-07-28", b"{}", "name"),
        Asked("2026-07-28", b"{}", None, "info"),
    ]
    taken: list[Any] = [await seats.take(exchange(), asked) for asked in others]
    assert first not in taken
    assert [seat.session.server_level for seat in taken] == [None, None, "info"]
    profiled = exchange()
    profiled.profile = "p"
    assert await seats.take(profiled, PLAIN) is not first


async def test_a_request_that_outlasts_its_exchange_keeps_its_own() -> None:
    seats = House().listener.seats
    seat = await seats.take(exchange(), PLAIN)
    seat.hold()
    seats.release(seat)
    assert await seats.take(exchange(), PLAIN) is not seat
    assert seat.session.over is not None
    seat.session.over()
    assert await seats.take(exchange(), PLAIN) is seat


async def test_what_nobody_needs_goes() -> None:
    house = House()
    seats = house.listener.seats
    seats.release(await seats.take(exchange(), PLAIN))
    await asyncio.sleep(IDLE_SECONDS + 1)
    await house.listener.sweep()
    assert len(house.listener.table) == 0
    assert len(house.ledger.ended_ids) == 1
    assert repr(seats) == "Seats(0, 0 idle)"


async def test_there_are_no_more_than_sessions_may_be_and_idle_ones_make_room() -> None:
    house = House(Config(listener_max_sessions=1))
    seats = house.listener.seats
    first = await seats.take(exchange(), PLAIN)
    seats.release(first)
    other = await seats.take(exchange(), Asked("2026-07-28", b'{"roots":{}}'))
    assert (first.closed, other.closed) == (True, False)
    seats.release(first)
    assert repr(seats) == "Seats(1, 0 idle)"


async def test_nothing_is_kept_of_what_requests_said_of_themselves() -> None:
    """A session may end while it is lent: that a client has it does not keep it."""
    house = House()
    seats = house.listener.seats
    for n in range(5):
        asked = Asked("2026-07-28", b"{}", f"client {n}")
        seats.release(await seats.take(exchange(), asked))
        lent = seats.lend(seats.idle(exchange(), asked))
        assert lent is not None
        await house.listener.table.remove(lent.id)
        seats.release(lent)
    assert (seats._idle, seats._keys) == ({}, {})


@pytest.mark.parametrize("way", ["swept", "making room"])
async def test_a_session_that_is_lent_while_another_is_ended_is_not_ended(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    listener, seats = house.listener, house.listener.seats
    for seat in reversed([await seats.take(exchange(), PLAIN) for _ in range(3)]):
        seats.release(seat)
    ended = house.ledger.ended
    lent: list[WebSession] = []

    async def slowly(seat: WebSession) -> None:
        if not lent:
            lent.append(await seats.take(exchange(), PLAIN))
        await ended(seat)

    monkeypatch.setattr(house.ledger, "ended", slowly)
    if way == "swept":
        await asyncio.sleep(IDLE_SECONDS + 1)
        await listener.sweep()
    else:
        # There may be fewer than there were.
        listener.configure(Config(listener_max_sessions=2), listener.limits)
        await seats.take(exchange(), Asked("2026-07-28", b"{}", "other"))
    assert len(house.ledger.ended_ids) == 2
    assert [seat.closed for seat in lent] == [False]
    assert lent[0] in list(listener.table)
