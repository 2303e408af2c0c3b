"""What stores promise, wherever they are: scenes that the tests of each kind of store play with its stores in
memory, behind a wire (`tests.stores.remote`) and in a real Redis.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeAlias

from callmux.stores.counts import InFlight, Rates
from callmux.stores.parked import ParkedCall, ParkedCalls
from callmux.stores.replay import FinishedStream, Replay
from callmux.stores.results import Remainder, Results, Stored, StoreLimits

Scene: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]
STEPS = 120
OWNERS = ("anna", "bob", "principal:c")


async def given(answer: Any) -> Any:
    """What a store gives, awaited where it must be asked."""
    return await answer if inspect.isawaitable(answer) else answer


def stored(ref: str, owner: str = "", raw: bytes = b"{}") -> Stored:
    return Stored(ref=ref, tool="t", owner=owner, size=len(raw), raw=raw)


async def results_are_read_by_their_owner_until_they_must_go(results: Results) -> None:
    assert list(results.configure(StoreLimits(results=2))) == []
    assert results.takes(2)
    await given(results.put(stored("a")))
    await given(results.put(stored("b", "alice")))
    assert (await given(results.get("b", "alice"))).raw == b"{}"
    assert (await given(results.get("a", "anybody"))).raw == b"{}"
    assert await given(results.get("b", "bob")) is None
    assert await given(results.get("b", "")) is None
    await given(results.put(stored("c")))
    assert await given(results.get("a", "")) is None
    assert await given(results.get("b", "alice")) is not None
    assert results.facts()["entries"] == 2


async def results_come_back_as_they_were_kept(results: Results) -> None:
    whole = Stored(
        ref="r",
        tool="s__t",
        owner="é",
        size=4,
        raw=b"\0\xff{}",
        sources=(("s", "t"),),
        remainders=(Remainder("rows", 7), Remainder("", 0)),
    )
    await given(results.put(whole))
    assert await given(results.get("r", "é")) == whole


async def results_keep_within_their_bytes(results: Results) -> None:
    results.configure(StoreLimits(total_bytes=10, result_bytes=8))
    assert not results.takes(9)
    for ref in ("a", "b", "c"):
        await given(results.put(stored(ref, raw=b"12345")))
    assert [await given(results.get(ref, "")) is not None for ref in ("a", "b", "c")] == [False, True, True]


async def results_of_others_look_missing_whatever_happens(results: Results) -> None:
    random, whose = Random(5), dict[str, tuple[str, bytes]]()
    for n in range(STEPS):
        if random.random() < 0.5:
            ref, owner = f"r{random.randrange(30)}", random.choice(OWNERS)
            if ref not in whose:
                whose[ref] = owner, b"%d" % n
                await given(results.put(stored(ref, owner, whose[ref][1])))
        elif whose:
            ref, asker = random.choice(list(whose)), random.choice((*OWNERS, ""))
            found = await given(results.get(ref, asker))
            owner, raw = whose[ref]
            assert (None if found is None else found.raw) == (raw if asker == owner else None)


RESULTS: list[Scene] = [
    results_are_read_by_their_owner_until_they_must_go,
    results_come_back_as_they_were_kept,
    results_keep_within_their_bytes,
    results_of_others_look_missing_whatever_happens,
]

FIRST, SECOND = FinishedStream("r1", ((1, b"a"),)), FinishedStream("r1", ((1, b"a"), (2, b"\0\xff")))


async def streams_are_found_under_their_session_and_key(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    await given(streams.put("b", SECOND, 0))
    assert await given(streams.get("a", "r1", 0)) == FIRST
    assert await given(streams.get("b", "r1", 0)) == SECOND
    assert await given(streams.get("a", "r2", 0)) is None
    assert await given(streams.get("c", "r1", 0)) is None
    await given(streams.drop("never-there"))


async def what_took_the_key_of_another_stream_stays(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    await given(streams.put("a", SECOND, 0))
    await given(streams.drop("a", FIRST))
    assert await given(streams.get("a", "r1", 0)) == SECOND
    await given(streams.drop("a", SECOND))
    assert await given(streams.get("a", "r1", 0)) is None


async def streams_of_other_sessions_are_not_found_whatever_happens(streams: Replay) -> None:
    random, kept = Random(7), dict[tuple[str, str], FinishedStream]()
    for n in range(STEPS):
        place = random.choice("abc"), f"r{random.randrange(5)}"
        chance = random.random()
        if chance < 0.4:
            kept[place] = FinishedStream(place[1], ((n, b"%s %d" % (place[0].encode(), n)),))
            await given(streams.put(place[0], kept[place], 0))
        elif chance < 0.6 and place in kept:
            await given(streams.drop(place[0], kept.pop(place)))
        else:
            assert await given(streams.get(*place, 0)) == kept.get(place)


STREAMS: list[Scene] = [
    streams_are_found_under_their_session_and_key,
    what_took_the_key_of_another_stream_stays,
    streams_of_other_sessions_are_not_found_whatever_happens,
]

ANNA = ParkedCall(owner="anna", request=b"r", process="p", until=60)


def same(found: ParkedCall | None, call: ParkedCall) -> bool:
    """Whether it is this call; its end is rounded on its way."""
    return found is not None and (found.owner, found.request, found.process) == (
        call.owner,
        call.request,
        call.process,
    )


async def a_token_is_good_once(parked: ParkedCalls) -> None:
    assert await given(parked.park("t", ANNA, 0)) is True
    found = await given(parked.take("t", "anna", 0))
    assert same(found, ANNA)
    assert 50 < found.until <= 60
    assert await given(parked.take("t", "anna", 0)) is None
    assert await given(parked.take("never", "anna", 0)) is None


async def a_token_that_others_try_stays_good_for_its_owner(parked: ParkedCalls) -> None:
    await given(parked.park("t", ANNA, 0))
    for stranger in ("bob", "", "anna "):
        assert await given(parked.take("t", stranger, 1)) is None
    assert same(await given(parked.take("t", "anna", 1)), ANNA)


async def a_token_is_no_good_once_its_call_has_ended(parked: ParkedCalls) -> None:
    await given(parked.park("t", ANNA, 0))
    await given(parked.drop("t"))
    await given(parked.drop("t"))
    assert await given(parked.take("t", "anna", 1)) is None


async def nobody_gets_the_call_of_another_and_nobody_gets_one_twice(parked: ParkedCalls) -> None:
    random, whose, tokens = Random(9), dict[str, str](), 0
    for _ in range(STEPS):
        if random.random() < 0.4:
            token, owner = f"t{tokens}", random.choice(OWNERS)
            tokens += 1
            if await given(parked.park(token, ParkedCall(owner=owner, request=b"r", until=600), 0)):
                whose[token] = owner
        else:
            token, asker = f"t{random.randrange(tokens + 1)}", random.choice((*OWNERS, ""))
            found = await given(parked.take(token, asker, 0))
            assert (found is not None) is (whose.get(token) == asker)
            if found is not None:
                assert found.owner == whose.pop(token)


PARKED: list[Scene] = [
    a_token_is_good_once,
    a_token_that_others_try_stays_good_for_its_owner,
    a_token_is_no_good_once_its_call_has_ended,
    nobody_gets_the_call_of_another_and_nobody_gets_one_twice,
]


async def hits_are_counted_by_their_keys(rates: Rates) -> None:
    assert [await given(rates.hit("a", 60, 0)) for _ in range(3)] == [1, 2, 3]
    assert await given(rates.hit("b", 60, 0)) == 1
    assert await given(rates.hit("a", 60, 0, 5)) == 8
    assert 59 < await given(rates.end("a", 0)) <= 60


async def hits_can_be_taken_back(rates: Rates) -> None:
    await given(rates.hit("a", 60, 0))
    assert await given(rates.hit("a", 60, 0, -1)) == 0
    assert await given(rates.hit("a", 60, 0, -3)) == 0
    assert await given(rates.hit("never", 60, 0, -1)) == 0
    assert await given(rates.hit("a", 60, 0)) == 1


RATES: list[Scene] = [hits_are_counted_by_their_keys, hits_can_be_taken_back]


async def no_more_than_so_many_are_in_flight(in_flight: InFlight) -> None:
    assert [await given(in_flight.enter("a", 2)) for _ in range(3)] == [True, True, False]
    assert await given(in_flight.enter("b", 2))
    await given(in_flight.leave("a"))
    assert await given(in_flight.enter("a", 2))
    await given(in_flight.leave("never"))


async def whatever_comes_and_goes_the_bound_holds(in_flight: InFlight) -> None:
    random, present = Random(3), dict.fromkeys(OWNERS, 0)
    for _ in range(STEPS):
        name = random.choice(OWNERS)
        if random.random() < 0.6:
            entered = await given(in_flight.enter(name, 3))
            assert entered is (present[name] < 3)
            present[name] += entered
        elif present[name]:
            await given(in_flight.leave(name))
            present[name] -= 1


IN_FLIGHT: list[Scene] = [no_more_than_so_many_are_in_flight, whatever_comes_and_goes_the_bound_holds]
