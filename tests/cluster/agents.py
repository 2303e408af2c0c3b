"""Clients of a trial: through the bridge, the official SDK's client, and plain HTTP that repeats nothing.

Called by `trial`. Each makes one call after the other, and writes down what became of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from mcp.client import Client as SdkClient

from tests.live.harness import Client, Json, Refused, callmux, error_of
from tests.nodes.pair import GREETING, HEADERS

DEADLINE_SECONDS = 40.0
"""How long any call of a client may take."""
SAFE = ("read", "slow_read", "put")
TOOLS = ("read", "read", "slow_read", "put", "write", "slow")
OK, UNKNOWN, CUT, LOST = "ok", "unknown", "cut", "session lost"
"""What can become of a call: its answer, a definite "nobody knows", no answer, or no session any more."""


@dataclass(slots=True)
class Made:
    """A call.

    Attributes:
        kind: Of its client.
        tool, token: What was called.
        began, over: When.
        state: What became of it.
        said: The same in words, where it is not well.
    """

    kind: str
    tool: str
    token: str
    began: float
    over: float = 0.0
    state: str = ""
    said: str = ""

    @property
    def is_safe(self) -> bool:
        return self.tool in SAFE


class Agent(Protocol):
    """A client with a session."""

    kind: str

    async def call(self, tool: str, token: str, ms: int) -> tuple[str, str]:
        """Calls a tool; gives what became of it, and the same in words."""


class Bridged:
    """A client behind `callmux bridge`."""

    kind = "bridge"

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, token: str, ms: int) -> tuple[str, str]:
        try:
            result = await self._client.call(tool, {"token": token, "ms": ms}, DEADLINE_SECONDS)
        except Refused as refused:
            return CUT, str(refused)
        return judged(result)


class Sdk:
    """The official SDK's client, which resumes streams."""

    kind = "sdk"

    def __init__(self, client: SdkClient) -> None:
        self._client = client

    async def call(self, tool: str, token: str, ms: int) -> tuple[str, str]:
        try:
            result = await self._client.call_tool(tool, {"token": token, "ms": ms})
        except Exception as error:  # noqa: BLE001 - whatever it raises is what its user sees
            said = f"{type(error).__name__}: {error}"
            return (LOST if "ession" in said and "erminated" in said else CUT), said
        return judged(result.model_dump(mode="json", by_alias=True))


class Plain:
    """HTTP requests, of which none is repeated or resumed."""

    kind = "plain"

    def __init__(self, http: aiohttp.ClientSession, url: str, session: str) -> None:
        self._http = http
        self._url = url
        self._session = session
        self._id = 1

    async def call(self, tool: str, token: str, ms: int) -> tuple[str, str]:
        self._id += 1
        params = {"name": tool, "arguments": {"token": token, "ms": ms}}
        try:
            status, text = await self._posted(self._id, "tools/call", params)
        except (aiohttp.ClientError, OSError) as error:
            return CUT, f"{type(error).__name__}: {error}"
        if status == 404:
            return LOST, text
        if status != 200:
            return CUT, f"HTTP {status}: {text[:200]}"
        found = answer_in(text, self._id)
        if found is None:
            return CUT, f"no answer in {text[-200:]!r}"
        if "error" in found:
            return CUT, json.dumps(found["error"])
        return judged(found["result"])

    async def _posted(self, id: int, method: str, params: Json) -> tuple[int, str]:
        headers = {
            "accept": HEADERS["accept"],
            "mcp-session-id": self._session,
            "mcp-protocol-version": GREETING["protocolVersion"],
        }
        body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            self._http.post(self._url, json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text()


def answer_in(text: str, id: int) -> Json | None:
    """The answer to a request in a body, JSON or events."""
    lines = (
        [text] if text.startswith("{") else [ln[6:] for ln in text.splitlines() if ln.startswith("data: {")]
    )
    for line in lines:
        message: Json = json.loads(line)
        if message.get("id") == id and ("result" in message or "error" in message):
            return message
    return None


def judged(result: Any) -> tuple[str, str]:
    """What a result says of the call."""
    if not result.get("isError"):
        return OK, ""
    error = error_of(result)
    state = str(error.get("details", {}).get("executionState"))
    return (UNKNOWN if state == "unknown" else CUT), json.dumps(error)


@contextlib.asynccontextmanager
async def bridged(folder: Path, url: str) -> AsyncIterator[Agent]:
    """A session through a bridge."""
    folder.mkdir()
    async with callmux(folder, "bridge", "--url", url) as client:
        await client.initialize()
        await client.tools()
        yield Bridged(client)
        code = await client.leave()
        assert code == 0, (code, client.log.read_text()[-3000:])


@contextlib.asynccontextmanager
async def of_sdk(url: str) -> AsyncIterator[Agent]:
    """A session of the SDK's client."""
    async with SdkClient(url, mode="legacy") as client:
        await client.list_tools()
        yield Sdk(client)


@contextlib.asynccontextmanager
async def plain(url: str) -> AsyncIterator[Agent]:
    """A session of plain HTTP."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING}
    headers = {"accept": HEADERS["accept"]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            session = answer.headers["mcp-session-id"]
        yield Plain(http, url, session)


@contextlib.asynccontextmanager
async def opened(kind: str, folder: Path, url: str) -> AsyncIterator[Agent]:
    """A session of one of the kinds."""
    made = bridged(folder, url) if kind == "bridge" else of_sdk(url) if kind == "sdk" else plain(url)
    async with made as agent:
        yield agent


async def work(
    agent: Agent,
    number: int,
    made: list[Made],
    over: asyncio.Event,
    chance: random.Random,
    pause: float,
    longest: int,
) -> None:
    """Calls of every kind, one after the other, until it is over.

    Args:
        pause: Seconds between two calls, at most.
        longest: Milliseconds that a slow call may take.
    """
    clock = asyncio.get_running_loop().time
    count = 0
    while not over.is_set():
        count += 1
        call = Made(agent.kind, chance.choice(TOOLS), f"{agent.kind}-{number}-{count}", clock())
        made.append(call)
        try:
            call.state, call.said = await agent.call(call.tool, call.token, chance.randrange(longest))
        except TimeoutError:
            call.state, call.said = CUT, f"no answer within {DEADLINE_SECONDS:g} s"
        call.over = clock()
        await asyncio.sleep(chance.random() * pause)
