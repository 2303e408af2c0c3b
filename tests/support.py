"""What many tests share: bounded runs of coroutines, a loop whose time is a number, and a fake client."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.context import CallContext, Loan
from callmux.metatools.table import traits
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.coercion import compile_shaping
from callmux.rings.ring import Job, nobody
from callmux.rings.ring import run as run_job
from callmux.rings.route import ONLY_READS, WRITES, CachingVerdict, Route
from callmux.rings.shield.compact import Limits
from callmux.rings.stage import NO_STAGES, Stages
from callmux.router.names import Names
from callmux.router.routing import Routing
from callmux.session.facts import Facts
from callmux.upstream.catalogue import Catalogue
from tests import waiting

T = TypeVar("T")

loop_factory: ContextVar[Callable[[], asyncio.AbstractEventLoop] | None] = ContextVar("loop", default=None)
"""Makes the loop that `run` uses; the standard library's by default."""

SECONDS = 60.0
"""Real seconds after which a test has failed, and what it waits for: far more than anything takes, on a busy
machine, too."""

PLAYED_SECONDS = 20.0
"""Seconds of the processor's work after which a played test has failed: as many on a busy machine."""
CLEARING_SECONDS = 10.0
"""What the rest of a test that has failed gets to end."""
BEGINNING = 1000.0
"""The virtual time at which a played test begins."""


def run(work: Coroutine[Any, Any, T], seconds: float = SECONDS) -> T:
    """The result of `work` on a real event loop; fails when it takes longer than `seconds`."""

    async def bounded() -> T:
        loop, found = asyncio.get_running_loop(), list[str]()
        # Set before the time-out, so that it looks before anything is cancelled.
        look = loop.call_later(seconds, lambda: found.append(waiting.tasks(loop)))
        try:
            async with asyncio.timeout(seconds) as limit:
                return await work
        except TimeoutError as error:
            if limit.expired():
                error.add_note("\n".join([f"the test took longer than {seconds:g} s", *found]))
            raise
        finally:
            look.cancel()

    # What does not end when it is cancelled would keep the runner from closing.
    with (
        waiting.bounded(seconds + CLEARING_SECONDS),
        asyncio.Runner(loop_factory=loop_factory.get()) as runner,
    ):
        return runner.run(bounded())


