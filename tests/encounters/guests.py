"""Clients: the official SDK's in each of its modes, and one that asks `server/discover` and never greets.

Used by `visits.py`. Whatever a client is, it gives results as JSON, and refusals as `Refused`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import mcp_types as types
from mcp.client import Client, advertise
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from tests.live.harness import Client as Pipes
from tests.live.harness import Json, callmux
from tests.live.modern import REVISION as MODERN
from tests.live.modern import heads, meta
from tests.live.test_many_questions import messages

UI = "io.modelcontextprotocol/ui"
PAGES: Json = {"mimeTypes": ["text/html;profile=mcp-app"]}
MODES = ("auto", "legacy", MODERN, "discover")
"""What a client does first: the SDK's three modes, and the one that never greets."""
SECONDS = 30.0
"""How long any answer may take."""


class Refused(Exception):
    """A JSON-RPC error."""


class Guest(Protocol):
    """A client that is connected."""

    async def ask(self, method: str, params: Json) -> Json:
        """The result of a request.

        Raises:
            Refused: It was answered with an error.
        """


def said(method: str, params: Json) -> Json:
    """What every client answers to a question."""
    if method == "elicitation/create":
        wanted = params.get("requestedSchema", {}).get("properties", {})
        return {"action": "accept", "content": {name: _value(schema) for name, schema in wanted.items()}}
    return {"role": "assistant", "content": {"type": "text", "text": "forty-two"}, "model": "m"}


def _value(schema: Json) -> Any:
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "oneOf" in schema:
        return schema["oneOf"][0]["const"]
    kinds: Json = {"integer": 7, "number": 7, "boolean": True, "array": []}
    if schema.get("format") == "email":
        return "ada@example.org"
    return kinds.get(schema.get("type", "string"), "Ada")


# ---- the SDK's client ------------------------------------------------------------------------------------


class SdkGuest:
    """The official SDK's client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, method: str, params: Json) -> Json:
        client = self._client
        try:
            async with asyncio.timeout(SECONDS):
                result = await _SDK[method](client, params)
        except MCPError as error:
            raise Refused(f"{error.error.code}: {error.error.message}") from None
        except ValidationError as error:
            raise Refused(f"the client does not understand the answer: {error}") from None
        found: Json = result.model_dump(by_alias=True, exclude_none=True, mode="json")
        return found


def _complete(client: Client, params: Json) -> Any:
    given = params["ref"]
    kind = types.PromptReference if given["type"] == "ref/prompt" else types.ResourceTemplateReference
    argument = {params["argument"]["name"]: params["argument"]["value"]}
    (name, value), *_ = argument.items()
    return client.complete(kind.model_validate(given), {"name": name, "value": value})


_SDK: dict[str, Any] = {
    "tools/list": lambda client, params: client.list_tools(),
    "resources/list": lambda client, params: client.list_resources(),
    "resources/templates/list": lambda client, params: client.list_resource_templates(),
    "prompts/list": lambda client, params: client.list_prompts(),
    "tools/call": lambda client, params: client.call_tool(params["name"], params.get("arguments")),
    "resources/read": lambda client, params: client.read_resource(params["uri"]),
    "prompts/get": lambda client, params: client.get_prompt(params["name"], params.get("arguments")),
    "completion/complete": _complete,
}


async def _elicited(context: Any, params: Any) -> types.ElicitResult:
    given = params.model_dump(by_alias=True, exclude_none=True, mode="json")
    return types.ElicitResult.model_validate(said("elicitation/create", given))


async def _sampled(context: Any, params: Any) -> types.CreateMessageResult:
    return types.CreateMessageResult.model_validate(said("sampling/createMessage", {}))


@asynccontextmanager
async def _sdk(mode: str, where: Command | str) -> AsyncIterator[Guest]:
    async with AsyncExitStack() as stack:
        target: Any = where
        if isinstance(where, Command):
            errors = stack.enter_context(where.log.open("w"))
            words = [*where.words]
            told = StdioServerParameters(
                command=words[0], args=words[1:], env=dict(where.env), cwd=where.folder
            )
            target = stdio_client(told, errlog=errors)
        client = Client(
            target,
            mode=mode,
            elicitation_callback=_elicited,
            sampling_callback=_sampled,
            extensions=[advertise(UI, PAGES)],
        )
        yield SdkGuest(await stack.enter_async_context(client))


# ---- one that never greets --------------------------------------------------------------------------------

DECLARED: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "extensions": {UI: PAGES}}
META: Json = {
    **meta(**DECLARED),
    "io.modelcontextprotocol/clientInfo": {"name": "looks first", "version": "1"},
}


class PlainGuest:
    """A client that says of itself in each request what others say in a handshake, and comes again when it
    is asked something."""

    async def once(self, method: str, params: Json) -> Json:
        """The whole answer to a request."""
        raise NotImplementedError

    async def look(self) -> None:
        """Asks who is there.

        Raises:
            Refused: Nobody that speaks its revision.
        """
        found = await self.ask("server/discover", {})
        if MODERN not in found.get("supportedVersions", ()):
            raise Refused(f"it speaks {found.get('supportedVersions')}")

    async def ask(self, method: str, params: Json) -> Json:
        more: Json = {}
        while True:
            async with asyncio.timeout(SECONDS):
                message = await self.once(method, {**params, **more, "_meta": META})
            if "error" in message:
                raise Refused(f"{message['error']['code']}: {message['error']['message']}")
            result: Json = message["result"]
            if result.get("resultType") != "input_required":
                return result
            asked = result.get("inputRequests", {})
            more = {
                "inputResponses": {key: said(q["method"], q.get("params", {})) for key, q in asked.items()}
            }
            if "requestState" in result:
                more["requestState"] = result["requestState"]


class LineGuest(PlainGuest):
    """Over pipes."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes

    async def once(self, method: str, params: Json) -> Json:
        return await self._pipes.send(method, params)


