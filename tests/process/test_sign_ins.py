"""Sign-ins are made when a link needs them, and where something can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.config.servers import HttpServer
from callmux.context import Scope
from callmux.observe.bus import Bus
from callmux.observe.facts import SignInNeeded
from callmux.process.sign_ins import LateSignIns
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.credentials import Challenge, FixedHeaders
from tests.support import real_loop

CONFIG = HttpServer(url="https://s.example/mcp")


async def test_without_a_home_nobody_signs_in() -> None:
    late = LateSignIns({}, Path("/"))
    assert isinstance(late.credentials("s", CONFIG, {"X": "1"}, Scope()), FixedHeaders)
    await late.close()


@real_loop()
async def test_whoever_must_sign_in_is_told_on_the_bus(tmp_path: Path) -> None:
    bus = Bus()
    told: list[SignInNeeded] = []
    bus.subscribe(SignInNeeded, told.append)
    late = LateSignIns({"XDG_STATE_HOME": str(tmp_path)}, Path("/"), bus)
    assert repr(late) == "LateSignIns(None)"
    credentials = late.credentials("s", CONFIG, {"X": "1"}, Scope())
    assert credentials.headers() == {"X": "1"}
    refused = credentials.refused(Challenge(401, "Bearer", {}))
    assert not isinstance(refused, bool)
    with pytest.raises(CallFailure):
        await refused
    assert told == [SignInNeeded(server="s")]
    await late.close()
