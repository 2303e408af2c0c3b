"""What is done to whom: every kind of fault, by name. Called by `storm`, one at a time.

A fault returns once it is done; that everything works again is for the storm to find out. A server that stays
down is not here: callers are told so at once, see `tests/live/test_survival.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from tests.live.harness import alive, callmux, marked, until
from tests.support import SECONDS

from .place import CALL_TIMEOUT_MS, LATE, Place, full_pipe, kill
from .remote import STATUSES

Strike = Callable[[Place, random.Random], Coroutine[Any, Any, None]]
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


@_kind("server: noise on its stdout")
async def server_noisy(place: Place, chance: random.Random) -> None:
    """Some 2.5 MB that are no messages, and long lines among them."""
    await place.sessions[0].call(f"{LATE}__noise", {"token": uuid.uuid4().hex}, 30)


# ---- a remote server -----------------------------------------------------------------------------------


def _refused(status: int) -> Strike:
    async def refused(place: Place, chance: random.Random) -> None:
        """Streams break, and no call can be taken up again; every other time the session is over, too."""
        await place.remote.refuse(status, forget=chance.random() < 0.5)

    return refused


for _status in STATUSES:
    _kind(f"remote: resume refused, {_status}")(_refused(_status))


# ---- a server that asks and logs ----------------------------------------------------------------------


async def _late(place: Place, chance: random.Random, end: str, ms: int, cancel: bool = False) -> None:
    """One session's call ends, then the server speaks of it; the others have calls under way each time."""
    number = chance.randrange(len(place.sessions))
    token = place.token(number)
    asker = place.sessions[number]
    before = _others_read(place, number, 100)
    arguments = {"token": token, "end": end, "ms": ms}
    params = {"name": f"{LATE}__late", "arguments": arguments, "_meta": {"progressToken": token}}
    asked = asker.send("tools/call", params, id=token)
    if cancel:
        await until("the call has begun", lambda: place.rows("begin", place.late)[token], _LATE_SECONDS)
        asker.notify("notifications/cancelled", {"requestId": token})
    else:
        await asyncio.wait_for(asked, _LATE_SECONDS)
    after = _others_read(place, number, 900)
    await until("the server has spoken", lambda: place.rows("asked", place.late)[token], _LATE_SECONDS)
    await asyncio.gather(*before, *after)


def _others_read(place: Place, number: int, ms: int) -> list[asyncio.Future[object]]:
    return [
        asyncio.ensure_future(
            client.call(f"{LATE}__read", {"token": place.token(n), "ms": ms}, _LATE_SECONDS)
        )
        for n, client in enumerate(place.sessions)
        if n != number
    ]


_LATE_SECONDS = 30.0


@_kind("late: after the answer")
async def late_after_answer(place: Place, chance: random.Random) -> None:
    await _late(place, chance, "answer", 500)


@_kind("late: after the time-out")
async def late_after_timeout(place: Place, chance: random.Random) -> None:
    await _late(place, chance, "silence", CALL_TIMEOUT_MS + 500)


@_kind("late: after a cancellation")
async def late_after_cancellation(place: Place, chance: random.Random) -> None:
    await _late(place, chance, "silence", 500, cancel=True)


@_kind("late: in time, all at once")
async def late_in_time(place: Place, chance: random.Random) -> None:
    """Every session has a call that asks before it is answered."""

    async def ask(number: int) -> None:
        token = place.token(number)
        meta = {"_meta": {"progressToken": token}}
        await place.sessions[number].call(f"{LATE}__timely", {"token": token}, _LATE_SECONDS, **meta)

    await asyncio.gather(*map(ask, range(len(place.sessions))))


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


@_kind("listener: its stderr unread")
async def listener_unread(place: Place, chance: random.Random) -> None:
    """It starts with a full stderr, and a server writes 4 MB to its own, which the listener shows."""
    await place.restart_listener(signal.SIGTERM, unread=True)
    await place.sessions[0].call(f"{LATE}__complain", {"token": uuid.uuid4().hex}, 30)


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
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*asked)


@_kind("bridge: its stderr unread")
async def bridge_unread(place: Place, chance: random.Random) -> None:
    """One more agent, whose bridge has a full stderr: it goes on over a cut, and it can leave."""
    source, sink = full_pipe()
    home = place.folder / "unread"
    home.mkdir(exist_ok=True)
    try:
        # With a mark of its own: whatever carries a mark is ended with its client.
        async with callmux(home, "bridge", "--url", place.url, stderr=sink) as client:
            await client.initialize()
            for _ in range(3):
                await client.call(f"{chance.choice(place.names)}__read", {"token": uuid.uuid4().hex}, 30)
                place.wire.cut()
            assert await client.leave() == 0
            assert not marked(client.mark)
    finally:
        os.close(source)
        os.close(sink)


@_kind("client: alias session ids")
async def client_aliases(place: Place, chance: random.Random) -> None:
    """Other spellings of a session's id are nobody's, while it lasts and after its end; they end nothing."""
    head = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    about = {"name": "alias", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
    url = f"http://127.0.0.1:{place.port}/mcp"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http:

        async def send(method: str, session: str | None, verb: str = "POST") -> tuple[int, str]:
            params = hello if method == "initialize" else {}
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            given = head if session is None else {**head, "Mcp-Session-Id": session}
            async with http.request(
                verb, url, json=body if verb == "POST" else None, headers=given
            ) as answer:
                await answer.read()
                return answer.status, answer.headers.get("Mcp-Session-Id", "")

        _, id = await send("initialize", None)
        assert id
        aliases = _aliases(id)
        for alias in aliases:
            for verb in ("POST", "GET", "DELETE"):
                found = (await send("ping", alias, verb))[0]
                assert found == 404, f"{verb} with an alias of a session id: {found} for {alias}"
        assert (await send("ping", id))[0] == 200
        assert (await send("ping", id, "DELETE"))[0] in (200, 204)
        for alias in (id, *aliases):
            found = (await send("ping", alias))[0]
            assert found == 404, f"after its end: {found} for {alias}"


def _aliases(id: str) -> list[str]:
    """Other spellings that a lenient reader takes for the same."""
    ends = "abcdefghijklmnopqrstuvwxyz234567"
    others = [id[:-1] + end for end in ends if end != id[-1]]
    found = [
        id.upper(),
        id.swapcase(),
        id.capitalize(),
        id + "=",
        id + "======",
        f'"{id}"',
        id + "%20",
        "0" + id,
    ]
    return [alias for alias in (*found, *others) if alias != id]


# ---- the configuration ---------------------------------------------------------------------------------


@_kind("config: a server changed")
async def config_changed(place: Place, chance: random.Random) -> None:
    changed = chance.choice(place.names)
    stamp = str(chance.random())
    place.write({**place.usual(), changed: place.server(changed, STAMP=stamp)})


@_kind("config: a server added and removed")
async def config_grown(place: Place, chance: random.Random) -> None:
    usual = place.usual()
    place.write({**usual, "extra": place.server("extra")})
    await asyncio.sleep(0.4)
    place.write(usual)


@_kind("config: broken for a while")
async def config_broken(place: Place, chance: random.Random) -> None:
    good = place.config.read_text()
    place.config.write_text(good[: len(good) // 2])
    await asyncio.sleep(0.4)
    place.config.write_text(good)
