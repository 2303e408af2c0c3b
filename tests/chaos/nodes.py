"""A place where the listener is several nodes behind a load balancer, with a Redis, and what is done to them.

Called by `storm` where it is asked for nodes. Agents reach the load balancer through the wire; servers, the
wire, clients and the configuration are struck as ever. What is done to a single listener is done to a node.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil

from tests.cluster.front import front
from tests.cluster.place import NodeProcess, node_state
from tests.live.harness import Json, swept, until
from tests.redis_server import RedisServer

from .faults import KINDS, Strike
from .place import Place, greeted
from .wire import Wire

NODE_KINDS: dict[str, Strike] = {}
MOMENT_SECONDS = 0.7
LONG_SECONDS = 8.0
"""Longer than a lease lasts."""
LISTENER = "listener: "
"""How kinds of faults begin that are of a listener alone."""


class Nodes(Place):
    """Everything that runs.

    Attributes:
        redis: What the nodes share.
        processes: The nodes.
    """

    def __init__(self, folder: Path, count: int, redis: RedisServer) -> None:
        super().__init__(folder)
        self.redis = redis
        self.processes = [NodeProcess(folder, n, self.mark) for n in range(1, count + 1)]

    def settings(self) -> Json:
        return {**super().settings(), "state": node_state(self.redis)}

    async def start_nodes(self) -> None:
        """Starts all of them, and waits until they serve."""
        await asyncio.gather(*(node.start(self.config, ready=True) for node in self.processes))

    def reached_by(self, port: int) -> None:
        """The load balancer listens there."""
        self.port, self.wire = port, Wire(port)

    def said(self) -> list[str]:
        logs = (node.log.read_text(errors="replace") for node in self.processes)
        return [line for log in logs for line in log.splitlines()]

    async def end(self) -> list[psutil.Process]:
        for client in self.sessions:
            assert await client.leave() == 0
        await asyncio.gather(*(node.end(signal.SIGTERM) for node in self.processes))
        with contextlib.suppress(AssertionError):
            await until("all has ended", lambda: not self._left(), 20)
        return self._left()

    def _left(self) -> list[psutil.Process]:
        return [process for process in self.marked() if not _is_front(process)]


def _is_front(process: psutil.Process) -> bool:
    try:
        return "nginx" in process.name() or "haproxy" in process.name()
    except psutil.Error:
        return True


@contextlib.asynccontextmanager
async def nodes(folder: Path, sessions: int, count: int, kind: str) -> AsyncIterator[Nodes]:
    """Nodes that run behind a load balancer of one kind, where every session has greeted."""
    redis = RedisServer()
    try:
        here = Nodes(folder, count, redis)
        with swept(here.mark):
            await here.remote.open()
            here.write()
            await here.start_nodes()
            async with front(kind, [node.port for node in here.processes], here.mark) as port:
                here.reached_by(port)
                await here.wire.open()
                async with greeted(here, sessions):
                    yield here
    finally:
        redis.close()


def kinds_of_nodes() -> list[str]:
    """Every kind of fault that nodes may meet."""
    return [kind for kind in KINDS if not kind.startswith(LISTENER)] + list(NODE_KINDS)


def _kind(name: str) -> Callable[[Strike], Strike]:
    def note(strike: Strike) -> Strike:
        NODE_KINDS[name] = strike
        return strike

    return note


def _all(place: Place) -> Nodes:
    assert isinstance(place, Nodes)
    return place


@_kind("node: killed")
async def node_killed(place: Place, chance: random.Random) -> None:
    here = _all(place)
    node = chance.choice(here.processes)
    await node.end(signal.SIGKILL)
    await node.start(here.config)


@_kind("node: killed, away for a while")
async def node_away(place: Place, chance: random.Random) -> None:
    here = _all(place)
    node = chance.choice(here.processes)
    await node.end(signal.SIGKILL)
    await asyncio.sleep(1)
    await node.start(here.config)


@_kind("node: ended and started")
async def node_restarted(place: Place, chance: random.Random) -> None:
    here = _all(place)
    node = chance.choice(here.processes)
    await node.end(signal.SIGTERM)
    await node.start(here.config)


@_kind("node: all, one after the other")
async def nodes_upgraded(place: Place, chance: random.Random) -> None:
    here = _all(place)
    for node in here.processes:
        await node.end(signal.SIGTERM)
        await node.start(here.config, ready=True)


@_kind("node: stopped for a moment")
async def node_paused(place: Place, chance: random.Random) -> None:
    await _paused(place, chance, MOMENT_SECONDS)


@_kind("node: stopped for longer than its lease")
async def node_paused_long(place: Place, chance: random.Random) -> None:
    await _paused(place, chance, LONG_SECONDS)


async def _paused(place: Place, chance: random.Random, seconds: float) -> None:
    node = chance.choice(_all(place).processes)
    node.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    node.signal(signal.SIGCONT)


@_kind("redis: killed and started")
async def redis_restarted(place: Place, chance: random.Random) -> None:
    redis = _all(place).redis
    redis.kill()
    await asyncio.sleep(0.2)
    redis.start()


@_kind("redis: cut off for a while")
async def redis_cut(place: Place, chance: random.Random) -> None:
    redis = _all(place).redis
    redis.signal(signal.SIGSTOP)
    await asyncio.sleep(2)
    redis.signal(signal.SIGCONT)
