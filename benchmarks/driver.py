"""Drives one stdio MCP server with raw JSON-RPC and measures from outside. Used by the benchmarks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Self, cast

import orjson
import psutil

START_SECONDS = 30
ANSWER_SECONDS = 60


def _give_up(waiter: asyncio.Future[dict[str, Any]], method: str) -> None:
    if not waiter.done():
        waiter.set_exception(RuntimeError(f"{method}: no answer within {ANSWER_SECONDS} s"))


class _Pipes(asyncio.SubprocessProtocol):
    """Cuts standard output into lines and hands each answer to the one who waits for it."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.rest: list[bytes] = []
        self.ended = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            return
        *lines, last = data.split(b"\n")
        for line in lines:
            if self.rest:
                line = b"".join([*self.rest, line])
                self.rest.clear()
            self._answer(orjson.loads(line))
        if last:
            self.rest.append(last)

    def _answer(self, message: dict[str, Any]) -> None:
        if (
            "method" not in message
            and (waiter := self.waiting.pop(message["id"], None))
            and not waiter.done()
        ):
            waiter.set_result(message)

    def process_exited(self) -> None:
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(RuntimeError("the server ended"))
        self.ended.set_result(None)


class Driver:
    """One server process and its client.

    Args:
        command: What to start.
        prefix: What stands before the name of the bench server's tools.

    Attributes:
        start_ms: From spawning to the answer of the first `tools/list` that has the tool.
        list_ms: How long one more `tools/list` took.
    """

    start_ms = 0.0
    list_ms = 0.0

    def __init__(self, command: Sequence[str], prefix: str = "") -> None:
        self._command = command
        self._tool = prefix + "get_item"
        self._requests = 0

    async def __aenter__(self) -> Self:
        began = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        transport, self._pipes = await self._loop.subprocess_exec(
            _Pipes, *self._command, stderr=asyncio.subprocess.DEVNULL
        )
        self._transport = transport
        self._stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        about = {"name": "bench", "version": "1"}
        await self.request(
            "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
        )
        self._stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        while self._tool not in (names := await self._names()):
            # A product may answer before its server is up; what it then lists does not count as a start.
            if time.perf_counter() - began > START_SECONDS:
                raise RuntimeError(f"{' '.join(self._command)} lists {len(names)} tools without {self._tool}")
            await asyncio.sleep(0.002)
        self.start_ms = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        await self._names()
        self.list_ms = (time.perf_counter() - began) * 1000
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stdin.close()
        for end in (None, self._transport.terminate, self._transport.kill):
            if end is not None:
                end()
            try:
                await asyncio.wait_for(asyncio.shield(self._pipes.ended), 5)
                break
            except TimeoutError:
                continue
        self._transport.close()

    async def _names(self) -> list[str]:
        return [tool["name"] for tool in (await self.request("tools/list", {}))["tools"]]

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._requests += 1
        waiter = self._pipes.waiting[self._requests] = self._loop.create_future()
        message = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": params}
        self._stdin.write(orjson.dumps(message) + b"\n")
        watch = self._loop.call_later(ANSWER_SECONDS, _give_up, waiter, method)
        answer = await waiter
        watch.cancel()
        if "result" not in answer or answer["result"].get("isError"):
            raise RuntimeError(f"{method} failed: {str(answer)[:300]}")
        result: dict[str, Any] = answer["result"]
        return result

    async def calls(self, count: int, size: int = 0) -> list[float]:
        """Makes `count` calls one after the other; the seconds each took."""
        took = []
        for n in range(count):
            began = time.perf_counter()
            result = await self.request(
                "tools/call",
                {"name": self._tool, "arguments": {"id": n, "size": size} if size else {"id": n}},
            )
            took.append(time.perf_counter() - began)
            if size and len(result["content"][0]["text"]) != size:
                raise RuntimeError("a result came back shortened")
        return took

    async def throughput(self, count: int, in_flight: int) -> float:
        """Calls a second with `in_flight` at a time."""
        each = max(1, count // in_flight)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self.calls(each))
        return each * in_flight / (time.perf_counter() - began)

    @property
    def process(self) -> psutil.Process:
        """The process that was started."""
        return psutil.Process(self._transport.get_pid())

    def megabytes(self) -> float:
        """Resident memory of the process and its helpers, without the bench server behind it."""
        whole = psutil.Process(self._transport.get_pid())
        own = [
            p for p in [whole, *whole.children(recursive=True)] if "server.py" not in " ".join(p.cmdline())
        ]
        return float(sum(p.memory_info().rss for p in own or [whole])) / 2**20
