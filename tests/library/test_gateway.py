"""A program calls tools in its own process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux import Gateway, facts
from callmux.errors import CallmuxError, ConfigError
from callmux.library.gateway import RequestFailed, ToolResult
from tests.support import real_loop

SERVER = [sys.executable, str(Path(__file__).parent / "notes_server.py")]
NOTES = {"command": SERVER[0], "args": SERVER[1:]}
CONFIG: dict[str, Any] = {"servers": {"notes": NOTES}}
ENV = {"PATH": os.environ["PATH"]}


@real_loop()
async def test_tools_are_listed_and_called_by_everything_that_callmux_has() -> None:
    async with Gateway(CONFIG, env=ENV) as gateway:
        names = {tool["name"] for tool in await gateway.list_tools()}
        assert names >= {"add", "wait", "callmux_parallel"}
        result = await gateway.call_tool("add", {"text": "milk"})
        assert (result.is_error, result.data) == (False, {"added": "milk"})
        calls = [{"tool": "add", "arguments": {"text": t}} for t in ("a", "b")]
        many = await gateway.call_tool("callmux_parallel", {"calls": calls})
        assert not many.is_error
        assert "added" in many.text
        assert (await gateway.call_tool("fail")).is_error
        unknown = await gateway.call_tool("zzz")
        assert (unknown.is_error, unknown.data["error"]["code"]) == (True, "tool_not_found")


@real_loop()
async def test_what_happens_is_told_to_whoever_subscribed() -> None:
    gateway = Gateway(CONFIG, env=ENV)
    with pytest.raises(RequestFailed, match="does not run"):
        await gateway.ready()
    called: list[str] = []
    gateway.subscribe(facts.CallEnded, lambda call: called.append(call.target))
    events = gateway.events(facts.ServerUp, facts.CallEnded)
    async with gateway:
        assert await gateway.ready() == "ok"
        await gateway.call_tool("add", {"text": "milk"})
    assert called == ["add"]
    assert [type(fact) for fact in [fact async for fact in events]] == [facts.ServerUp, facts.CallEnded]


@real_loop()
async def test_errors_of_the_protocol_are_raised() -> None:
    async with Gateway(CONFIG, env=ENV) as gateway:
        with pytest.raises(CallmuxError) as refused:
            await gateway.request("prompts/get", {"name": "none"})
        assert isinstance(refused.value, RequestFailed)
        assert refused.value.rpc_code is not None
    with pytest.raises(RequestFailed, match="does not run"):
        await gateway.call_tool("add")


@real_loop()
async def test_cancelling_a_task_cancels_its_call_and_closing_ends_what_waits() -> None:
    async with Gateway(CONFIG, env=ENV) as gateway:
        await gateway.list_tools()
        task = asyncio.create_task(gateway.call_tool("wait", {"seconds": 0.3}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gateway._waiting == {}
        assert (await gateway.call_tool("add", {"text": "x"})).data == {"added": "x"}
        last = asyncio.create_task(gateway.call_tool("wait", {"seconds": 5}))
        await asyncio.sleep(0)
    with pytest.raises(RequestFailed):
        await last


@real_loop()
async def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "callmux.json"
    path.write_text('{"servers": {"notes": {"command": 1}}}')
    with pytest.raises(ConfigError, match="command"):
        await Gateway(path).start()
    gateway = Gateway({"servers": {}})
    await gateway.start()
    await gateway.start()
    assert all(tool["name"].startswith("callmux_") for tool in await gateway.list_tools())
    await gateway.close()
    await gateway.close()


def test_a_result_has_its_text_and_its_data() -> None:
    text = {"type": "text", "text": "plain"}
    assert ToolResult({"content": [text, {"type": "image"}, text]}, False).text == "plain\nplain"
    assert ToolResult({"content": [text]}, False).data == "plain"
    assert ToolResult({"structuredContent": {"a": 1}}, False).data == {"a": 1}
    assert ToolResult({}, False).text == ""


@real_loop()
async def test_what_another_client_is_given_is_told_by_its_name() -> None:
    async with Gateway(CONFIG, env=ENV) as gateway:
        await gateway.ready()
        told, tools = await gateway.given_to("claude-code")
        plain = await gateway.list_tools()
    assert "callmux" in told
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in plain]
    loaded = {tool["name"] for tool in tools if (tool.get("_meta") or {}).get("anthropic/alwaysLoad")}
    assert "callmux_call" in loaded
    with pytest.raises(RequestFailed, match="does not run"):
        await gateway.given_to("claude-code")
