"""One trial: sessions at work through a load balancer, faults of nodes and of Redis, and the account of both.

Called by `test_cluster` (short) and `python -m tests.cluster` (long).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from tests.live.harness import until

from .agents import CUT, LOST, OK, UNKNOWN, Made, opened, work
from .place import Cluster, cluster

AFTER_SECONDS = 1.0
"""How long everybody works between two faults."""
RESUMING = ("bridge", "sdk")
"""Clients that resume streams: nothing of theirs that is safe fails, or ends without a clear answer."""
PAUSED_SECONDS = 8.0
"""Longer than a lease lasts."""
CUT_SECONDS = 2.0


@dataclass(slots=True)
class Fault:
    """What was done, and when."""

    kind: str
    node: str
    began: float
    over: float = 0.0


@dataclass(slots=True)
class Trial:
    """What was seen."""

    calls: list[Made] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    left: list[psutil.Process] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def of(self, kind: str, state: str) -> list[Made]:
        return [call for call in self.calls if call.kind == kind and call.state == state]

    @property
    def wrong(self) -> list[str]:
        """Promises that were not kept."""
        found = [f"effect twice: {token}" for token in self.twice]
        found += [f"answered and not done: {token}" for token in self.undone]
        found += [f"left: {process}" for process in self.left]
        found += [f"said: {line}" for line in self.said]
        for call in self.calls:
            about = f"{call.kind} {call.tool} {call.token} {call.state}: {call.said}"
            if call.state == LOST:
                found.append(about)
            elif call.state == OK:
                continue
            elif (call.kind in RESUMING and (call.is_safe or call.state != UNKNOWN)) or not self.may_break(
                call
            ):
                found.append(about)
        return found

    def may_break(self, call: Made) -> bool:
        """Whether a call may have met a node that was killed or paused."""
        return any(
            fault.kind in ("lose", "kill", "pause") and call.began <= fault.over and call.over >= fault.began
            for fault in self.faults
        )

    @property
    def account(self) -> str:
        """The table."""
        names = ("calls", "ok", "unknown", "cut", "lost", "safe failed", "longest")
        lines = [f"{'client':8}" + "".join(f"{name:>12}" for name in names)]
        for kind in sorted({call.kind for call in self.calls}):
            own = [call for call in self.calls if call.kind == kind]
            states = Counter(call.state for call in own)
            failed = sum(call.is_safe and call.state != OK for call in own)
            longest = max(call.over - call.began for call in own)
            numbers = (len(own), states[OK], states[UNKNOWN], states[CUT], states[LOST], failed)
            lines.append(f"{kind:8}" + "".join(f"{n:12}" for n in numbers) + f"{longest:10.2f} s")
        kinds = Counter(fault.kind for fault in self.faults)
        lines.append("faults: " + ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
        for kind in kinds:
            gaps = [self.gap(fault) for fault in self.faults if fault.kind == kind]
            lines.append(f"  {kind}: longest call begun within it {max(gaps):.2f} s")
        lines.append(f"effects twice: {len(self.twice)}; answered and not done: {len(self.undone)}")
        lines.append(f"processes left: {len(self.left)}")
        return "\n".join(lines)

    def gap(self, fault: Fault) -> float:
        met = [c.over - c.began for c in self.calls if c.began <= fault.over and c.over >= fault.began]
        return max(met, default=0.0)


async def trial(
    folder: Path,
    kinds: list[str],
    *,
    nodes: int = 3,
    front: str = "nginx",
    bridges: int = 1,
    sdk: int = 1,
    plains: int = 2,
    seed: int = 1,
    pause: float = 0.05,
    longest: int = 100,
    show: Callable[[str], None] = lambda line: None,
) -> Trial:
    """Runs one.

    Args:
        kinds: The faults, in order.
        pause: Seconds between two calls of a client, at most.
        longest: Milliseconds that a slow call may take.
    """
    seen = Trial()
    clock = asyncio.get_running_loop().time
    over = asyncio.Event()
    ready = 0
    begin = asyncio.Event()
    kinds_of_agents = ["bridge"] * bridges + ["sdk"] * sdk + ["plain"] * plains
    async with cluster(folder, nodes, front) as here:
        at_a_time = asyncio.Semaphore(20)

        async def live(kind: str, n: int) -> None:
            nonlocal ready
            async with contextlib.AsyncExitStack() as stack:
                async with at_a_time:
                    agent = await stack.enter_async_context(opened(kind, folder / f"agent{n}", here.url))
                ready += 1
                await begin.wait()
                await work(agent, n, seen.calls, over, random.Random(f"{seed} {n}"), pause, longest)

        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(live(kind, n)) for n, kind in enumerate(kinds_of_agents)]
            await until("all sessions have begun", lambda: ready == len(lives), 120)
            show(f"{len(lives)} sessions on {nodes} nodes behind {front}")
            begin.set()
            await asyncio.sleep(AFTER_SECONDS)
            for n, kind in enumerate(kinds):
                node = here.nodes[n % nodes]
                fault = Fault(kind, node.name, clock())
                seen.faults.append(fault)
                await strike(kind, here, n % nodes)
                fault.over = clock()
                await asyncio.sleep(AFTER_SECONDS)
                # No call is to meet two faults.
                met = [call for call in seen.calls if not call.over]
                await until("calls end", partial(all_over, met), 60)
                broken = Counter(
                    (c.kind, c.state) for c in seen.calls if c.state not in ("", OK) and c.over >= fault.began
                )
                shown = ", ".join(f"{k} {s} {c}" for (k, s), c in broken.items()) or "nothing broke"
                show(f"{n + 1:>4} {kind:14}{node.name}  longest {seen.gap(fault):.2f} s; {shown}")
            over.set()
        begun, done = here.rows("begin"), here.rows("done")
        for call in seen.calls:
            if not call.is_safe and begun[call.token] > 1:
                seen.twice.append(call.token)
            if call.state == OK and not done[call.token]:
                seen.undone.append(call.token)
        seen.left = await here.end()
        said = here.log().splitlines()
        wrong = [n for n, line in enumerate(said) if "callmux itself" in line or "Traceback" in line]
        seen.said = ["\n".join(said[max(0, n - 2) : n + 40]) for n in wrong]
    return seen


def all_over(calls: list[Made]) -> bool:
    """Whether these calls have ended."""
    return all(call.over for call in calls)


async def strike(kind: str, here: Cluster, n: int) -> None:
    """One fault, until what was there is there again."""
    node = here.nodes[n]
    if kind == "lose":
        await node.end(signal.SIGKILL)
    elif kind == "kill":
        await node.end(signal.SIGKILL)
        await node.start(here.config)
    elif kind == "stop":
        await node.end(signal.SIGTERM)
        await node.start(here.config)
    elif kind == "pause":
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSED_SECONDS)
        node.signal(signal.SIGCONT)
        await asyncio.sleep(1)
    elif kind == "redis restart":
        here.redis.kill()
        await asyncio.sleep(0.2)
        here.redis.start()
        await asyncio.sleep(4)
    elif kind == "redis cut":
        here.redis.signal(signal.SIGSTOP)
        await asyncio.sleep(CUT_SECONDS)
        here.redis.signal(signal.SIGCONT)
        await asyncio.sleep(1)
    else:
        raise AssertionError(kind)
