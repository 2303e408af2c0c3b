"""A raw MCP client on the pipes of one process, which keeps the bytes of answers. Used by the benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson

ANSWER_SECONDS = 120


class StdioClient:
    """One session.

    Args:
        command: What to start.
        env: Its whole environment.
        log: Takes its stderr; nobody reads it where absent.
        place: Where it runs, and the root that the client declares; it declares none where absent.

    Attributes:
        began: When the process was started.
        raw: The line that the last request was answered with.
        changes: How many notices of changed lists have come.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path | None = None,
        place: Path | None = None,
    ) -> None:
        self._command = command
        self._env = env
        self._log = log
        self._place = place
        self._count = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self.began = 0.0
        self.raw = b""
        self.changes = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        with contextlib.ExitStack() as stack:
            errors: Any = asyncio.subprocess.DEVNULL
            if self._log is not None:
                errors = stack.enter_context(self._log.open("ab"))
            self.began = time.perf_counter()
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                env=dict(self._env),
                cwd=self._place,
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                limit=64 * 2**20,
            )
        self._reading = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        for end in (None, self.process.terminate, self.process.kill):
            with contextlib.suppress(ProcessLookupError):
                if end is not None:
                    end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await self.process.wait()
                    break
        await self._reading

    async def greet(self) -> None:
        """The handshake."""
        capabilities: dict[str, Any] = {} if self._place is None else {"roots": {}}
        about = {"name": "bench", "version": "1"}
        given = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": about}
        await self.request("initialize", given)
        self.notify("notifications/initialized")

    def notify(self, method: str) -> None:
        """Sends a notification."""
        self._send({"jsonrpc": "2.0", "method": method})

    async def request(self, method: str, params: Mapping[str, Any], id: int | None = None) -> dict[str, Any]:
        """The result of a request.

        Args:
            id: Its id, where the bytes of the answer are to be compared.

        Raises:
            RuntimeError: It was refused, or not answered.
        """
        self._count += 1
        number = id if id is not None else 1000 + self._count
        waiter = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self.raw = await waiter
        except TimeoutError:
            raise RuntimeError(f"{method}: no answer within {ANSWER_SECONDS} s") from None
        answer: dict[str, Any] = orjson.loads(self.raw)
        if "result" not in answer:
            raise RuntimeError(f"{method}: {answer.get('error')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of a tool.

        Raises:
            RuntimeError: It failed.
        """
        result = await self.request("tools/call", {"name": tool, "arguments": arguments or {}})
        if result.get("isError"):
            raise RuntimeError(f"{tool}: {str(result.get('content'))[:500]}")
        return result

    async def tools(self, id: int | None = None) -> list[str]:
        """The names of the tools that are listed now."""
        return [tool["name"] for tool in (await self.request("tools/list", {}, id))["tools"]]

    def _send(self, message: Mapping[str, Any]) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(orjson.dumps(message) + b"\n")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            try:
                message = orjson.loads(line)
            except orjson.JSONDecodeError:
                # Some servers print what is no message.
                continue
            if "method" not in message:
                waiter = self._waiting.pop(message["id"], None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(line)
            elif "id" not in message:
                self.changes += message["method"] == "notifications/tools/list_changed"
            elif message["method"] == "roots/list" and self._place is not None:
                roots = [{"uri": self._place.as_uri(), "name": self._place.name}]
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": {"roots": roots}})
            else:
                refused = {"code": -32601, "message": "not here"}
                self._send({"jsonrpc": "2.0", "id": message["id"], "error": refused})
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(RuntimeError("the process has ended"))
