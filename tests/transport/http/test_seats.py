"""Sessions for requests that have none."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.config.model import Config
from callmux.protocol.modern import Asked
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.seats import IDLE_SECONDS
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
