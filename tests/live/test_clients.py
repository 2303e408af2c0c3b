"""Clients that others wrote against a real listener: the official SDK and the MCP inspector, every way in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters

from tests import conformance
from tests.support import free_port, real_loop

from .harness import environment, stdio, write_config
from .test_listener import run_listener

SERVER = Path(conformance.__file__ or "").with_name("server.py")
SIMPLE = "This is a simple text response for testing."
WAYS = ("mcp", "sse", "bridge")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A listener in front of two servers."""
    server = stdio([sys.executable, "-I", str(SERVER)])
    config = write_config(tmp_path / "callmux.json", {"one": server, "two": server})
    number = free_port()
    with run_listener(tmp_path, config, number):
        yield number


def bridge_words(port: int) -> list[str]:
    return ["-m", "callmux", "bridge", "--url", f"http://127.0.0.1:{port}/mcp"]


def sdk_way(way: str, port: int, tmp_path: Path) -> Any:
    """What the SDK's client connects to."""
    if way == "mcp":
        return f"http://127.0.0.1:{port}/mcp"
    if way == "sse":
        return sse_client(f"http://127.0.0.1:{port}/sse")
    return StdioServerParameters(
        command=sys.executable, args=bridge_words(port), env=environment(tmp_path, ""), cwd=tmp_path
    )


@real_loop()
@pytest.mark.parametrize("way", WAYS)
async def test_the_sdk_client_has_all_of_mcp_through_the_listener(
    way: str, port: int, tmp_path: Path
) -> None:
    logs: list[Any] = []
    seen: list[float] = []

    async def logged(params: Any) -> None:
        logs.append(params.data)

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def elicited(context: Any, params: Any) -> Any:
        from mcp.types import ElicitResult

        return ElicitResult(action="accept", content={"username": "ada", "email": "a@example.org"})

    to = sdk_way(way, port, tmp_path)
    async with Client(
        to, mode="legacy", logging_callback=logged, elicitation_callback=elicited, read_timeout_seconds=20
    ) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"one__test_simple_text", "two__test_simple_text", "callmux_parallel"} <= names
        (block,) = (await client.call_tool("one__test_simple_text", {})).content
        assert getattr(block, "text", None) == SIMPLE
        calls = [{"tool": f"{name}__test_simple_text"} for name in ("one", "two")]
        both = await client.call_tool("callmux_parallel", {"calls": calls})
        assert both.structured_content is not None
        assert both.structured_content["succeeded"] == 2
        await client.call_tool("one__test_tool_with_progress", {}, progress_callback=progressed)
        assert seen == [0, 50, 100]
        asked = await client.call_tool("two__test_elicitation", {"message": "who?"})
        assert "ada" in str(asked.content)
        await client.call_tool("one__test_tool_with_logging", {})
        assert logs[0] == "Tool execution started"
        read = await client.read_resource("test://static-text")
        assert "static text resource" in str(read.contents)
        prompt = await client.get_prompt("one__test_simple_prompt")
        assert "simple prompt" in str(prompt.messages)


@pytest.mark.parametrize("way", WAYS)
def test_the_inspector_lists_and_calls_through_the_listener(
    way: str, port: int, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    if way == "bridge":
        kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        variables = [word for name, value in kept.items() for word in ("-e", f"{name}={value}")]
        to = [sys.executable, *variables, *bridge_words(port)]
    else:
        to = [f"http://127.0.0.1:{port}/{way}"]

    def inspect(*words: str) -> Any:
        done = subprocess.run(
            [*npm_tool("mcp-inspector"), "--cli", *to, "--method", *words],
            env=environment(tmp_path, ""),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    names = {tool["name"] for tool in inspect("tools/list")["tools"]}
    assert {"one__test_simple_text", "callmux_parallel"} <= names
    called = inspect("tools/call", "--tool-name", "two__test_simple_text")
    assert called["content"] == [{"type": "text", "text": SIMPLE}]
    assert {p["name"] for p in inspect("prompts/list")["prompts"]} >= {"one__test_simple_prompt"}
    read = inspect("resources/read", "--uri", "test://static-text")
    assert read["contents"][0]["mimeType"] == "text/plain"
