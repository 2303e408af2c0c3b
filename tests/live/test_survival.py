"""Servers are killed, stopped and hung; the client's session, the ledger and the process table tell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.config.load import load_config
from callmux.process.host import Host
from callmux.protocol import jsonrpc
from callmux.session.session import Session
from tests.support import SECONDS, real_loop

from .harness import (
    Client,
    Json,
    alive,
    callmux,
    environment,
    error_of,
    is_zombie,
    marked,
    python_server,
    stdio,
    text_of,
    until,
    write_config,
)

SOON = {"initialDelayMs": 20, "maxDelayMs": 200, "jitterRatio": 0}
LANES = 20
FAULTS = 200
THREADS = 4 + min(32, (os.cpu_count() or 1) + 4)


class Ledger:
    """What the servers wrote down."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "ledger"
        self.path.touch()

    def rows(self, what: str) -> Counter[str]:
        """How often `what` was written for each token."""
        fields = [line.split() for line in self.path.read_text().splitlines()]
        return Counter(row[1] for row in fields if row[0] == what)

    async def has_begun(self, tokens: list[str]) -> None:
        """Waits until the server has taken these calls, or some of them if it takes no more."""
        with contextlib.suppress(AssertionError):
            await until("the calls begin", lambda: set(tokens) <= set(self.rows("begin")), 0.3)


def wrapped(command: list[str]) -> list[str]:
    """The command as a grandchild of a shell, the way `npx` starts it."""
    quoted = " ".join(f"'{part}'" for part in command)
    return ["/bin/sh", "-c", f"{quoted}; exit $?"]


class Outcome:
    """What the client was told of one call."""

    def __init__(self, tool: str, token: str, result: Json) -> None:
        self.tool = tool
        self.token = token
        self.error: Json | None = error_of(result) if result.get("isError") else None

    @property
    def state(self) -> str:
        """`ok`, or the `executionState` of the error."""
        if self.error is None:
            return "ok"
        assert "details" in self.error, f"an error that does not say what happened: {self.error}"
        return str(self.error["details"]["executionState"])


class Lane:
    """One server under faults, one after the other."""

    def __init__(self, client: Client, server: str, ledger: Ledger, down: Path, number: int) -> None:
        self.client = client
        self.down = down
        self.server = server
        self.ledger = ledger
        self.outcomes: list[Outcome] = []
        self.done: Counter[str] = Counter()
        self._count = 0
        self._number = number
        self._chance = random.Random(number)

    def token(self) -> str:
        self._count += 1
        return f"{self.server}-{self._count}"

    async def call(self, tool: str, **arguments: Any) -> Outcome:
        token = arguments.setdefault("token", self.token())
        outcome = Outcome(tool, token, await self.client.call(f"{self.server}__{tool}", arguments))
        self.outcomes.append(outcome)
        return outcome

    async def ready(self) -> Json:
        """Calls a read-only tool until it works: the server is back. Gives its process ids."""
        async with asyncio.timeout(SECONDS):
            while True:
                result = await self.client.call(f"{self.server}__read", {"token": self.token()})
                if not result.get("isError"):
                    facts: Json = json.loads(text_of(result))
                    return facts
                await asyncio.sleep(0.02)

    def some_calls(self, ms: int) -> tuple[list[str], list[Awaitable[Outcome]]]:
        """Calls of every kind, at once."""
        tools = ["write", "slow", "put", "read", "slow_read", "write"]
        tokens = [self.token() for _ in tools]
        calls: list[Awaitable[Outcome]] = [
            self.call(tool, token=token, ms=ms) for tool, token in zip(tools, tokens, strict=True)
        ]
        return tokens, calls

    async def fault(self, kind: str, during: bool) -> None:
        """One fault between or during calls; afterwards the server is back."""
        pids = await self.ready()
        gathered: asyncio.Future[Any] | None = None
        if during:
            tokens, calls = self.some_calls(ms=250)
            gathered = asyncio.gather(*calls)
            await self.ledger.has_begun(tokens)
        own = await self.strike(kind, pids)
        if gathered is None:
            gathered = asyncio.gather(*self.some_calls(ms=0)[1])
        await asyncio.gather(gathered, *own)
        if kind == "stay down":
            await asyncio.gather(*self.some_calls(ms=0)[1])
            self.down.unlink()
        await self.client.request("ping")
        self.done[f"{kind} {'during' if during else 'between'}"] += 1

    async def strike(self, kind: str, pids: Json) -> list[Awaitable[Outcome]]:
        with contextlib.suppress(ProcessLookupError):
            match kind:
                case "kill":
                    os.kill(pids["pid"], signal.SIGKILL)
                case "stay down":
                    self.down.touch()
                    os.kill(pids["pid"], signal.SIGKILL)
                case "kill the wrapper":
                    os.kill(pids["ppid"], signal.SIGKILL)
                case "stop":
                    os.kill(pids["pid"], signal.SIGSTOP)
                case _:
                    return [self.call(kind)]
        return []

    async def run(self, faults: int, wrapper: bool) -> None:
        kinds = ["kill", "stay down", "stop", "hang", "crash_before", "crash_after"]
        kinds += ["kill the wrapper"] if wrapper else []
        series = [(kind, during) for kind in kinds for during in (False, True)]
        # Fewer than there are kinds: each lane leaves out others.
        order = [series[(n + 5 * self._number) % len(series)] for n in range(faults)]
        self._chance.shuffle(order)
        for kind, during in order:
            await self.fault(kind, during)
        await self.ready()


