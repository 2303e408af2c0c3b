"""Sessions of several listeners: each goes on with those of the others, and with nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Raw

from callmux.config.model import Config
from callmux.errors import StoreUnavailable
from callmux.guard.principal import Principal
from callmux.stores.sessions import OVER, KeptSession, Over
from callmux.transport.http.shared_sessions import MARGIN_SECONDS, SharedSessions
from callmux.transport.http.web_session import WebSession
from tests.support import loop_clock
from tests.transport.http.asgi import KEY, Call, House

GREETING = Raw(b'{"protocolVersion":"2025-06-18","capabilities":{"b":{},"a":{}}}')


class Shelf:
    """A store of sessions, as if it were elsewhere; it does not answer while it is away."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptSession | Over] = {}
        self.seconds: dict[str, float] = {}
        self.over: list[str] = []
        self.puts = 0
        self.away = False

    async def _there(self) -> None:
        await asyncio.sleep(0.001)
        if self.away:
            raise StoreUnavailable("away")

    async def put(self, id: str, session: KeptSession, seconds: float) -> bool:
        await self._there()
        self.puts += 1
        if isinstance(self.kept.get(id), Over):
            return False
        self.kept[id], self.seconds[id] = session, seconds
        return True

    async def get(self, id: str) -> KeptSession | Over | None:
        await self._there()
        return self.kept.get(id)

    async def touch(self, id: str, seconds: float) -> bool:
        await self._there()
        if isinstance(self.kept.get(id, OVER), Over):
            return False
        self.seconds[id] = seconds
        return True

    async def end(self, id: str, seconds: float) -> None:
        await self._there()
        self.kept[id], self.seconds[id] = OVER, seconds
        self.over.append(id)

    async def ended(self, after: str, here: Iterable[str]) -> tuple[str, list[str]]:
        await self._there()
        told = self.over[int(after) :] if after else []
        return str(len(self.over)), [id for id in here if id in told]


def sharing(shelf: Shelf, subscriptions: list[str] | None = None, **config: Any) -> House:
    house = House(Config(**config))
    table = house.listener.table
    shared = SharedSessions(shelf, KEY, loop_clock().wall, lambda session: subscriptions or [], table)
    house.listener.shared = shared
    house.listener.configure(Config(**config), house.listener.limits)
    return house


async def begun(house: House, principal: Principal | None = None) -> WebSession:
    exchange = Call().exchange()
    exchange.principal = principal
    seat = await house.listener.admit(exchange, GREETING)
    seat.session.revive(b'{"a":{}}', "2025-06-18")
    assert house.listener.shared is not None
    await house.listener.shared.changed(seat.session)
    return seat


async def recalled(house: House, id: str, principal: Principal | None = None) -> WebSession | None:
    exchange = Call().exchange()
    exchange.principal = principal
    return await house.listener.recall(id, exchange)


async def test_a_session_goes_on_at_another_listener_with_all_that_is_known_of_it() -> None:
    shelf = Shelf()
    here, there = sharing(shelf, ["x://1", "x://2"]), sharing(shelf)
    seat = await begun(here)
    facts = seat.session.facts
    facts.client_name, facts.client_kind, facts.waits, facts.asks = "c", "cli", True, True
    facts.cwd, facts.cwd_source, facts.declared = "/w", "meta", frozenset({"tools"})
    seat.session.log_level = "debug"
    assert here.listener.shared is not None
    await here.listener.shared.changed(seat.session)
    other = await recalled(there, seat.id)
    assert other is not None
    found = other.session.facts
    assert (found.client_name, found.client_kind, found.waits, found.asks) == ("c", "cli", True, True)
    assert (found.cwd, found.cwd_source, found.declared) == ("/w", "meta", frozenset({"tools"}))
    assert (other.session.version, other.session.capabilities) == ("2025-06-18", b'{"a":{}}')
    await asyncio.sleep(1)
    asked = [b'{"level":"debug"}', b'{"uri":"x://1"}', b'{"uri":"x://2"}']
    assert there.desk.params == asked


async def test_while_it_is_taken_up_nothing_is_kept_of_it_that_is_less_than_it_was() -> None:
    shelf = Shelf()
    here, there = sharing(shelf, ["x://1"]), sharing(shelf)
    seat = await begun(here)
    other = await recalled(there, seat.id)
    assert other is not None
    assert there.listener.shared is not None
    before = shelf.kept[seat.id]
    await there.listener.shared.changed(other.session)
    await there.listener.shared.renew()
    assert shelf.kept[seat.id] == before
    await asyncio.sleep(1)
    await there.listener.shared.renew()
    assert shelf.kept[seat.id] != before


async def test_one_that_was_ended_at_any_listener_is_over_at_all() -> None:
    shelf = Shelf()
    here, there, third = sharing(shelf), sharing(shelf), sharing(shelf)
    seat = await begun(here)
    other = await recalled(there, seat.id)
    assert other is not None
    await asyncio.sleep(1)
    await there.listener.leave(other)
    assert await recalled(there, seat.id) is None
    assert await recalled(third, seat.id) is None
    assert here.listener.shared is not None
    await here.listener.shared.renew()
    assert len(here.listener.table) == 0
    assert await recalled(here, seat.id) is None


