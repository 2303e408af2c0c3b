"""The management interface has credentials of its own."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.security import BearerAuth, BearerToken, Management
from callmux.config.traffic import AbuseControls
from callmux.guard.gate import TurnedAway
from callmux.guard.guard import Guard
from callmux.guard.managers import Managers, is_below
from tests.guard.callers import FakeCaller, enter
from tests.support import FakeClock

PATH = "/management/v1/servers"


def auth(*ids: str) -> BearerAuth:
    return BearerAuth(mode="bearer", tokens=tuple(BearerToken(id=id, token=f"{id}-token-123") for id in ids))


def config(own: tuple[str, ...] = ("ops",), clients: tuple[str, ...] = (), **more: Any) -> Config:
    return Config(
        auth=auth(*clients) if clients else None,
        management=Management(enabled=True, auth=auth(*own) if own else None),
        abuse_controls=AbuseControls(**more),
    )


async def who(guard: Guard, given: Config, path: str = PATH, **headers: str) -> str:
    gate = guard.gate(given)
    assert gate is not None
    caller = FakeCaller(path, **headers)
    try:
        await enter(gate, caller)
    except TurnedAway as refusal:
        return str(refusal.status)
    gate.leave(caller, 200)
    return "" if caller.principal is None else caller.principal.label


def test_what_is_below_a_path() -> None:
    assert [is_below(path, "/m") for path in ("/m", "/m/", "/m/x", "/mx", "/")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert is_below("/x", "/")
    assert Managers.is_left is False


async def test_its_tokens_count_below_its_path_and_nowhere_else() -> None:
    guard = Guard(FakeClock().clock)
    token = "Bearer ops-token-123"
    assert await who(guard, config(), authorization=token) == "management:ops"
    assert await who(guard, config(), x_callmux_management_token="ops-token-123") == "management:ops"
    assert await who(guard, config(), authorization="Bearer wrong") == ""
    assert await who(guard, config()) == ""
    assert await who(guard, config(), "/mcp", authorization=token) == ""
    assert await who(guard, config(clients=("dev",)), "/mcp", authorization=token) == "401"
    assert await who(guard, config(clients=("dev",)), authorization="Bearer dev-token-123") == "bearer:dev"
    assert await who(guard, config(own=(), clients=("dev",)), authorization=token) == "401"
    assert await who(guard, config(own=()), authorization=token) == ""
    await guard.close()


async def test_a_token_that_the_configuration_takes_away_ends() -> None:
    guard = Guard(FakeClock().clock)
    token = "Bearer ops-token-123"
    assert await who(guard, config(), authorization=token) == "management:ops"
    guard.expect(config(own=("other",)))
    assert await who(guard, config(own=("other",)), authorization=token) == ""
    assert await who(guard, config(), authorization=token) == "management:ops"
    assert guard.gate(Config()) is None
    await guard.close()


async def test_guesses_are_bounded_like_those_at_other_tokens() -> None:
    guard = Guard(FakeClock().clock)
    given = config(address_failed_auth_per_minute=3)
    gate = guard.gate(given)
    assert gate is not None
    for n in range(3):
        await enter(gate, FakeCaller(PATH, authorization=f"Bearer guess-{n}"))
    with pytest.raises(TurnedAway) as refused:
        await enter(gate, FakeCaller(PATH, authorization="Bearer guess-9"))
    assert refused.value.status == 429
    await guard.close()