def footprint(process: psutil.Process) -> dict[str, int]:
    """What a process holds, seen from outside."""
    family = process.children(recursive=True)
    return {
        "descriptors": process.num_fds(),
        "children": len(process.children()),
        "family": len(family),
        "zombies": sum(map(is_zombie, family)),
        # Beyond its own, up to those that asyncio keeps for files.
        "too many threads": max(0, process.num_threads() - THREADS),
    }


def check(outcomes: list[Outcome], ledger: Ledger) -> None:
    """The promises about effects."""
    done, begun = ledger.rows("done"), ledger.rows("begin")
    for outcome in outcomes:
        rows, told = done[outcome.token], (outcome.tool, outcome.token, outcome.error)
        if outcome.tool in ("write", "slow", "hang", "crash_before", "crash_after"):
            assert begun[outcome.token] <= 1, f"a mutating call ran twice: {told}"
        if outcome.state == "not_started":
            assert begun[outcome.token] == 0, f"not started, and yet it was: {told}"
        if outcome.state == "ok":
            assert rows >= 1, f"answered without its effect: {told}"


@real_loop(110)
async def test_two_hundred_faults_in_a_row_lose_no_session_and_no_call_runs_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    servers, wrappers = {}, [n % 2 == 1 for n in range(LANES)]
    for n, behind_a_shell in enumerate(wrappers):
        plain = python_server("ledger_server.py", ledger.path, "--down", tmp_path / f"s{n}.down")
        servers[f"s{n}"] = stdio(wrapped(plain) if behind_a_shell else plain)
    config = write_config(
        tmp_path / "callmux.json", servers, callTimeoutMs=600, connectTimeoutMs=10000, reconnectPolicy=SOON
    )

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        lanes = [Lane(client, name, ledger, tmp_path / f"{name}.down", n) for n, name in enumerate(servers)]
        await asyncio.gather(*(lane.ready() for lane in lanes))
        before = footprint(client.ps)
        await asyncio.gather(*(lane.run(FAULTS // LANES, w) for lane, w in zip(lanes, wrappers, strict=True)))
        faults = sum((lane.done for lane in lanes), Counter())
        outcomes = [outcome for lane in lanes for outcome in lane.outcomes]
        states = Counter(outcome.state for outcome in outcomes)
        print(f"{faults.total()} faults: {dict(faults)}; {len(outcomes)} calls: {dict(states)}")
        assert faults.total() == FAULTS
        assert states["ok"] > 0
        assert states["unknown"] > 0
        assert states["not_started"] > 0
        assert len(await client.names()) == LANES * 9
        after: dict[str, int] = {}

        def as_before() -> bool:
            after.update(footprint(client.ps))
            return after == before

        with contextlib.suppress(AssertionError):
            await until("nothing is held any more", as_before, SECONDS / 2)
        print(f"before {before}, after {after}")
        assert after == before
        assert await client.leave() == 0
        check(outcomes, ledger)
        await until("nothing of callmux is left", lambda: not marked(client.mark))


class Quiet:
    """The end of a session's lines: answers by id."""

    def __init__(self) -> None:
        self.answers: dict[Any, asyncio.Future[Json]] = {}

    def __call__(self, line: bytes) -> None:
        message = json.loads(line)
        if (waiter := self.answers.get(message.get("id"))) is not None:
            waiter.set_result(message)

    async def ask(self, session: Session, id: int, method: str, params: Json) -> Json:
        self.answers[id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        session.receive(jsonrpc.parse(line.encode()))
        async with asyncio.timeout(SECONDS):
            return await self.answers[id]


@real_loop()
async def test_no_task_is_left_of_servers_that_crash_and_hang(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    servers = {"s": stdio(python_server("ledger_server.py", ledger.path))}
    config = write_config(tmp_path / "callmux.json", servers, callTimeoutMs=300, reconnectPolicy=SOON)

    env = environment(tmp_path, "")
    host = Host(load_config(config, env).config, tmp_path, env, lambda server, line: None, single=True)
    sent = Quiet()
    session = Session(host.dispatch, sent)
    host.add(session)
    ids = iter(range(1, 10_000))

    async def call(tool: str) -> Json:
        id = next(ids)
        params = {"name": tool, "arguments": {"token": str(id)}}
        result: Json = (await sent.ask(session, id, "tools/call", params))["result"]
        return result

    async def works() -> None:
        async with asyncio.timeout(SECONDS):
            while (await call("read")).get("isError"):
                await asyncio.sleep(0.02)

    try:
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        await sent.ask(session, next(ids), "initialize", about)
        await works()
        before = len(asyncio.all_tasks())
        for kind in ["crash_before", "crash_after"] * 5 + ["hang"] * 2:
            await asyncio.gather(call(kind), call("slow"), call("read"))
            await works()
        await until("no task is left", lambda: len(asyncio.all_tasks()) <= before)
    finally:
        await host.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@real_loop()
@pytest.mark.parametrize("fault", ["nothing", "a stopped server", "a call in flight"])
@pytest.mark.parametrize("kind", ["plain", "behind a shell", "with grandchildren", "deaf"])
async def test_nothing_is_left_when_callmux_is_killed(kind: str, fault: str, tmp_path: Path) -> None:
    """`kill -9`: no handler of ours runs, and yet the servers and what they started end."""
    ledger = Ledger(tmp_path)
    flags = {"with grandchildren": ["--grandchild"], "deaf": ["--deaf", "--grandchild"]}.get(kind, [])
    command = python_server("ledger_server.py", ledger.path, *flags)
    entry = stdio(wrapped(command) if kind == "behind a shell" else command)
    config = write_config(tmp_path / "callmux.json", {"one": entry, "two": entry})

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        facts = [json.loads(text_of(await client.call(f"{s}__read", {"token": s}))) for s in ("one", "two")]
        if fault == "a stopped server":
            os.kill(facts[0]["pid"], signal.SIGSTOP)
        elif fault == "a call in flight":
            client.send("tools/call", {"name": "one__slow", "arguments": {"token": "x", "ms": 60_000}})
            await until("the call begins", lambda: ledger.rows("begin")["x"])
        # The guardian has no mark: it is found as a child.
        family = client.ps.children(recursive=True)
        assert len(family) >= (5 if flags or kind == "behind a shell" else 3)
        client.process.kill()
        await until("all processes ended", lambda: not any(map(alive, family)))
        assert marked(client.mark) == []


@real_loop()
async def test_nothing_is_left_when_callmux_is_killed_while_it_starts_its_servers(tmp_path: Path) -> None:
    """Each server kills callmux as the first thing it does: no moment is too early for the guardian."""
    command = python_server("ledger_server.py", tmp_path / "ledger", "--deaf", "--grandchild")
    quoted = " ".join(f"'{part}'" for part in command)
    entry = stdio(["/bin/sh", "-c", f"kill -9 $PPID; exec {quoted}"])
    config = write_config(tmp_path / "callmux.json", {f"s{n}": entry for n in range(6)})

    for _ in range(5):
        async with callmux(tmp_path, "--config", config) as client:
            hello = client.send("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
            async with asyncio.timeout(SECONDS):
                assert await client.process.wait() == -signal.SIGKILL
            await until("all processes ended", lambda: not marked(client.mark))
            hello.cancel()


@real_loop()
async def test_a_call_to_a_server_that_does_not_come_back_was_not_started(tmp_path: Path) -> None:
    ledger, down = Ledger(tmp_path), tmp_path / "down"
    entry = stdio(python_server("ledger_server.py", ledger.path, "--down", down))
    config = write_config(tmp_path / "callmux.json", {"s": entry}, reconnectPolicy=SOON)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        pid = json.loads(text_of(await client.call("read", {"token": "up"})))["pid"]
        down.touch()
        os.kill(pid, signal.SIGKILL)
        await until("the loss is noticed", lambda: "disconnected" in client.said)
        for n in range(20):
            error = error_of(await client.call("write", {"token": f"down-{n}"}))
            assert error["code"] == "downstream_unavailable"
            assert error["details"]["executionState"] == "not_started"
            assert error["details"]["safeToRetry"] is True
        assert not [token for token in ledger.rows("begin") if token.startswith("down-")]
        # It stays listed, and the first call after it is back works.
        assert "write" in await client.names()
        down.unlink()
        forced = {"tool": "write", "arguments": {"token": "forced"}, "forceReconnect": True}
        assert not (await client.call("callmux_call", forced)).get("isError")
        assert ledger.rows("done")["forced"] == 1


@real_loop()
async def test_a_safe_call_in_flight_survives_the_crash_of_its_server(tmp_path: Path) -> None:
    """Read-only and idempotent calls are repeated once on the new process, mutating ones never."""
    ledger = Ledger(tmp_path)
    entry = stdio(python_server("ledger_server.py", ledger.path))
    config = write_config(tmp_path / "callmux.json", {"s": entry}, reconnectPolicy=SOON)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        pid = json.loads(text_of(await client.call("read", {"token": "up"})))["pid"]
        asked = {
            tool: asyncio.ensure_future(client.call(tool, {"token": tool, "ms": 400}))
            for tool in ("write", "put", "slow_read")
        }
        await until("the calls begin", lambda: set(asked) <= set(ledger.rows("begin")))
        os.kill(pid, signal.SIGKILL)
        results = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        assert json.loads(text_of(results["put"]))["pid"] != pid
        assert json.loads(text_of(results["slow_read"]))["pid"] != pid
        error = error_of(results["write"])
        assert error["details"]["category"] == "transport"
        assert error["details"]["executionState"] == "unknown"
        assert error["details"]["safeToRetry"] is False
        begun = ledger.rows("begin")
        assert (begun["write"], begun["put"], begun["slow_read"]) == (1, 2, 2)
