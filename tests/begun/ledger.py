"""A server that writes down every effect, and fails one call in a given way."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.begun.cases import Case, Event

JSON: dict[str, Any] = {"content_type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream"}
CAPABILITIES: dict[str, Any] = {"tools": {}}
TOOLS = [
    {"name": "write", "inputSchema": {"type": "object"}},
    {"name": "read", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": True}},
]


class Ledger:
    """The server, over Streamable HTTP or HTTP+SSE.

    Args:
        case: What happens to the first call.

    Attributes:
        effects: One entry for each time a call was carried out.
        calls: How often a call came.
        greetings: How often a session was begun.
        hanging: Set when a call hangs.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.effects: list[str] = []
        self.calls = self.greetings = self.pings = 0
        self.hanging = asyncio.Event()
        self._session = 0
        self._stale = 0
        self._struck = False
        self._over = asyncio.Event()
        self._streams: dict[int, asyncio.Queue[bytes | None]] = {}

    def end(self) -> None:
        """Lets go of everything that hangs."""
        self._over.set()
        for queue in self._streams.values():
            queue.put_nowait(None)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.case.carrier == "sse":
            return await (self._stream(request) if request.method == "GET" else self._taken(request))
        if request.method == "GET":
            return await self._get(request)
        if request.method != "POST":
            return web.Response(status=200)
        return await self._answer(request, json.loads(await request.read()))

    def _headers(self) -> dict[str, str]:
        return {"Mcp-Session-Id": f"s{self._session}"} if self.case.named else {}

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if "Last-Event-ID" not in request.headers:
            return web.Response(status=405)
        return self._refusal(self.case.status)

    def _refusal(self, status: int, id: Any = None) -> web.Response:
        case, headers = self.case, {}
        if case.event is Event.ELSEWHERE:
            headers["Location"] = "http://127.0.0.1:1/elsewhere"
        if case.event is Event.CHALLENGED:
            headers["WWW-Authenticate"] = "Bearer"
        if case.event is Event.DECLINED:
            headers["Retry-After"] = "0"
        words = "No valid session ID" if case.forgotten or case.event is Event.SAID else "no"
        if status == 404 and id is not None:
            error = {"code": -32602, "message": "no such order"}
            return web.json_response({"jsonrpc": "2.0", "id": id, "error": error}, status=404)
        if status in (404, 413, 422, 500) or case.event is Event.ELSEWHERE:
            return web.Response(text=words, status=status, headers=headers)
        error = {"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": words}}
        if case.event is Event.ERROR:
            error["id"], status = id, 200
        return web.json_response(error, status=status, headers=headers)

    async def _answer(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        method, id = message.get("method"), message.get("id")
        if method == "initialize":
            self.greetings += 1
            self._session += 1
            hello = {"protocolVersion": "2025-11-25", "serverInfo": {"name": "l", "version": "1"}}
            experimental: dict[str, Any] = {"experimental": {"callmux/requestStreams": {}}}
            ours = experimental if self.case.event is Event.DECLINED else {}
            result = hello | {"capabilities": CAPABILITIES | ours}
            return web.json_response({"id": id, "result": result}, headers=self._headers())
        if self._is_stale(request):
            self.calls += method == "tools/call"
            return self._refusal(self.case.status, id)
        if id is None:
            return web.Response(status=202)
        if method == "tools/call":
            return await self._call(request, message)
        self.pings += method == "ping"
        if method == "ping" and self.case.ping:
            error = {"code": -32601, "message": "no ping in this session"}
            answer = {"jsonrpc": "2.0", "id": id, "error": error}
            return web.json_response(answer if self.case.ping == 404 else {}, status=self.case.ping)
        return web.json_response({"jsonrpc": "2.0", "id": id, "result": {"tools": TOOLS}})

    def _is_stale(self, request: web.Request) -> bool:
        """The server was restarted under this session."""
        given = request.headers.get("Mcp-Session-Id") or request.query.get("id", "")
        return self._stale > 0 and given == f"s{self._stale}"

    def _carry_out(self, message: dict[str, Any]) -> dict[str, Any]:
        self.effects.append(message["params"]["name"])
        content = [{"type": "text", "text": "done"}]
        return {"jsonrpc": "2.0", "id": message["id"], "result": {"content": content}}

    async def _call(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        self.calls += 1
        if self._struck or self.case.event is Event.GONE:
            return web.json_response(self._carry_out(message))
        self._strike(message)
        case, event = self.case, self.case.event
        if event.refuses or event is Event.ERROR:
            itself = event is Event.ERROR or (event is Event.SAID and case.status == 404)
            return self._refusal(case.status, message["id"] if itself else None)
        if event is Event.EMPTY:
            return web.Response(status=202)
        if event is Event.HUGE:
            return web.Response(body=b"0" * 300_000, **JSON)
        if event in (Event.LATE, Event.ENDED):
            self.hanging.set()
            await self._over.wait()
            return web.Response(status=500)
        assert request.transport is not None
        if event is Event.SILENT:
            request.transport.abort()
            return web.Response()
        response = web.StreamResponse(headers=EVENTS if event is Event.RESUME else {"Content-Length": "99"})
        await response.prepare(request)
        if event is Event.RESUME:
            await response.write(b"id: e1\nretry: 1\ndata:\n\n")
            return response
        await response.write(b'{"jsonrpc":')
        request.transport.close()
        return response

    def _strike(self, message: dict[str, Any]) -> None:
        self._struck = True
        if self.case.effect:
            self._carry_out(message)
        if self.case.forgotten:
            self._stale = self._session

    # The older transport.

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.case.event is Event.GONE and self.case.status:
            return web.Response(status=self.case.status)
        self._session += 1
        number, queue = self._session, asyncio.Queue[bytes | None]()
        self._streams[number] = queue
        response = web.StreamResponse(headers=EVENTS)
        await response.prepare(request)
        await response.write(b"event: endpoint\ndata: /messages?id=s%d\n\n" % number)
        while (line := await queue.get()) is not None:
            await response.write(b"data: " + line + b"\n\n")
        return response

    async def _taken(self, request: web.Request) -> web.StreamResponse:
        message = json.loads(await request.read())
        queue = self._streams[int(request.query["id"][1:])]
        strikes = message.get("method") == "tools/call" and not self._struck
        if strikes and self.case.event in (Event.LATE, Event.ENDED):
            self.calls += 1
            self._strike(message)
            self.hanging.set()
            if self.case.event is Event.ENDED:
                queue.put_nowait(None)
            return web.Response(status=202)
        session = self._session
        answer = await self._answer(request, message)
        if message.get("method") == "initialize":
            self._session = session
        if answer.status != 200 or not isinstance(answer, web.Response):
            return answer
        if message.get("id") is not None:
            queue.put_nowait(bytes(answer.body))  # type: ignore[arg-type]
        return web.Response(status=202)


CHILD = """
import json, pathlib, sys
path, event, effect = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "True"
def say(id, result):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}) + chr(10)); sys.stdout.flush()
def note(kind):
    with path.open("a") as file:
        file.write(kind + chr(10))
for line in sys.stdin:
    message = json.loads(line)
    method, id = message.get("method"), message.get("id")
    if method == "initialize":
        info = {"name": "l", "version": "1"}
        say(id, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/call":
        struck = path.exists() and "call" in path.read_text()
        note("call")
        if struck or effect:
            note("effect")
        if struck:
            say(id, {"content": [{"type": "text", "text": "done"}]})
        elif event == "ENDED":
            sys.exit(1)
    elif id is not None:
        say(id, {"tools": json.loads(sys.argv[4])})
"""


def child(path: Path, case: Case) -> dict[str, Any]:
    """The same as a process: its entry in a configuration; `path` is the ledger."""
    args = ["-c", CHILD, str(path), case.event.name, str(case.effect), json.dumps(TOOLS)]
    return {"command": sys.executable, "args": args}
