"""What is done to whom: every kind of fault, by name. Called by `storm`, one at a time.

A fault returns once it is done; that everything works again is for the storm to find out. A server that stays
down is not here: callers are told so at once, see `tests/live/test_survival.py`.
"""

from __future__ import annotations

import asyncio
import random
import signal
import uuid
from collections.abc import Awaitable, Callable

from tests.live.harness import alive, until

from .place import Place, kill

Strike = Callable[[Place, random.Random], Awaitable[None]]
KINDS: dict[str, Strike] = {}


def _kind(name: str) -> Callable[[Strike], Strike]:
    def note(strike: Strike) -> Strike:
        KINDS[name] = strike
        return strike

    return note


# ---- a server ------------------------------------------------------------------------------------------


@_kind("server: killed")
async def server_killed(place: Place, chance: random.Random) -> None:
    kill(place.pids[chance.choice(place.names)], signal.SIGKILL)


@_kind("server: stopped for good")
async def server_stopped(place: Place, chance: random.Random) -> None:
    kill(place.pids[chance.choice(place.names)], signal.SIGSTOP)


@_kind("server: hangs in a call")
async def server_hangs(place: Place, chance: random.Random) -> None:
    await place.sessions[0].call(f"{chance.choice(place.names)}__hang", {"token": uuid.uuid4().hex}, 30)


@_kind("server: crashes in a call")
async def server_crashes(place: Place, chance: random.Random) -> None:
    await place.sessions[0].call(
        f"{chance.choice(place.names)}__crash_before", {"token": uuid.uuid4().hex}, 30
    )


@_kind("server: crashes after the effect")
async def server_crashes_late(place: Place, chance: random.Random) -> None:
    await place.sessions[0].call(
        f"{chance.choice(place.names)}__crash_after", {"token": uuid.uuid4().hex}, 30
    )


@_kind("server: stopped for a moment")
async def server_paused(place: Place, chance: random.Random) -> None:
    pid = place.pids[chance.choice(place.names)]
    kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.5)
    kill(pid, signal.SIGCONT)


# ---- the listener --------------------------------------------------------------------------------------


@_kind("listener: killed")
async def listener_killed(place: Place, chance: random.Random) -> None:
    await place.restart_listener(signal.SIGKILL)


@_kind("listener: killed, away for a while")
async def listener_away(place: Place, chance: random.Random) -> None:
    await place.restart_listener(signal.SIGKILL, after=1.0)


@_kind("listener: ended and started")
async def listener_restarted(place: Place, chance: random.Random) -> None:
    await place.restart_listener(signal.SIGTERM)


@_kind("listener: upgraded")
async def listener_upgraded(place: Place, chance: random.Random) -> None:
    """The port is handed over to a new process."""
    old = await place.listener()
    old.send_signal(signal.SIGUSR2)
    await until("the old listener ends", lambda: not alive(old), 30)
    assert await place.listener() != old


@_kind("listener: stopped for a moment")
async def listener_paused(place: Place, chance: random.Random) -> None:
    process = await place.listener()
    process.suspend()
    await asyncio.sleep(0.7)
    process.resume()


# ---- the wire ------------------------------------------------------------------------------------------


@_kind("wire: cut")
async def wire_cut(place: Place, chance: random.Random) -> None:
    place.wire.cut()


@_kind("wire: half open")
async def wire_hushed(place: Place, chance: random.Random) -> None:
    place.wire.hush()


@_kind("wire: refused for a while")
async def wire_refused(place: Place, chance: random.Random) -> None:
    await place.wire.refuse(0.5)


# ---- a client ------------------------------------------------------------------------------------------


@_kind("client: does not read")
async def client_does_not_read(place: Place, chance: random.Random) -> None:
    """One agent stops reading until its pipe is full."""
    client = chance.choice(place.sessions)
    client.may_read.clear()
    asked = [client.send("tools/list") for _ in range(60)]
    await asyncio.sleep(0.5)
    client.may_read.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*asked)


# ---- the configuration ---------------------------------------------------------------------------------


@_kind("config: a server changed")
async def config_changed(place: Place, chance: random.Random) -> None:
    changed = chance.choice(place.names)
    stamp = str(chance.random())
    place.write({n: place.server(n, **({"STAMP": stamp} if n == changed else {})) for n in place.names})


@_kind("config: a server added and removed")
async def config_grown(place: Place, chance: random.Random) -> None:
    usual = {name: place.server(name) for name in place.names}
    place.write({**usual, "extra": place.server("extra")})
    await asyncio.sleep(0.4)
    place.write(usual)


@_kind("config: broken for a while")
async def config_broken(place: Place, chance: random.Random) -> None:
    good = place.config.read_text()
    place.config.write_text(good[: len(good) // 2])
    await asyncio.sleep(0.4)
    place.config.write_text(good)
