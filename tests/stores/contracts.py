"""What stores promise, wherever they are: scenes that the tests of each kind of store play with its stores in
memory, behind a wire (`tests.stores.remote`) and in a real Redis.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeAlias

from callmux.stores.cache import CacheLimits, Key, SharedCache
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

CACHED, OTHER = Key("a", "t", b"{}"), Key("b", "t", b"{}")
LIMITS = CacheLimits(ttl_seconds=60)


def _now() -> float:
    return 0.0


async def put(cache: SharedCache, key: Key, raw: bytes = b"1", **more: Any) -> bool:
    """Keeps what a read has brought that begins and ends now."""
    epoch = await given(cache.begin(key.server, _now))
    kept: bool = await given(cache.put(key, raw, 0, epoch, **more))
    return kept


async def what_is_put_is_got_and_cleared(cache: SharedCache) -> None:
    cache.configure(LIMITS, 0)
    assert await put(cache, CACHED, b"\0\xff1")
    assert await put(cache, OTHER)
    assert await given(cache.get(CACHED, 0)) == b"\0\xff1"
    assert await given(cache.has(CACHED, 0)) is True
    assert cache.facts(0)["entries"] == 2
    assert await given(cache.clear(lambda server, tool: server == "a", 0)) == 1
    assert await given(cache.get(CACHED, 0)) is None
    assert await given(cache.has(CACHED, 0)) is False
    assert await given(cache.has(OTHER, 0)) is True
    assert await given(cache.clear(None, 0)) == 1
    assert await given(cache.clear(None, 0)) == 0


async def a_write_makes_worthless_what_was_read_before(cache: SharedCache) -> None:
    cache.configure(LIMITS, 0)
    began = await given(cache.begin("a", _now))
    await put(cache, CACHED)
    await put(cache, OTHER)
    await given(cache.wrote("a"))
    assert await given(cache.get(CACHED, 0)) is None
    assert await given(cache.get(OTHER, 0)) == b"1"
    assert await given(cache.put(CACHED, b"old", 0, began)) is False
    assert await put(cache, CACHED, b"new")
    doubt = await given(cache.doubt("a", 0))
    assert await given(cache.has(CACHED, 0)) is False, "the write may be carried out at any moment"
    assert await given(cache.begin("a", _now)) is None
    assert isinstance(await given(cache.begin("b", _now)), int)
    assert await put(cache, CACHED) is False
    await given(cache.sure("a", doubt))
    assert await given(cache.get(CACHED, 0)) is None
    assert await put(cache, CACHED)


async def clearing_forgets_what_is_being_read_and_nothing_of_others(cache: SharedCache) -> None:
    cache.configure(LIMITS, 0)
    mine, theirs = CACHED._replace(rights="mine"), CACHED._replace(rights="theirs")
    began = await given(cache.begin("a", _now))
    assert await put(cache, mine)
    assert await put(cache, theirs)
    assert await given(cache.clear(None, 0, "mine")) == 1
    assert await given(cache.get(mine, 0)) is None
    assert await given(cache.get(theirs, 0)) == b"1"
    assert await given(cache.put(mine, b"late", 0, began)) is False


async def the_least_recently_used_goes_first_and_nothing_is_over_the_bounds(cache: SharedCache) -> None:
    cache.configure(CacheLimits(ttl_seconds=60, entries=2, entry_bytes=10, total_bytes=14), 0)
    one, two, three = (Key("a", "t", b"%d" % n) for n in range(3))
    assert not await put(cache, one, b"x" * 11)
    assert await put(cache, one, b"12345")
    assert await put(cache, two, b"12345")
    await given(cache.get(one, 0))
    assert await put(cache, three, b"123456")
    assert [await given(cache.has(key, 0)) for key in (one, two, three)] == [True, False, True]
    assert await put(cache, two, b"123456789")
    assert [await given(cache.has(key, 0)) for key in (one, two, three)] == [False, True, False]
    assert cache.facts(0)["storedBytes"] == 10


async def no_part_of_a_key_is_left_out(cache: SharedCache) -> None:
    """Another credential, directory, client or right never gets what was read with this one."""
    cache.configure(LIMITS, 0)
    base = Key("a", "t", b"{}", "/d", "cred", 1, "rights")
    others = [
        base._replace(server="b"),
        base._replace(tool="u"),
        base._replace(arguments=b"{ }"),
        base._replace(arguments=None),
        base._replace(directory="/e"),
        base._replace(directory=""),
        base._replace(credentials="other"),
        base._replace(credentials=""),
        base._replace(client=2),
        base._replace(client=0),
        base._replace(rights=""),
        Key("a", "t{}", b""),
    ]
    assert await put(cache, base, b"mine")
    assert [await given(cache.get(key, 0)) for key in others] == [None] * len(others)
    for n, key in enumerate(others):
        assert await put(cache, key, b"%d" % n)
    assert [await given(cache.get(key, 0)) for key in others] == [b"%d" % n for n in range(len(others))]
    assert await given(cache.get(base, 0)) == b"mine"


async def nobody_gets_what_another_has_read_or_what_is_from_before_a_write(cache: SharedCache) -> None:
    cache.configure(LIMITS, 0)
    random, written = Random(11), dict.fromkeys("ab", 0)
    begun: list[tuple[Key, int | None, bytes]] = []
    for _ in range(2 * STEPS):
        server, owner = random.choice("ab"), random.choice(OWNERS)
        key, chance = Key(server, "t", b"{}", credentials=owner), random.random()
        state = b"%s %d" % (owner.encode(), written[server])
        if chance < 0.3:
            begun.append((key, await given(cache.begin(server, _now)), state))
        elif chance < 0.6 and begun:
            read, epoch, seen = begun.pop(random.randrange(len(begun)))
            await given(cache.put(read, seen, 0, epoch))
        elif chance < 0.7:
            written[server] += 1
            await given(cache.wrote(server))
        else:
            assert await given(cache.get(key, 0)) in (None, state)


CACHE: list[Scene] = [
    what_is_put_is_got_and_cleared,
    a_write_makes_worthless_what_was_read_before,
    clearing_forgets_what_is_being_read_and_nothing_of_others,
    the_least_recently_used_goes_first_and_nothing_is_over_the_bounds,
    no_part_of_a_key_is_left_out,
    nobody_gets_what_another_has_read_or_what_is_from_before_a_write,
]
