"""A bench for meta-tools: an engine whose one door is a script, and requests as a client writes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgspec
import pytest
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.config.recipes import Recipe
from callmux.context import CallContext, ClientPort
from callmux.errors import CallmuxError, InvalidArguments
from callmux.metatools.engine import Begun, Engine
from callmux.metatools.meta_tool import META_TOOLS
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.envelope import failure
from callmux.rings.preparing import Preparing
from callmux.rings.shield.shelf import Shelf
from callmux.rings.stage import Cancelled, Outcome
from callmux.stores.memory import MemoryCache, MemoryResults
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import planned

Answer = Callable[[ToolCall], Any]


class Client:
    """A client that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, Any]] = []

    def notify(self, method: str, params: bytes | None) -> None:
        self.notes.append((method, params and json.loads(params)))


def text(value: str, **more: Any) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": value}], **more}


def echo(call: ToolCall) -> dict[str, Any]:
    """What the scripted server answers where a test says nothing else."""
    seen = {"tool": call.spelling, "args": None if call.arguments is None else call.arguments}
    return text(msgspec.json.encode(seen).decode())


class Bench:
    """Runs requests against scripted tools.

    Attributes:
        answers: Answer by tool name: a result, raw bytes, an exception, or a function of the call.
        calls: The calls that came through the door.
        facts: What the status source says.
        preparing: What makes arguments ready.
        cached: Bare names of tools whose results are in the cache.
        recipes: The workflows of the configuration.
        output_format: The format of answers to requests that name none.
        index_tokens: Tokens that an index of the tools may take in the list.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[ToolCall] = []
        self.contexts: list[CallContext] = []
        self.facts: dict[str, Any] = {"servers": [], "failedServers": [], "wrappedServers": []}
        self.catalogue = Catalogue([])
        self.client = Client()
        self.context = CallContext(client=cast(ClientPort, self.client))
        self.description_limit: int | None = None
        self.cache = MemoryCache()
        self.kept = MemoryResults()
        self.results = Shelf(store=self.kept)
        self.preparing = Preparing()
        self.cached: set[str] = set()
        self.recipes: dict[str, Recipe] = {}
        self.now = 0.0
        self.output_format = "json"
        self.index_tokens = 0

    def serve(self, **servers: Sequence[dict[str, Any] | str]) -> None:
        """Fills the catalogue."""
        self.catalogue = Catalogue(
            [
                ServerTools(
                    server=key,
                    tools=[
                        Tool(json.dumps({"name": t} if isinstance(t, str) else t).encode()) for t in tools
                    ],
                    listed=True,
                )
                for key, tools in servers.items()
            ]
        )

    @property
    def engine(self) -> Engine:
        return Engine(
            call=self._call,
            begin=self._begin,
            prepare=self._prepare,
            is_cached=lambda call: call.target in self.cached,
            catalogue=lambda: self.catalogue,
            status=lambda: self.facts,
            description_limit=self.description_limit,
            clock=Clock(monotonic=lambda: self.now, wall=lambda: 0.0),
            cache=self.cache,
            results=self.results,
            recipes=self.recipes,
            output_format=self.output_format,
            index_tokens=self.index_tokens,
        )

    def configure(self, **recipes: Any) -> None:
        """Sets the recipes of the configuration."""
        checked = check_document({"servers": {}, "recipes": recipes})
        assert checked.errors == []
        self.recipes = checked.config.recipes

    async def _prepare(self, call: ToolCall, context: CallContext) -> Call:
        found = self.catalogue.find(call.spelling, call.server)
        sent = planned(
            context=context,
            server=found.server,
            method="tools/call",
            target=found.bare,
            asked=call,
            arguments=call.arguments,
            tool=found.tool,
            seconds=5,
            deadline=asyncio.get_running_loop().time() + 5,
        )
        return await self.preparing.prepare(sent)

    async def _call(self, call: ToolCall, context: CallContext) -> Result:
        self.calls.append(call)
        self.contexts.append(context)
        answer = self.answers.get(call.spelling, echo)
        if callable(answer):
            answer = answer(call)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, CallmuxError):
            return failure(answer)
        return Result(answer if isinstance(answer, bytes) else msgspec.json.encode(answer))

    def _begin(self, call: ToolCall, context: CallContext, done: Callable[[Any, Outcome], None]) -> Begun:
        """As the door does, with a task for each call."""

        def ended(task: asyncio.Task[Result]) -> None:
            done(None, Cancelled(None) if task.cancelled() else task.exception() or task.result())

        task = asyncio.get_running_loop().create_task(self._call(call, context))
        task.add_done_callback(ended)
        return task

    def parse(self, name: str, arguments: Any) -> Plan:
        raw = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
        return META_TOOLS[name].read(Raw(raw))

    async def arun(self, name: str, arguments: Any) -> Result:
        plan = self.parse(name, arguments)
        return await META_TOOLS[plan.name].run(plan, self.engine, self.context)

    def finish(self, running: Awaitable[Result]) -> Result:
        """The result of a meta-tool that was called on its own."""

        async def finished() -> Result:
            return await running

        return asyncio.run(finished())

    def run(self, name: str, arguments: Any) -> dict[str, Any]:
        """The whole result of a request."""
        value: dict[str, Any] = json.loads(asyncio.run(self.arun(name, arguments)).raw)
        return value

    def payload(self, name: str, arguments: Any) -> dict[str, Any]:
        """The payload of a request; its text says the same."""
        result = self.run(name, arguments)
        payload: dict[str, Any] = result["structuredContent"]
        assert "isError" not in result
        assert json.loads(result["content"][0]["text"]) == payload
        return payload

    def refused(self, name: str, arguments: Any) -> str:
        """The field that a refused request is told about; nothing ran."""
        before = len(self.calls)
        with pytest.raises(InvalidArguments) as caught:
            self.run(name, arguments)
        assert len(self.calls) == before
        field = caught.value.details["field"]
        assert isinstance(field, str)
        return field


@pytest.fixture
def bench() -> Bench:
    return Bench()
