"""The official SDK on both sides of a real callmux process: everything, over every transport.

The server is `sdk_server.py`; one callmux process and one client serve all tests of a transport, in the order
in which they stand here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from anyio.from_thread import start_blocking_portal
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from tests.support import SECONDS

from .requirements import requirement

HERE = Path(__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


class Sdk:
    """A client made with the SDK, and what it was told and asked.

    Attributes:
        session: Its session.
        notes: The notifications that came.
        asked: The questions that came.
        greeting: The answer to `initialize`.
    """

    def __init__(self) -> None:
        self.session: ClientSession
        self.greeting: types.InitializeResult
        self.notes: list[Any] = []
        self.asked: list[Any] = []
        self._heard = asyncio.Event()

    async def sampling(self, context: Any, params: Any) -> Any:
        self.asked.append(params)
        content = types.TextContent(type="text", text="sampled")
        if params.tools:
            return types.CreateMessageResultWithTools(role="assistant", content=content, model="with tools")
        return types.CreateMessageResult(role="assistant", content=content, model="plain")

    async def elicitation(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params)
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept", content={"name": "ann"})

    async def roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root.model_validate({"uri": "file:///ann", "name": "ann"})])

    async def log(self, params: Any) -> None:
        self.take(params)

    async def message(self, message: Any) -> None:
        self.take(message)

    def take(self, note: Any) -> None:
        self.notes.append(note)
        self._heard.set()

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not done():
                self._heard.clear()
                await self._heard.wait()

    def heard(self, kind: type) -> list[Any]:
        return [note for note in self.notes if isinstance(note, kind)]

    async def call(self, tool: str, **given: Any) -> Any:
        return await self.session.call_tool(tool, given)

    async def text(self, tool: str, **given: Any) -> str:
        result = await self.call(tool, **given)
        assert not result.is_error, result
        return str(result.content[0].text)


@contextlib.asynccontextmanager
async def connected(config: Path) -> AsyncIterator[Sdk]:
    sdk = Sdk()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CALLMUX_")}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "callmux", "--config", str(config)], env=environment
    )
    with (config.parent / "stderr").open("w") as errors:
        async with stdio_client(parameters, errlog=errors) as (read, write):
            session = ClientSession(
                read,
                write,
                read_timeout_seconds=SECONDS,
                sampling_callback=sdk.sampling,
                elicitation_callback=sdk.elicitation,
                list_roots_callback=sdk.roots,
                logging_callback=sdk.log,
                message_handler=sdk.message,
                sampling_capabilities=types.SamplingCapability(tools=types.SamplingToolsCapability()),
            )
            async with session:
                sdk.session = session
                sdk.greeting = await session.initialize()
                yield sdk


@contextlib.contextmanager
def serving(kind: str) -> Iterator[dict[str, Any]]:
    """The server's entry in a configuration, while it runs."""
    script = str(HERE / "sdk_server.py")
    if kind == "stdio":
        yield {"command": sys.executable, "args": [script, "stdio"]}
        return
    process = subprocess.Popen([sys.executable, script, kind], stdout=subprocess.PIPE, text=True)
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        yield {"url": process.stdout.readline().strip()}
    finally:
        killer.cancel()
        process.kill()
        process.communicate()


