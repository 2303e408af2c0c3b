"""What `abuseControls` lets in, and what it answers to the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.config.traffic import AbuseControls
from callmux.guard.gate import Check, Gate, TurnedAway
from callmux.guard.limits import TOO_MANY, TOO_OFTEN, AbuseLimits
from callmux.guard.principal import Principal
from callmux.observe.bus import Bus
from callmux.observe.facts import LimitReached
from callmux.stores.border import REST_SECONDS
from callmux.stores.counts import InFlight, Rates
from callmux.tasks import at_once
from tests.guard.callers import FakeCaller, enter
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, SLOW, RemoteInFlight, RemoteRates, Wire
from tests.support import FakeClock, until


class Named:
    """Stands for the check of credentials: everybody is who he says he is."""

    is_left = False

    def enter(self, caller: Any) -> None:
        name = caller.headers.get("authorization")
        if name == "wrong":
            raise TurnedAway(401, "Unauthorized")
        caller.principal = Principal(kind="bearer", id=name) if name else None

    def leave(self, caller: Any, status: int) -> None:
        """Nothing to do."""


class Scene:
    """A gate that can be configured anew."""

    def __init__(
        self,
        rates: Rates | None = None,
        in_flight: InFlight | None = None,
        strict: bool = False,
        **wanted: Any,
    ) -> None:
        self.clock = FakeClock()
        self.limits = AbuseLimits(self.clock.clock.monotonic, rates, in_flight, strict=strict)
        self.configure(**wanted)

    def configure(self, **wanted: Any) -> None:
        before, after = self.limits.checks(AbuseControls(**wanted))
        self.reached: list[LimitReached] = []
        bus = Bus()
        bus.subscribe(LimitReached, self.reached.append)
        checks: list[Check | None] = [before, Named(), after]
        self.gate = Gate([check for check in checks if check is not None], bus=bus)

    async def enters(self, name: str = "", peer: str | None = "127.0.0.1", forwarded: str = "") -> FakeCaller:
        given = {"authorization": name, "x_forwarded_for": forwarded}
        caller = FakeCaller(**{key: value for key, value in given.items() if value})
        caller.peer = peer
        await enter(self.gate, caller)
        return caller

    async def asks(self, name: str = "", **more: Any) -> int:
        """The status of a request that is over at once."""
        try:
            caller = await self.enters(name, **more)
        except TurnedAway as refusal:
            return refusal.status
        self.gate.leave(caller, 200)
        return 200

    async def refusal(self, name: str = "", **more: Any) -> TurnedAway:
        with pytest.raises(TurnedAway) as refused:
            await self.enters(name, **more)
        return refused.value


def test_no_limits_are_no_checks() -> None:
    assert AbuseLimits(FakeClock().clock.monotonic).checks(AbuseControls()) == (None, None)


async def test_the_global_rate_counts_every_request_refused_credentials_included() -> None:
    limited = Scene(global_requests_per_minute=3)
    assert [await limited.asks(name) for name in ("ops", "wrong", "dev")] == [200, 401, 200]
    refusal = await limited.refusal("ops")
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "60"})
    assert refusal.more == {"reason": TOO_OFTEN}
    limited.clock.advance(60)
    assert await limited.asks("ops") == 200


async def test_each_principal_has_a_rate_of_its_own() -> None:
    limited = Scene(principal_requests_per_minute=2)
    assert [await limited.asks("ops") for _ in range(3)] == [200, 200, 429]
    assert [await limited.asks("dev") for _ in range(3)] == [200, 200, 429]
    limited.clock.advance(12.5)
    assert (await limited.refusal("ops")).headers == {"Retry-After": "48"}


async def test_without_credentials_all_are_one_principal() -> None:
    limited = Scene(principal_requests_per_minute=2)
    assert [await limited.asks(peer=f"192.0.2.{n}") for n in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("own", [{"principal_requests_per_minute": 2}, {"principal_max_in_flight": 2}])
async def test_a_principal_over_its_own_limit_takes_nothing_from_the_others(own: dict[str, Any]) -> None:
    limited = Scene(global_requests_per_minute=5, **own)
    inside = [await limited.enters("ops") for _ in range(2)]
    assert [await limited.asks("ops") for _ in range(20)] == [429] * 20
    assert [await limited.asks("dev") for _ in range(2)] == [200, 200]
    for caller in inside:
        limited.gate.leave(caller, 200)
    assert [await limited.asks(name) for name in ("eve", "eve")] == [200, 429]


async def test_requests_in_flight_are_bounded_and_the_refusal_says_when_to_come_back() -> None:
    limited = Scene(principal_max_in_flight=2)
    one, two = await limited.enters("ops"), await limited.enters("ops")
    refusal = await limited.refusal("ops")
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "1"})
    assert refusal.more == {"reason": TOO_MANY}
    assert await limited.asks("dev") == 200
    limited.gate.leave(one, 499)
    assert await limited.asks("ops") == 200
    limited.gate.leave(two, 200)
    for _ in range(2):
        await limited.enters("ops")
    assert (await limited.refusal("ops")).more == {"reason": TOO_MANY}


async def test_counters_go_on_over_a_reload_that_does_not_change_them() -> None:
    limited = Scene(global_requests_per_minute=4, principal_requests_per_minute=3, principal_max_in_flight=2)
    inside = [await limited.enters("ops") for _ in range(2)]
    old = limited.gate
    limited.configure(
        global_requests_per_minute=4, principal_requests_per_minute=3, principal_max_in_flight=2
    )
    assert (await limited.refusal("ops")).more == {"reason": TOO_MANY}
    for caller in inside:
        old.leave(caller, 200)
    assert (await limited.refusal("ops")).more == {"reason": TOO_OFTEN}
    assert [await limited.asks("dev") for _ in range(3)] == [200, 200, 429]
    limited.configure(global_requests_per_minute=1)
    assert [await limited.asks("dev") for _ in range(2)] == [200, 429]


async def test_addresses_stand_before_everything_else() -> None:
    limited = Scene(
        cidr_allowlist=("192.0.2.0/24",), cidr_denylist=("192.0.2.9",), global_requests_per_minute=2
    )
    for peer in ("127.0.0.1", "192.0.2.9", "::ffff:192.0.2.9", None):
        refusal = await limited.refusal("ops", peer=peer)
        assert (refusal.status, refusal.message) == (403, "Source IP is not allowed")
    assert [await limited.asks("ops", peer="::ffff:192.0.2.1") for _ in range(3)] == [200, 200, 429]


async def test_behind_a_trusted_proxy_the_client_decides_and_is_what_others_see() -> None:
    limited = Scene(cidr_allowlist=("192.0.2.0/24",), trusted_proxies=("10.0.0.0/8",))
    assert await limited.asks(peer="10.0.0.1", forwarded="192.0.2.1") == 200
    assert await limited.asks(peer="10.0.0.1", forwarded="192.0.2.1, 198.51.100.1") == 403
    assert await limited.asks(peer="198.51.100.1", forwarded="192.0.2.1") == 403
    caller = await limited.enters(peer="10.0.0.1", forwarded="192.0.2.7, 10.0.0.2")
    assert caller.peer == "192.0.2.7"


async def test_counters_that_must_be_waited_for_decide_the_same() -> None:
    in_flight = RemoteInFlight()
    limited = Scene(
        RemoteRates(),
        in_flight,
        global_requests_per_minute=6,
        principal_requests_per_minute=2,
        principal_max_in_flight=2,
    )
    assert [await limited.asks("ops") for _ in range(6)] == [200] * 2 + [429] * 4
    inside = [await limited.enters("dev") for _ in range(2)]
    assert (await limited.refusal("dev")).more == {"reason": TOO_OFTEN}
    for caller in inside:
        limited.gate.leave(caller, 200)
    assert [await limited.asks("eve") for _ in range(3)] == [200, 200, 429]
    await until(lambda: len(in_flight.kept) == 0, "nothing in flight")


async def test_what_is_in_flight_may_be_counted_elsewhere() -> None:
    limited = Scene(None, RemoteInFlight(), principal_max_in_flight=1)
    inside = await limited.enters("ops")
    assert (await limited.refusal("ops")).more == {"reason": TOO_MANY}
    assert await limited.asks("dev") == 200
    limited.gate.leave(inside, 200)
    assert await until_200(limited, "ops")


async def until_200(limited: Scene, name: str) -> bool:
    """The store hears of an end a moment later."""
    for _ in range(20):
        if await limited.asks(name) == 200:
            return True
    return False


@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_nobody_is_refused_because_counts_cannot_be_reached(way: str) -> None:
    limited = Scene(
        RemoteRates(Wire(way)),
        RemoteInFlight(Wire(way)),
        global_requests_per_minute=1,
        principal_requests_per_minute=1,
        principal_max_in_flight=1,
    )
    assert [await limited.asks("ops") for _ in range(3)] == [200] * 3
    await limited.limits.close()


@pytest.mark.parametrize("way", [FAILS, HANGS])
@pytest.mark.parametrize(
    "limit", ["global_requests_per_minute", "principal_requests_per_minute", "principal_max_in_flight"]
)
async def test_strict_limits_refuse_while_counts_cannot_be_reached_and_probes_are_answered(
    way: str, limit: str
) -> None:
    store = RemoteInFlight(Wire(way))
    limited = Scene(RemoteRates(Wire(way)), store, strict=True, **{limit: 10})
    refusal = await limited.refusal("ops")
    assert (refusal.status, refusal.headers, refusal.limit) == (503, {"Retry-After": "1"}, None)
    for path in ("/health", "/ready"):
        caller = FakeCaller()
        caller.path = path
        await enter(limited.gate, caller)
    await limited.limits.close()


async def test_strict_limits_that_can_be_counted_are_the_same_limits() -> None:
    in_flight = RemoteInFlight()
    limited = Scene(
        RemoteRates(), in_flight, strict=True, principal_requests_per_minute=2, principal_max_in_flight=2
    )
    assert [await limited.asks("ops") for _ in range(3)] == [200, 200, 429]
    await until(lambda: len(in_flight.kept) == 0, "nothing in flight")


async def test_who_is_refused_because_nobody_says_whether_it_was_counted_is_not_in_flight_for_ever() -> None:
    in_flight = RemoteInFlight(Wire(LATE_FAILS))
    limited = Scene(None, in_flight, strict=True, principal_max_in_flight=1)
    assert (await limited.refusal("ops")).status == 503
    await until(lambda: len(in_flight.kept) == 0, "nothing in flight")


async def test_a_client_that_leaves_while_it_is_counted_is_not_in_flight_for_ever() -> None:
    in_flight = RemoteInFlight()
    limited = Scene(None, in_flight, principal_max_in_flight=1)
    entering = at_once(limited.enters("ops"))
    await until(lambda: in_flight.wire.asked == 1, "the question")
    entering.cancel()
    assert await until_200(limited, "ops")
    await until(lambda: len(in_flight.kept) == 0, "nothing in flight")


async def test_a_client_that_leaves_when_it_has_just_been_counted_is_not_in_flight_for_ever() -> None:
    """Its answer is there, and nobody has looked at it yet."""

    class Instant(RemoteInFlight):
        async def enter(self, name: str, most: int | None) -> bool:
            await asyncio.sleep(0)
            entering.cancel()
            return self.kept.enter(name, most)

    in_flight = Instant()
    entering: asyncio.Task[Any]
    for strict in (True, False):
        limited = Scene(None, in_flight, strict=strict, principal_max_in_flight=1)
        entering = at_once(limited.enters("ops"))
        await asyncio.wait({entering})
        assert entering.cancelled()
        await until(lambda: len(in_flight.kept) == 0, "nothing in flight")


@pytest.mark.parametrize("strict", [True, False])
async def test_who_is_not_counted_takes_nobody_else_off_the_count(strict: bool) -> None:
    in_flight = RemoteInFlight()
    limited = Scene(None, in_flight, strict=strict, principal_max_in_flight=2)
    inside = [await limited.enters("ops") for _ in range(2)]
    in_flight.wire.way = HANGS
    for _ in range(3):
        # The first waits in vain, the others are not even asked about.
        if strict:
            assert (await limited.refusal("ops")).status == 503
        else:
            limited.gate.leave(await limited.enters("ops"), 200)
    assert not in_flight.kept.enter("bearer:ops", 2)
    in_flight.wire.way = SLOW
    await asyncio.sleep(REST_SECONDS)
    assert (await limited.refusal("ops")).status == 429
    for caller in inside:
        limited.gate.leave(caller, 200)
    await until(lambda: len(in_flight.kept) == 0, "nothing in flight")
    await limited.limits.close()


async def test_whoever_listens_hears_which_limit_was_reached_by_whom() -> None:
    limited = Scene(
        global_requests_per_minute=6,
        principal_requests_per_minute=3,
        principal_max_in_flight=1,
        cidr_denylist=("192.0.2.9",),
    )
    await limited.asks(peer="192.0.2.9")
    inside = await limited.enters("ops")
    await limited.asks("ops")
    limited.gate.leave(inside, 200)
    await limited.asks("ops")
    await limited.asks("ops")
    for name in ("a", "b", "c", "d", "e"):
        await limited.asks(name)
    assert [(r.limit, r.principal and r.principal.id, r.retry_seconds) for r in limited.reached] == [
        ("cidrDenylist", None, None),
        ("principalMaxInFlight", "ops", 1),
        ("principalRequestsPerMinute", "ops", 60),
        ("globalRequestsPerMinute", None, 60),
    ]
    assert limited.reached[0].peer == "192.0.2.9"
