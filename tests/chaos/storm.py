"""One storm: every session at work, one fault after the other, and the account of both.

Called by `test_chaos` (short) and `python -m tests.chaos` (long). The clients repeat nothing: whatever is
retried, callmux retries.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.live.harness import Client, Json, Refused, error_of, text_of

from .account import Call, Fault, broken_promises, crossed, table
from .faults import KINDS
from .nodes import NODE_KINDS, kinds_of_nodes
from .nodes import nodes as nodes_at
from .place import DEADLINE_SECONDS, Place, place

IN_FLIGHT = 2
"""Calls that each session has under way all the time, besides its probes."""
WINDOW = 1000
"""The latest calls, among which those in flight are found."""
TOOLS = ("read", "slow_read", "put", "write", "slow", "parallel")


@dataclass(slots=True)
class Storm:
    """What was seen.

    Attributes:
        calls: Every call of every session.
        faults: Every fault, in order.
        wrong: The promises that were not kept.
        left: Processes that were still there at the end.
        held: Processes, memory and descriptors, at several moments.
        spoken: Calls of which a server spoke, late or in time.
        resumes: How often the remote server refused to take up a call, by status.
        forgotten: Sessions that it forgot.
        heard: How often a session heard of a call, by the session that heard and the one that called.
        refused: Attempts to connect a server that failed.
    """

    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[psutil.Process] = field(default_factory=list)
    held: list[dict[str, float]] = field(default_factory=list)
    spoken: int = 0
    resumes: dict[int, int] = field(default_factory=dict)
    forgotten: int = 0
    heard: Counter[tuple[int, int]] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The table."""
        shown = [", ".join(f"{what} {number:.0f}" for what, number in m.items()) for m in self.held]
        own = sum(times for (who, whose), times in self.heard.items() if who == whose)
        others = self.heard.total() - own
        return "\n".join(
            [
                table(self.calls, self.faults),
                "",
                *(f"held: {line}" for line in shown),
                f"calls that servers spoke of: {self.spoken}; heard by their own {own}x, by others {others}x",
                f"resumes refused: {self.resumes}; sessions that the remote server forgot: {self.forgotten}",
                *self.refused[-10:],
                f"broken promises: {len(self.wrong)}; processes left: {len(self.left)}",
            ]
        )


