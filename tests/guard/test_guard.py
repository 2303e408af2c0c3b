"""The gate of a configuration, and what survives the next one."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.traffic import AbuseControls
from callmux.guard.gate import TurnedAway
from callmux.guard.guard import Guard
from tests.guard.callers import FakeCaller
from tests.support import FakeClock, play


def _config(**wanted: Any) -> Config:
    return Config(abuse_controls=AbuseControls(**wanted))


def test_a_configuration_without_checks_has_no_gate() -> None:
    assert Guard(FakeClock().clock).gate(Config()) is None


def test_the_next_gate_goes_on_counting() -> None:
    async def scene() -> None:
        guard = Guard(FakeClock().clock)
        first = guard.gate(_config(global_requests_per_minute=1))
        assert first is not None
        await first.enter(FakeCaller())
        second = guard.gate(_config(global_requests_per_minute=1, cidr_denylist=("192.0.2.1",)))
        assert second is not None
        with pytest.raises(TurnedAway):
            await second.enter(FakeCaller())

    play(scene())