def play(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` on a loop whose time jumps to the next timer: an hour's wait costs nothing.

    Fails where everything waits and no timer is left, and where timers go on for ever. For work in memory
    only: no threads, no processes.
    """
    with asyncio.Runner(loop_factory=PlayedLoop) as runner:
        return runner.run(work)


def real_loop(seconds: float = SECONDS) -> pytest.MarkDecorator:
    """Marks an `async def` test that needs a real loop, for processes, sockets or threads: `run` runs it, and
    not for longer. Any other one is played (`play`)."""
    return pytest.mark.real_loop(seconds)


class _Jumping(selectors.DefaultSelector):
    """A selector that moves the clock instead of waiting."""

    loop: PlayedLoop

    def select(self, timeout: float | None = None) -> Any:
        self.loop.check()
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            found = waiting.tasks(self.loop)
            raise AssertionError(f"everything waits, and nothing will ever happen; {found}")
        self.loop.now += max(timeout, 1e-6)
        return ready


class PlayedLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 1000 s and whose time passes only by waiting."""

    def __init__(self) -> None:
        self.now = BEGINNING
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)
        self._limit = time.thread_time() + PLAYED_SECONDS

    def time(self) -> float:
        return self.now

    def check(self) -> None:
        """Fails where the processor has worked on this for too long: something begins again and again."""
        used = time.thread_time()
        if used > self._limit:
            # What ends the rest after this failure has time, too.
            self._limit = used + CLEARING_SECONDS
            raise AssertionError(
                f"it goes on for ever: {PLAYED_SECONDS:g} s of work, {self.now - BEGINNING:g} s of virtual "
                f"time; {waiting.tasks(self)}"
            )


def steps(work: Callable[[], object]) -> int:
    """Lines of Python that `work` runs: what grows with its input in the same way on every machine."""
    count = 0

    def trace(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    # What other tests left is cleared away before, not in the middle: its finalizers would be counted.
    gc.collect()
    before, collecting = sys.gettrace(), gc.isenabled()
    gc.disable()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        if collecting:
            gc.enable()
    return count


MOST_TURNS = 10_000
"""Turns of the loop after which what goes on and on is a failure."""


TOLD_BY_NONE = 100
"""Turns that are enough on a loop that does not tell what is ready, such as uvloop's."""


async def settle() -> None:
    """Lets everything run that can run now: afterwards everything else waits for time, input or us."""
    loop: Any = asyncio.get_running_loop()
    quiet = 0
    for _ in range(MOST_TURNS):
        await asyncio.sleep(0)
        ready = getattr(loop, "_ready", None)
        # What is ready of sockets is found between two turns, so one quiet turn is not enough.
        quiet = 0 if ready else quiet + 1
        if quiet == (2 if ready is not None else TOLD_BY_NONE):
            return
    raise AssertionError("something runs on and on, and waits for nothing")


async def until(done: Callable[[], Any], what: str = "it", seconds: float = SECONDS) -> None:
    """Waits for something that another process or thread does."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"waited {seconds} s for {what} in vain"
        await asyncio.sleep(0.005)


def eventually(done: Callable[[], Any], what: str = "it", seconds: float = SECONDS) -> None:
    """`until`, without a loop."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"waited {seconds} s for {what} in vain"
        pause.wait(0.005)


class FakeClock:
    """A clock that stands still until a test moves it. `clock` is what the code under test gets."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now)

    def advance(self, seconds: float) -> None:
        self.now += seconds


def loop_clock() -> Clock:
    """A clock that shows the time of the loop it is read in."""
    return Clock(
        monotonic=lambda: asyncio.get_running_loop().time(),
        wall=lambda: 1_700_000_000.0 + asyncio.get_running_loop().time(),
    )


class FakeClient:
    """A client that keeps what it is told, answers questions from `answers`, and reads while `reading`."""

    def __init__(self, capabilities: bytes = b"{}") -> None:
        self.capabilities = capabilities
        self.log_level: str | None = None
        self.server_level: str | None = None
        self.lasting = True
        self.parks = False
        self.loan: Loan | None = None
        self.doing = ""
        self.facts = Facts()
        self.trace: Any = None
        self.version: str | None = None
        self.notes: list[tuple[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.answers: list[Any] = []
        self.thinks: Callable[[float], float] = lambda since: 0.0
        self._reads = asyncio.Event()
        self._reads.set()

    @property
    def kind(self) -> bytes:
        return self.capabilities

    @property
    def session(self) -> FakeClient:
        return self

    @property
    def reading(self) -> bool:
        return self._reads.is_set()

    def thought(self, since: float) -> float:
        return self.thinks(since)

    def stops_reading(self) -> None:
        self._reads.clear()

    def reads_again(self) -> None:
        self._reads.set()

    async def until_reading(self) -> None:
        await self._reads.wait()

    def notify(self, method: str, params: Any) -> None:
        self.notes.append((method, params and json.loads(bytes(params))))

    async def ask(self, method: str, params: Any, progress: Any = None, name: Any = None) -> bytes:
        self.asked.append((method, params and json.loads(bytes(params))))
        answer = self.answers.pop(0)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, bytes)
        return answer


def context(**more: Any) -> CallContext:
    """The circumstances of a request of nobody in particular."""
    more.setdefault("client", FakeClient())
    return CallContext(**more)


_PORTS = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A port that nobody has, nor gets before it is listened on: it is below those that systems give to
    connections, and each process of the tests begins its search elsewhere."""
    for number in itertools.islice(_PORTS, 1000):
        port = 10_000 + number % 20_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def python(*arguments: str | Path, **more: Any) -> subprocess.Popen[bytes]:
    """A Python process of our interpreter with pipes on all sides, unless `more` says otherwise."""
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **more,
    }
    return subprocess.Popen([sys.executable, *map(str, arguments)], **options)


def route(
    server: str = "s", tool: Tool | None = None, *, method: str = "tools/call", bare: str = "t", **more: Any
) -> Route:
    """The route of a tool as a configuration without any keys has it."""
    reads = tool is not None and tool.read_only
    other = ONLY_READS if more.get("safe") and method != "tools/call" else WRITES
    more.setdefault("verdict", CachingVerdict(True, True, True) if reads else other)
    more.setdefault("shaper", None if tool is None else compile_shaping(tool.input_schema))
    return Route(server=server, method=method, bare=bare, tool=tool, **more)


def planned(
    *,
    server: str = "s",
    method: str = "tools/call",
    target: str = "t",
    tool: Tool | None = None,
    safe: bool = False,
    **more: Any,
) -> Call:
    """A call of a tool, or another request, with its route."""
    more.setdefault("context", context())
    if (arguments := more.get("arguments")) is not None:
        more["arguments"] = bytes(arguments)
        arguments = Raw(more["arguments"])
    more.setdefault("asked", ToolCall(spelling=target, arguments=arguments))
    more.setdefault("stages", NO_STAGES)
    more.setdefault("done", nobody)
    more.setdefault("seconds", 1.0)
    more.setdefault("deadline", 1.0)
    more.setdefault("route", route(server, tool, method=method, bare=target, safe=safe))
    return Call(target=target, **more)


def names_of(catalogue: Catalogue, **document: Any) -> Names:
    """The names of this catalogue under a configuration of its servers and whatever else `document` says."""
    servers = {
        name: {"command": "x", **({"prefix": one.prefix} if one.prefix else {})}
        for name, one in catalogue.servers.items()
    }
    checked = check_document({"servers": servers, **document})
    assert checked.errors == []
    return Names(lambda: catalogue, Routing(checked.config))


def own_route(name: str, limits: Limits | None = None) -> Route | None:
    """The route of a meta-tool; None for any other name."""
    own = traits(name)
    return None if own is None else Route(server="", bare=name, own=own, limits=limits)


async def through(
    stage: Any, work: Any, around: CallContext, proceed: Callable[..., Any], own: Route | None = None
) -> Result:
    """The result of a call, or of the request of a plan, that passes one stage and then `proceed`.

    Args:
        own: The route of the meta-tool that a plan is of.
    """
    job = Job(context=around, plan=work, route=own) if isinstance(work, Plan) else work
    job.context = around

    class Innermost:
        def enter(self, job: Any) -> Any:
            return proceed(work if isinstance(work, Plan) else job, around)

    job.stages = Stages([stage, Innermost()])
    return await run_job(job)
