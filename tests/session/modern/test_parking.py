"""Who may go on with a parked request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol.jsonrpc import RpcError
from callmux.session.modern.parking import PARKED_SECONDS, Parking
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCall, ParkedLimits
from tests.support import play


class Waiter:
    def __init__(self, owner: str = "o", digest: bytes = b"d") -> None:
        self.owner, self.digest, self.expired = owner, digest, 0

    def expire(self) -> None:
        self.expired += 1


class Remote:
    """The same records, somewhere else."""

    def __init__(self) -> None:
        self.near = MemoryParkedCalls()
        self.broken = False

    async def _later(self, value: Any) -> Any:
        await asyncio.sleep(0.01)
        if self.broken:
            raise ConnectionError
        return value

    def park(self, token: str, call: ParkedCall, now: float) -> Awaitable[bool]:
        return self._later(self.near.park(token, call, now))

    def take(self, token: str, owner: str, now: float) -> Awaitable[ParkedCall | None]:
        return self._later(self.near.take(token, owner, now))

    def drop(self, token: str) -> Awaitable[None]:
        self.near.drop(token)
        return self._later(None)


def parking(calls: Any = None) -> Parking[Waiter]:
    return Parking(MemoryParkedCalls() if calls is None else calls, lambda: asyncio.get_running_loop().time())


@pytest.mark.parametrize("calls", [MemoryParkedCalls, Remote])
async def test_a_parked_request_is_given_back_once(calls: Any) -> None:
    lot, waiter = parking(calls()), Waiter()
    state = await lot.park(waiter)
    assert state is not None
    assert await lot.take(state, "o", b"d") is waiter
    with pytest.raises(RpcError):
        await lot.take(state, "o", b"d")
    assert (len(lot), waiter.expired) == (0, 0)


@given(st.text(), st.binary(), st.text(), st.integers(0, 200), st.characters())
def test_nothing_but_the_state_itself_opens_it(
    owner: str, digest: bytes, other: str, at: int, put: str
) -> None:
    async def scene() -> None:
        lot, waiter = parking(), Waiter(owner, digest)
        state = await lot.park(waiter)
        assert state is not None
        changed = state[: at % len(state)] + put + state[at % len(state) + 1 :]
        wrong = [
            (changed, owner, digest),
            (state, other + "!" + owner, digest),
            (state, owner, digest + b"x"),
        ]
        for told in wrong:
            if told != (state, owner, digest):
                with pytest.raises(RpcError):
                    await lot.take(*told)
        assert await lot.take(state, owner, digest) is waiter, "and it is still there"

    play(scene())


async def test_a_request_whose_client_does_not_come_expires() -> None:
    lot, waiter = parking(), Waiter()
    state = await lot.park(waiter)
    await asyncio.sleep(PARKED_SECONDS + 1)
    assert (waiter.expired, len(lot)) == (1, 0)
    with pytest.raises(RpcError):
        await lot.take(state or "", "o", b"d")


async def test_there_is_room_for_so_many() -> None:
    lot = parking(MemoryParkedCalls(ParkedLimits(each=1, total=2)))
    assert await lot.park(Waiter("a"))
    assert await lot.park(Waiter("a")) is None
    assert await lot.park(Waiter("b"))


async def test_a_store_that_fails_parks_nothing_and_loses_what_it_had() -> None:
    store = Remote()
    lot, waiter = parking(store), Waiter()
    state = await lot.park(waiter)
    store.broken = True
    assert await lot.park(Waiter()) is None
    with pytest.raises(RpcError):
        await lot.take(state or "", "o", b"d")
    assert waiter.expired == 1


async def test_what_a_client_left_behind_is_given_up() -> None:
    lot, one, other = parking(Remote()), Waiter("a"), Waiter("b")
    await lot.park(one)
    await lot.park(other)
    await lot.forget(lambda waiter: waiter.owner == "a")
    assert (one.expired, other.expired, len(lot)) == (1, 0, 1)
    assert repr(lot) == "Parking(1 requests)"
