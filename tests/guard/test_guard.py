"""The gate of a configuration, and what survives the next one."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.observing import Metrics
from callmux.config.security import BearerAuth, BearerToken
from callmux.config.traffic import AbuseControls
from callmux.guard.gate import Gate, TurnedAway
from callmux.guard.guard import Guard
from tests.guard.callers import FakeCaller, enter
from tests.support import FakeClock


def _config(**wanted: Any) -> Config:
    return Config(abuse_controls=AbuseControls(**wanted))


def _tokens(*ids: str, **more: Any) -> Config:
    tokens = tuple(BearerToken(id=id, token=f"{id}-token") for id in ids)
    metrics = (
        Metrics(path=more.pop("metrics"), allow_unauthenticated=True) if "metrics" in more else Metrics()
    )
    return Config(auth=BearerAuth(mode="bearer", tokens=tokens, **more), metrics=metrics)


async def _status(gate: Gate | None, path: str, token: str | None = None, method: str = "GET") -> int:
    assert gate is not None
    given = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        await enter(gate, FakeCaller(path, method, **given))
    except TurnedAway as refusal:
        return refusal.status
    return 200


def test_a_configuration_without_checks_has_no_gate() -> None:
    assert Guard(FakeClock().clock).gate(Config()) is None


async def test_the_next_gate_goes_on_counting() -> None:
    guard = Guard(FakeClock().clock)
    first = guard.gate(_config(global_requests_per_minute=1))
    assert first is not None
    await enter(first, FakeCaller())
    second = guard.gate(_config(global_requests_per_minute=1, cidr_denylist=("192.0.2.1",)))
    assert second is not None
    with pytest.raises(TurnedAway):
        await enter(second, FakeCaller())


async def test_what_the_configuration_leaves_open_is_open_and_never_an_endpoint() -> None:
    guard = Guard(FakeClock().clock)
    gate = guard.gate(_tokens("ops", allow_unauthenticated_health=True, metrics="/numbers/"))
    seen = [await _status(gate, path) for path in ("/health", "/numbers", "/numbers/", "/ready", "/mcp")]
    assert seen == [200, 200, 200, 401, 401]
    for path in ("/mcp", "/sse", "/messages", "/mcp/"):
        assert await _status(guard.gate(_tokens("ops", metrics=path)), path) == 401
    assert await _status(guard.gate(_tokens("ops")), "/health") == 401
    await guard.close()


async def test_a_reload_takes_tokens_away_and_gives_new_ones_at_once() -> None:
    guard = Guard(FakeClock().clock)
    first = guard.gate(_tokens("ops", "dev"))
    caller = FakeCaller(authorization="Bearer dev-token")
    assert first is not None
    await enter(first, caller)
    assert caller.grant is not None
    assert await _status(first, "/mcp", "new-token") == 401
    second = guard.gate(_tokens("ops", "new"))
    assert not caller.grant.holds(0)
    assert [await _status(second, "/mcp", f"{id}-token") for id in ("ops", "dev", "new")] == [
        200,
        401,
        200,
    ]
    # A request that the old gate had let in already shows no other credential to it.
    assert await _status(first, "/mcp", "dev-token") == 401
    assert guard.gate(Config()) is None
    await guard.close()


async def test_a_token_that_was_taken_out_does_not_wait_for_the_servers_of_the_next_configuration() -> None:
    guard = Guard(FakeClock().clock)
    gate = guard.gate(_tokens("ops", "dev"))
    caller = FakeCaller(authorization="Bearer dev-token")
    assert gate is not None
    await enter(gate, caller)
    guard.expect(_tokens("ops"))
    assert caller.grant is not None
    assert not caller.grant.holds(0)
    assert [await _status(gate, "/mcp", f"{id}-token") for id in ("ops", "dev")] == [200, 401]
    # That configuration never takes effect, and the token comes back.
    again = guard.gate(_tokens("ops", "dev"))
    assert [await _status(again, "/mcp", f"{id}-token") for id in ("ops", "dev")] == [200, 200]
    # What else it may say of auth waits until it does.
    guard.expect(Config())
    assert await _status(again, "/mcp", "ops-token") == 200
    await guard.close()
