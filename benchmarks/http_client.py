"""A raw MCP client over Streamable HTTP: one connection, one session. Used by the benchmarks."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

ANSWER_SECONDS = 60
ACCEPT = "application/json, text/event-stream"


class HttpClient:
    """One session.

    Args:
        url: The endpoint.
        token: Shown with each request; empty for none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._at = urlsplit(url)
        self._token = token
        self._session: str | None = None
        self._count = 0

    async def open(self) -> Self:
        """Connects and greets."""
        self._reader, self._writer = await asyncio.open_connection(
            self._at.hostname, self._at.port, limit=64 * 2**20
        )
        about = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "b", "version": "1"},
        }
        await self.request("initialize", about)
        await self._exchange({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    async def tool(self, name: str) -> str:
        """What the tool is called here, once it is listed."""
        end = time.perf_counter() + ANSWER_SECONDS
        while time.perf_counter() < end:
            names = [tool["name"] for tool in (await self.request("tools/list", {}))["tools"]]
            found = [listed for listed in names if listed == name or listed.endswith("__" + name)]
            if found:
                return str(found[0])
            await asyncio.sleep(0.01)
        raise RuntimeError(f"{self._at.geturl()} does not list {name}")

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request.

        Raises:
            RuntimeError: It was refused.
        """
        self._count += 1
        message = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        answer = await self._exchange(message)
        if answer is None or "result" not in answer:
            raise RuntimeError(f"{method}: {answer}")
        result: dict[str, Any] = answer["result"]
        return result

    async def _exchange(self, message: dict[str, Any]) -> dict[str, Any] | None:
        body = orjson.dumps(message)
        head = [
            f"POST {self._at.path} HTTP/1.1",
            f"Host: {self._at.netloc}",
            "Content-Type: application/json",
            f"Accept: {ACCEPT}",
            f"Content-Length: {len(body)}",
        ]
        if self._token:
            head.append(f"Authorization: Bearer {self._token}")
        if self._session is not None:
            head += [f"Mcp-Session-Id: {self._session}", "MCP-Protocol-Version: 2025-06-18"]
        self._writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answer()

    async def _answer(self) -> dict[str, Any] | None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:-2])}
        self._session = headers.get("mcp-session-id", self._session)
        body = b""
        if "content-length" in headers:
            body = await self._reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readline(), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
        if status >= 300:
            raise RuntimeError(f"HTTP {status}: {body[:200]!r}")
        if headers.get("content-type", "").startswith("text/event-stream"):
            body = [line[5:] for line in body.splitlines() if line.startswith(b"data:") and len(line) > 8][-1]
        return orjson.loads(body) if body.strip() else None

    async def close(self) -> None:
        """Closes the connection; the session stays."""
        self._writer.close()