async def storm(
    folder: Path,
    faults: int,
    sessions: int,
    seed: int = 1,
    kinds: list[str] | None = None,
    show: Callable[[str], None] = lambda line: None,
    samples: int = 1,
    nodes: int = 0,
    front: str = "nginx",
) -> Storm:
    """Runs one.

    Args:
        faults: How many; the kinds take turns in a shuffled order.
        kinds: Which; all by default.
        show: Takes a line for each fault.
        samples: Seconds over which processes and descriptors are counted; the lowest count is kept, so that
            what has just been needed has gone.
        nodes: How many nodes the listener is; 0 for one alone.
        front: The load balancer before nodes.
    """
    seen = Storm()
    chance = random.Random(seed)
    struck = kinds or (kinds_of_nodes() if nodes else list(KINDS))
    order = [struck[n % len(struck)] for n in range(faults)]
    chance.shuffle(order)
    opened: AbstractAsyncContextManager[Place] = (
        nodes_at(folder, sessions, nodes, front) if nodes else place(folder, sessions)
    )
    async with opened as here:
        over = asyncio.Event()
        agents = [_Agent(n, client, here, seen, over) for n, client in enumerate(here.sessions)]
        async with asyncio.TaskGroup() as group:
            for agent in agents:
                for lane in range(IN_FLIGHT):
                    group.create_task(agent.work(random.Random(f"{seed} {agent.number} {lane}")))
            await asyncio.gather(*(agent.probe() for agent in agents))
            for n, kind in enumerate(order):
                if n in (len(order) // 10, len(order) // 2):
                    seen.held.append(await _held(here, samples))
                await _strike(kind, here, agents, seen, chance)
                latest = seen.faults[-1]
                show(f"{n + 1:>5} {kind:40} longest gap {max(latest.gaps) * 1000:>6.0f} ms")
            over.set()
        for client in here.sessions:
            await client.request("ping")
        seen.held.append(await _held(here, samples))
        seen.resumes, seen.forgotten = here.remote.refusals, here.remote.forgotten
        seen.spoken, seen.heard = here.rows("asked", here.late).total(), here.heard()
        seen.left = await here.end()
        seen.refused = here.failed_attempts()
        seen.wrong += broken_promises(seen.calls, seen.faults, here.rows("begin"), here.rows("done"))
        seen.wrong += crossed(seen.heard) + here.own_failures()
    return seen


async def _held(here: Place, samples: int) -> dict[str, float]:
    found = [here.held()]
    for _ in range(samples - 1):
        await asyncio.sleep(1)
        found.append(here.held())
    return min(found, key=lambda held: held["processes"])


async def _strike(kind: str, here: Place, agents: list[_Agent], seen: Storm, chance: random.Random) -> None:
    """One fault; over once every session has been answered again, on every server."""
    loop = asyncio.get_running_loop()
    await here.look()
    fault = Fault(kind, loop.time(), float("inf"))
    seen.faults.append(fault)
    work = loop.create_task((KINDS | NODE_KINDS)[kind](here, chance))
    await asyncio.sleep(0)
    # The first probe is sent as soon as the fault strikes; its time is the gap.
    fault.gaps += await asyncio.gather(*(agent.probe() for agent in agents))
    await work
    await asyncio.gather(*(agent.probe() for agent in agents))
    # No call is to meet two faults: a safe one is repeated once at each tier, and no oftener.
    met = [call for call in seen.calls[-WINDOW:] if call.over is None]
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while any(call.over is None for call in met):
            await asyncio.sleep(0.01)
    fault.over = loop.time()


class _Agent:
    """One session and what it does."""

    def __init__(self, number: int, client: Client, here: Place, seen: Storm, over: asyncio.Event) -> None:
        self.number = number
        self._client = client
        self._here = here
        self._seen = seen
        self._over = over
        self._count = 0

    async def work(self, chance: random.Random) -> None:
        """Calls of every kind, one after the other, until it is over."""
        while not self._over.is_set():
            tool, server = chance.choice(TOOLS), chance.choice(self._here.all_names)
            if tool == "parallel":
                await self.fan_out(chance.randrange(100))
            else:
                await self.call(server, tool, chance.randrange(100))
            await asyncio.sleep(chance.random() / 20)

    async def probe(self) -> float:
        """Reads from every server at once; gives how long the longest took."""
        clock = asyncio.get_running_loop().time
        start = clock()
        await asyncio.gather(*(self.call(name, "read", 0) for name in self._here.all_names))
        return clock() - start

    async def call(self, server: str, tool: str, ms: int) -> None:
        """One call, whatever becomes of it."""
        call = self._begin(tool)
        arguments = {"token": call.token, "ms": ms}
        await self._made(f"{server}__{tool}", arguments, [call])

    async def fan_out(self, ms: int) -> None:
        """A read of every server in one request."""
        calls = [self._begin("read") for _ in self._here.all_names]
        asked = [
            {"server": name, "tool": "read", "arguments": {"token": call.token, "ms": ms}}
            for name, call in zip(self._here.all_names, calls, strict=True)
        ]
        await self._made("callmux_parallel", {"calls": asked}, calls)

    def _begin(self, tool: str) -> Call:
        self._count += 1
        call = Call(self.number, tool, f"{self.number}-{self._count}", asyncio.get_running_loop().time())
        self._seen.calls.append(call)
        return call

    async def _made(self, tool: str, arguments: Json, calls: list[Call]) -> None:
        try:
            result = await self._client.call(tool, arguments, DEADLINE_SECONDS)
        except TimeoutError:
            for call in calls:
                call.over = asyncio.get_running_loop().time()
            return
        except Refused as refused:
            errors: list[Json | None] = [{"details": {"executionState": "refused"}, "said": str(refused)}]
        else:
            if result.get("isError"):
                errors = [error_of(result)]
            elif tool == "callmux_parallel":
                parts = json.loads(text_of(result))["results"]
                errors = [None if part["ok"] else error_of(part["result"]) for part in parts]
            else:
                errors = [None]
        for call, error in zip(calls, errors * (len(calls) // len(errors)), strict=True):
            call.over = asyncio.get_running_loop().time()
            call.state = "ok"
            if error is not None:
                call.state = str(error.get("details", {}).get("executionState", "no state"))
                call.told = json.dumps(error)