async def test_one_that_was_ended_elsewhere_is_over_here_as_soon_as_that_is_heard() -> None:
    shelf = Shelf()
    here, there = sharing(shelf), sharing(shelf)
    shared = here.listener.shared
    assert shared is not None
    await shared.hear()
    seat, stays = await begun(here), await begun(here)
    other = await recalled(there, seat.id)
    assert other is not None
    await there.listener.leave(other)
    shelf.away = True
    await shared.hear()
    assert here.listener.table.get(seat.id) is not None
    shelf.away = False
    await shared.hear()
    assert here.listener.table.get(seat.id) is None
    assert here.listener.table.get(stays.id) is not None
    await shared.hear()


async def test_nobody_else_gets_it_and_they_cannot_tell_that_it_is_there() -> None:
    shelf = Shelf()
    here, there = sharing(shelf), sharing(shelf)
    ann, bob = Principal(kind="bearer", id="ann"), Principal(kind="bearer", id="bob")
    seat = await begun(here, ann)
    for stranger in (bob, None):
        assert await recalled(there, seat.id, stranger) is None
    assert "ann" not in repr(shelf.kept)
    assert await recalled(there, seat.id, ann) is not None


async def test_a_session_whose_id_says_nothing_goes_on_by_what_is_kept() -> None:
    """Its client declared more than fits into an id."""
    shelf = Shelf()
    here, there = sharing(shelf), sharing(shelf)
    many = b",".join(b'"%d-%032x":{}' % (n, n * 7919**9 % 2**127) for n in range(400))
    greeting = Raw(b'{"protocolVersion":"2025-06-18","capabilities":{"experimental":{%b}}}' % many)
    seat = await here.listener.admit(Call().exchange(), greeting)
    seat.session.revive(b'{"experimental":{%b}}' % many, "2025-06-18")
    assert len(seat.id) == 32
    assert here.listener.shared is not None
    await here.listener.shared.changed(seat.session)
    other = await recalled(there, seat.id)
    assert other is not None
    assert other.session.capabilities == seat.session.capabilities


async def test_while_the_store_is_away_sessions_go_on_by_their_ids_and_are_kept_once_it_is_back() -> None:
    shelf = Shelf()
    here, there = sharing(shelf), sharing(shelf)
    shelf.away = True
    seat = await begun(here)
    assert shelf.kept == {}
    assert await recalled(there, seat.id) is not None
    shelf.away = False
    assert here.listener.shared is not None
    here.listener.shared.returned()
    await asyncio.sleep(1)
    assert isinstance(shelf.kept[seat.id], KeptSession)


async def test_what_the_store_has_lost_it_gets_again() -> None:
    shelf = Shelf()
    here = sharing(shelf)
    seat = await begun(here)
    shelf.kept.clear()
    assert here.listener.shared is not None
    here.listener.shared.returned()
    await asyncio.sleep(1)
    assert seat.id in shelf.kept


async def test_an_end_that_the_store_does_not_hear_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    here = sharing(shelf)
    seat = await begun(here)
    shelf.away = True
    await here.listener.leave(seat)
    assert "could not tell the other listeners" in caplog.text
    assert await recalled(here, seat.id) is None


async def test_what_has_not_changed_is_not_written_again_but_kept_for_longer() -> None:
    shelf = Shelf()
    here = sharing(shelf, listener_session_inactivity_ttl_seconds=100)
    seat = await begun(here)
    assert shelf.seconds[seat.id] == 100 + MARGIN_SECONDS
    shelf.seconds[seat.id] = 0
    assert here.listener.shared is not None
    await here.listener.shared.renew()
    assert (shelf.puts, shelf.seconds[seat.id]) == (1, 100 + MARGIN_SECONDS)


async def test_one_that_made_room_here_may_come_back_and_one_of_the_older_transport_is_not_kept() -> None:
    shelf = Shelf()
    here = sharing(shelf, listener_max_sessions=1)
    seat = await begun(here)
    await here.listener.begin("older", "sse", Call().exchange())
    assert list(shelf.kept) == [seat.id]
    assert here.listener.table.get(seat.id) is None
    again = await recalled(here, seat.id)
    assert again is not None
    assert again is not seat


async def test_what_a_listener_knows_is_kept_when_it_ends() -> None:
    shelf = Shelf()
    here = sharing(shelf)
    seat = await begun(here)
    seat.session.facts.cwd = "/later"
    await here.listener.drain(0.1)
    kept = shelf.kept[seat.id]
    assert isinstance(kept, KeptSession)
    assert kept.cwd == "/later"


async def test_streams_end_with_a_listener_also_where_the_store_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = sharing(Shelf())
    seat = await begun(house)

    async def fail() -> None:
        raise OSError("gone")

    assert house.listener.shared is not None
    monkeypatch.setattr(house.listener.shared, "renew", fail)
    waiting = house.listener.shared._tasks.spawn(asyncio.sleep(999))
    with pytest.raises(OSError, match="gone"):
        await house.listener.drain(0.1)
    assert (seat.closed, waiting.cancelled()) == (True, True)