class PostGuest(PlainGuest):
    """Over HTTP."""

    def __init__(self, web: aiohttp.ClientSession, url: str) -> None:
        self._web, self._url, self._last = web, url, 0

    async def once(self, method: str, params: Json) -> Json:
        self._last += 1
        head = {"Accept": "application/json, text/event-stream", **heads(method, params)}
        request = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        async with (
            self._web.post(self._url, json=request, headers=head) as answer,
            aclosing(messages(answer, whole=False)) as coming,
        ):
            async for message in coming:
                if message.get("id") == self._last:
                    return message
        raise Refused("no answer")


@asynccontextmanager
async def _plain(where: Command | str) -> AsyncIterator[Guest]:
    async with AsyncExitStack() as stack:
        guest: PlainGuest
        if isinstance(where, str):
            time = aiohttp.ClientTimeout(total=SECONDS)
            guest = PostGuest(await stack.enter_async_context(aiohttp.ClientSession(timeout=time)), where)
        else:
            words = where.words
            begun = callmux(where.folder, *words[1:], program=words[:1], env=dict(where.env))
            guest = LineGuest(await stack.enter_async_context(begun))
        await guest.look()
        yield guest


# ---- all of them ----------------------------------------------------------------------------------------


class Command:
    """A program that speaks MCP on its pipes.

    Attributes:
        words: The program and its arguments.
        folder: Where it runs.
        env: Its environment.
        log: Where its stderr goes.
    """

    def __init__(self, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.words, self.folder = words, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLMUX_")}
        self.env = {**kept, "HOME": str(folder), **(env or {})}
        self.log = folder / "stderr.log"


def of_callmux(folder: Path, *words: str) -> Command:
    """callmux itself."""
    return Command([sys.executable, "-m", "callmux", *words], folder)


@asynccontextmanager
async def guest(mode: str, where: Command | str) -> AsyncIterator[Guest]:
    """A client of one of the `MODES`, at a program or an address."""
    async with _plain(where) if mode == "discover" else _sdk(mode, where) as made:
        yield made


def shown(value: Any) -> str:
    """A result in one spelling."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