Run = Callable[[Callable[[Sdk], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(scope="module", params=["stdio", "http", "sse"])
def sdk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a coroutine function with the client of one transport."""
    directory = tmp_path_factory.mktemp("sdk")
    config = directory / "callmux.json"
    with serving(request.param) as entry, start_blocking_portal("asyncio") as portal:
        config.write_text(json.dumps({"servers": {"everything": entry}, "strictStartup": True}))
        with portal.wrap_async_context_manager(connected(config)) as client:

            async def bounded(test: Callable[[Sdk], Coroutine[Any, Any, Any]]) -> Any:
                async with asyncio.timeout(SECONDS):
                    return await test(client)

            yield lambda test: portal.call(bounded, test)


def over_sdk(*ids: str) -> Callable[[Callable[[Sdk], Coroutine[Any, Any, Any]]], Callable[[Run], None]]:
    """A test that is a coroutine of the client, and the requirements it shows."""

    def decorate(test: Callable[[Sdk], Coroutine[Any, Any, Any]]) -> Callable[[Run], None]:
        @requirement("sdk.everything", *ids)
        def run(sdk: Run) -> None:
            sdk(test)

        run.__doc__, run.__name__ = test.__doc__, test.__name__
        return run

    return decorate


@over_sdk("initialize.version", "initialize.instructions", "initialize.capabilities-down")
async def test_greeting(sdk: Sdk) -> None:
    assert sdk.greeting.protocol_version == "2025-11-25"
    assert "Has everything." in (sdk.greeting.instructions or "")
    capabilities = sdk.greeting.capabilities
    assert capabilities.resources is not None
    assert capabilities.resources.subscribe is True
    assert capabilities.prompts is not None
    assert capabilities.logging is not None
    assert capabilities.completions is not None


@over_sdk("initialize.capabilities-up")
async def test_the_server_is_told_what_the_sdks_client_declares(sdk: Sdk) -> None:
    shown = (await sdk.call("capabilities")).structured_content
    assert shown["roots"] == {"listChanged": True}
    assert shown["elicitation"] == {"form": {}, "url": {}}
    assert shown["sampling"] == {"tools": {}}


@over_sdk("ping.client", "ping.server")
async def test_pings(sdk: Sdk) -> None:
    await sdk.session.send_ping()
    assert await sdk.text("ping") == "pong"


@over_sdk("tools.list", "pagination.upstream")
async def test_listing_tools(sdk: Sdk) -> None:
    tools = {tool.name: tool for tool in (await sdk.session.list_tools()).tools}
    assert {"echo", "wait", "update", "callmux_parallel"} <= set(tools)
    assert tools["echo"].title == "Echo"
    assert tools["echo"].icons is not None
    assert tools["echo"].icons[0].sizes == ["48x48"]


@over_sdk("tools.call", "tools.content", "tools.structured")
async def test_calling(sdk: Sdk) -> None:
    result = await sdk.call("echo", n=1, deep={"a": [None, 1.5, "ä😀"]})
    assert result.structured_content == {"n": 1, "deep": {"a": [None, 1.5, "ä😀"]}}
    assert [block.type for block in result.content] == ["text", "resource_link"]
    assert result.meta == {"example/n": 1}


@over_sdk("tools.content", "tools.error")
async def test_several_results_as_they_are(sdk: Sdk) -> None:
    calls = [{"tool": "echo", "arguments": {"n": 1}}, {"tool": "fail"}, {"tool": "nowhere"}]
    result = await sdk.call("callmux_parallel", calls=calls, outputFormat="plain")
    assert not result.is_error
    assert result.structured_content is None
    assert [block.type for block in result.content] == ["text"] * 3 + ["resource_link"] + ["text"] * 5
    texts = [getattr(block, "text", "") for block in result.content]
    assert texts[0].startswith("partial: 1 succeeded, 2 failed, failedIndexes [1,2]; ")
    assert texts[1] == "\n=== [0] echo: 3 blocks: 8 bytes, link, structuredContent 7 bytes\n"
    assert (texts[2], texts[4]) == ("{'n': 1}", '{"n":1}')
    assert result.content[3].uri == "note://1"
    assert texts[5:7] == ["\n=== [1] fail: FAILED, 2 bytes\n", "no"]
    assert texts[7].startswith("\n=== [2] nowhere: FAILED, ")
    assert json.loads(texts[8])["error"]["code"] == "tool_not_found"
    assert result.meta["callmux/outcome"]["failedIndexes"] == [1, 2]


@over_sdk("tools.call")
async def test_what_the_conversation_cost(sdk: Sdk) -> None:
    async def usage() -> Any:
        return (await sdk.call("callmux_status")).structured_content["usage"]

    before = await usage()
    calls = [{"tool": "echo", "arguments": {"n": n}} for n in range(5)]
    await sdk.call("callmux_parallel", calls=calls)
    await sdk.call("echo", n=1)
    after = await usage()
    assert after["estimated"] is True
    grown = {
        way: after[way]["turns"] - before[way]["turns"] for way in ("asSeen", "oneByOne", "severalATurn")
    }
    assert grown == {"asSeen": 3, "oneByOne": 6, "severalATurn": 2}
    assert after["oneByOne"]["readTokens"] > after["severalATurn"]["readTokens"] > 0


@over_sdk("tools.error", "elicitation.required")
async def test_errors_of_tools(sdk: Sdk) -> None:
    assert (await sdk.call("fail")).is_error
    with pytest.raises(MCPError) as caught:
        await sdk.call("authorize")
    assert caught.value.error.code == -32042
    assert caught.value.error.data["elicitations"][0]["elicitationId"] == "e1"


@over_sdk("prompts.list", "prompts.get", "completion.prompt", "completion.resource")
async def test_prompts_and_completion(sdk: Sdk) -> None:
    (prompt,) = (await sdk.session.list_prompts()).prompts
    assert (prompt.name, prompt.arguments and prompt.arguments[0].name) == ("greet", "who")
    got = await sdk.session.get_prompt("greet", {"who": "ann"})
    assert got.messages[0].content.text == "Hello ann"  # type: ignore[union-attr]
    reference = types.PromptReference(type="ref/prompt", name="greet")
    done = await sdk.session.complete(reference, {"name": "who", "value": "a"}, {"x": "y"})
    assert done.completion.values == ["greet who=a {'x': 'y'}"]
    template = types.ResourceTemplateReference(type="ref/resource", uri="note://{id}")
    done = await sdk.session.complete(template, {"name": "id", "value": "1"})
    assert done.completion.values == ["note://{id} id=1 None"]


@over_sdk("resources.list", "resources.templates", "resources.read", "resources.not-found", "errors.pass")
async def test_resources(sdk: Sdk) -> None:
    assert [str(r.uri) for r in (await sdk.session.list_resources()).resources] == ["note://1"]
    (template,) = (await sdk.session.list_resource_templates()).resource_templates
    assert template.uri_template == "note://{id}"
    for uri in ("note://1", "note://77"):
        read = await sdk.session.read_resource(uri)
        assert read.contents[0].text == f"text of {uri}"  # type: ignore[union-attr]
    with pytest.raises(MCPError) as caught:
        await sdk.session.read_resource("note://none")
    assert (caught.value.error.code, caught.value.error.data) == (-32002, {"uri": "note://none"})


@over_sdk("resources.subscribe", "resources.updated")
async def test_subscriptions(sdk: Sdk) -> None:
    await sdk.session.subscribe_resource("note://1")
    assert await sdk.text("told", what="subscribe note://1") == "yes"
    await sdk.call("update", uri="note://2")
    await sdk.call("update", uri="note://1")
    await sdk.until(lambda: sdk.heard(types.ResourceUpdatedNotification))
    assert [str(note.params.uri) for note in sdk.heard(types.ResourceUpdatedNotification)] == ["note://1"]
    await sdk.session.unsubscribe_resource("note://1")
    assert await sdk.text("told", what="unsubscribe note://1") == "yes"


@over_sdk("sampling.create")
async def test_sampling(sdk: Sdk) -> None:
    assert "plain: " in await sdk.text("sample")
    assert "with tools: " in await sdk.text("sample", tools=True)
    assert sdk.asked[-1].max_tokens == 7
    assert sdk.asked[-1].tools[0].name == "t"


@over_sdk("elicitation.form", "elicitation.url")
async def test_elicitation(sdk: Sdk) -> None:
    assert await sdk.text("elicit") == "accept {'name': 'ann'}"
    assert await sdk.text("elicit_url") == "accept"
    assert sdk.asked[-1].url == "https://x.example/"
    await sdk.until(lambda: sdk.heard(types.ElicitCompleteNotification))
    assert sdk.heard(types.ElicitCompleteNotification)[0].params.elicitation_id == "e1"


@over_sdk("roots.list", "roots.list-changed")
async def test_roots(sdk: Sdk) -> None:
    assert await sdk.text("roots") == "file:///ann"
    await sdk.session.send_roots_list_changed()
    assert await sdk.text("told", what="roots changed") == "yes"


@over_sdk("progress.server")
async def test_progress(sdk: Sdk) -> None:
    steps: list[Any] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))
        sdk.take(None)

    await sdk.session.call_tool("progress", {}, progress_callback=step)
    await sdk.until(lambda: len(steps) == 3)
    assert sorted(steps) == [(n, 3, f"step {n}") for n in range(3)]


@over_sdk("logging.level", "logging.message", "logging.filter")
async def test_logging(sdk: Sdk) -> None:
    await sdk.session.set_logging_level("warning")
    assert await sdk.text("told", what="level warning") == "yes"
    await sdk.call("log")
    kind = types.LoggingMessageNotificationParams
    await sdk.until(lambda: len(sdk.heard(kind)) >= 2)
    assert [(note.level, note.data, note.logger) for note in sdk.heard(kind)] == [
        ("warning", {"at": "warning"}, "own"),
        ("error", {"at": "error"}, "own"),
    ]


@over_sdk("cancel.client")
async def test_cancellation(sdk: Sdk) -> None:
    waiting = asyncio.ensure_future(sdk.call("wait"))
    assert await sdk.text("started") == "started"
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await sdk.text("told", what="cancelled") == "yes"


@over_sdk("tools.list-changed", "prompts.list-changed", "resources.list-changed")
async def test_lists_change(sdk: Sdk) -> None:
    """The last test of a transport: the server stays changed."""
    assert await sdk.text("change") == "changed"
    kinds = (
        types.ToolListChangedNotification,
        types.PromptListChangedNotification,
        types.ResourceListChangedNotification,
    )
    await sdk.until(lambda: all(sdk.heard(kind) for kind in kinds))
    assert await sdk.text("new") == "new"
    assert [prompt.name for prompt in (await sdk.session.list_prompts()).prompts] == ["greet", "new"]
    uris = [str(resource.uri) for resource in (await sdk.session.list_resources()).resources]
    assert uris == ["note://1", "note://new"]
