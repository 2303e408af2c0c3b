"""Servers of either era that send a person to an address, and the official SDK's client in every mode."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from tests.support import free_port

from .harness import environment, python_server, run, stdio, write_config
from .test_listener import run_listener

WAYS = ("stdio", "listener", "bridge")


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


class Visitor:
    """A person who opens addresses: once he has, the file is there.

    Args:
        agrees: What he says.
    """

    def __init__(self, done: Path, agrees: str = "accept") -> None:
        self.done, self.agrees = done, agrees
        self.sent: list[Any] = []

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        self.sent.append(params)
        if self.agrees == "accept":
            self.done.touch()
        return types.ElicitResult(action=cast(Any, self.agrees))


@asynccontextmanager
async def connected(
    way: str, mode: str, tmp_path: Path, visitor: Visitor, *options: str
) -> AsyncIterator[Client]:
    server = stdio(python_server("address_server.py", *options, visitor.done))
    config = write_config(tmp_path / "c.json", {"a": server})
    port = free_port()
    listening = nullcontext() if way == "stdio" else run_listener(tmp_path, config, port)
    url = f"http://127.0.0.1:{port}/mcp"
    words = {"stdio": ["--config", str(config)], "bridge": ["bridge", "--url", url]}.get(way)
    with listening:
        target: Any = url
        if words is not None:
            env = environment(tmp_path, "")
            target = StdioServerParameters(command=sys.executable, args=["-m", "callmux", *words], env=env)
        async with Client(target, mode=cast(Any, mode), elicitation_callback=visitor.elicit) as client:
            yield client


@pytest.mark.parametrize("way", WAYS)
def test_a_client_without_a_handshake_is_asked_to_open_what_a_server_with_one_names(
    way: str, tmp_path: Path
) -> None:
    visitor = Visitor(tmp_path / "done")

    async def scene() -> None:
        async with connected(way, "2026-07-28", tmp_path, visitor) as client:
            paid = await client.call_tool("paid", {})
            assert (paid.is_error, text(paid)) == (False, "paid")
            again = {"calls": [{"tool": "paid", "arguments": {}}]}
            assert "paid" in text(await client.call_tool("callmux_parallel", again))
        (sent,) = visitor.sent
        assert (sent.mode, sent.url, sent.message) == ("url", "https://example.com/key", "enter your key")

    run(scene(), 60)


def test_who_does_not_agree_gets_the_error_of_the_server(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path / "done", "decline")

    async def scene() -> None:
        async with connected("stdio", "2026-07-28", tmp_path, visitor) as client:
            with pytest.raises(MCPError, match="a key is needed") as refused:
                await client.call_tool("paid", {})
            assert refused.value.error.code == -32603, "the code of 2025-11-25 has no meaning here"
            assert refused.value.error.data["elicitations"][0]["url"] == "https://example.com/key"

    run(scene(), 60)


def test_a_client_with_a_handshake_gets_the_error_as_it_is(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path / "done")

    async def scene() -> None:
        async with connected("stdio", "legacy", tmp_path, visitor) as client:
            with pytest.raises(MCPError) as refused:
                await client.call_tool("paid", {})
            assert refused.value.error.code == -32042
        assert visitor.sent == []

    run(scene(), 60)


@pytest.mark.parametrize(
    ("way", "mode"), [("stdio", "2026-07-28"), ("listener", "legacy"), ("bridge", "legacy")]
)
def test_what_a_server_without_a_handshake_wants_opened_is_a_question_to_clients_of_every_revision(
    way: str, mode: str, tmp_path: Path
) -> None:
    visitor = Visitor(tmp_path / "done")

    async def scene() -> None:
        async with connected(way, mode, tmp_path, visitor, "--modern") as client:
            assert text(await client.call_tool("paid", {})) == "accept s"
        (sent,) = visitor.sent
        assert (sent.mode, sent.url) == ("url", "https://example.com/key")
        if mode == "legacy":
            assert sent.elicitation_id, "a visit has a name in 2025-11-25"

    run(scene(), 60)
