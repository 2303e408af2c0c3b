"""A remote MCP server behind the listener, whose streams break and whose resumes are refused.

Called by `place`; runs in the storm's own process and writes its effects into the same ledger. The work of a
call goes on whatever becomes of its stream, as on a real server.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.live.harness import until
from tests.live.ledger_server import SCHEMA, TOOLS

Json = dict[str, Any]
EVENTS = {"Content-Type": "text/event-stream"}
OFFERED = ("read", "slow_read", "put", "write", "slow")
STATUSES = (400, 401, 404, 405, 410, 422, 429, 500, 503, 302)
"""What a resume is refused with."""
FORGETTING = frozenset({400, 401, 404, 410, 422, 500, 503})
"""Statuses by which servers say that a session is over; with the others 404 says it."""


class _Work:
    """A call that was taken: its stream may break, its result comes all the same."""

    def __init__(self, task: asyncio.Task[Json]) -> None:
        self.task = task
        self.broken = asyncio.Event()
        self.refused: int | None = None


class Remote:
    """The server.

    Attributes:
        url: Where it is.
        refusals: Resumes that were refused, by status.
        forgotten: Sessions that it has forgotten.
    """

    def __init__(self, ledger: Path) -> None:
        self.url = ""
        self.refusals: dict[int, int] = {}
        self.forgotten = 0
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._sessions: set[str] = set()
        self._forgets_with = 404
        self._works: dict[str, _Work] = {}
        self._open: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/mcp", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/mcp"

    async def close(self) -> None:
        for work in self._works.values():
            work.task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        os.close(self._ledger)

    async def refuse(self, status: int, forget: bool) -> None:
        """Every stream that is open breaks, and none of these calls can be taken up again.

        Args:
            forget: Every session is forgotten as well, and the status says so.
        """
        await until("a call to the remote server is under way", lambda: self._open, 20)
        self._forgets_with = status if status in FORGETTING else 404
        if forget:
            self.forgotten += len(self._sessions)
            self._sessions.clear()
        for id in self._open:
            self._works[id].refused = status
            self._works[id].broken.set()

    # ---- requests --------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        session = request.headers.get("Mcp-Session-Id", "")
        if request.method == "GET":
            return await self._resume(request)
        if request.method == "DELETE":
            self._sessions.discard(session)
            return web.Response()
        if request.method != "POST":
            return web.Response(status=405)
        message: Json = json.loads(await request.read())
        method, id = message.get("method"), message.get("id")
        if method == "initialize":
            session = uuid.uuid4().hex
            self._sessions.add(session)
            about = {"name": "remote", "version": "1"}
            version = message["params"]["protocolVersion"]
            greeting = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
            return web.json_response(_answer(id, greeting), headers={"Mcp-Session-Id": session})
        if session not in self._sessions:
            return _refusal(self._forgets_with)
        if id is None:
            return web.Response(status=202)
        if method == "tools/list":
            tools = [{"name": name, "inputSchema": SCHEMA, **TOOLS[name]} for name in OFFERED]
            return web.json_response(_answer(id, {"tools": tools}))
        if method == "tools/call":
            return await self._call(request, id, message["params"]["arguments"])
        return web.json_response(_answer(id, {}))

    async def _call(self, request: web.Request, id: Any, arguments: Json) -> web.StreamResponse:
        key = uuid.uuid4().hex
        work = self._works[key] = _Work(asyncio.get_running_loop().create_task(self._carry_out(arguments)))
        return await self._stream(request, id, key, work)

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        key, _, id = request.headers.get("Last-Event-ID", "").partition(" ")
        work = self._works.get(key)
        if work is None:
            return web.Response(status=405)
        if work.refused is not None:
            self.refusals[work.refused] = self.refusals.get(work.refused, 0) + 1
            return _refusal(work.refused)
        return await self._stream(request, json.loads(id), key, work)

    async def _stream(self, request: web.Request, id: Any, key: str, work: _Work) -> web.StreamResponse:
        response = web.StreamResponse(headers=EVENTS)
        self._open.add(key)
        broken = asyncio.get_running_loop().create_task(work.broken.wait())
        try:
            await response.prepare(request)
            await response.write(f"id: {key} {json.dumps(id)}\nretry: 10\ndata:\n\n".encode())
            await asyncio.wait({work.task, broken}, return_when=asyncio.FIRST_COMPLETED)
            if not work.broken.is_set():
                await response.write(
                    b"data: " + json.dumps(_answer(id, work.task.result())).encode() + b"\n\n"
                )
                del self._works[key]
        except ConnectionResetError:
            pass  # Whoever asked has gone; the work goes on.
        finally:
            broken.cancel()
            self._open.discard(key)
        return response

    async def _carry_out(self, arguments: Json) -> Json:
        token = arguments["token"]
        self._note("begin", token)
        await asyncio.sleep(arguments.get("ms", 0) / 1000)
        self._note("done", token)
        return {"content": [{"type": "text", "text": json.dumps({"token": token, "pid": os.getpid()})}]}

    def _note(self, what: str, token: str) -> None:
        os.write(self._ledger, f"{what} {token} {os.getpid()} {time.time():.6f}\n".encode())


def _answer(id: Any, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": id, "result": result}


def _refusal(status: int) -> web.Response:
    if status == 302:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "No valid session ID"}}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response(error, status=status, headers=headers)
