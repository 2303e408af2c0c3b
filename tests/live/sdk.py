"""The official SDK's client at callmux: on stdio, at a listener, and through the bridge."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.support import free_port

from .harness import environment
from .test_listener import run_listener

WAYS = ("stdio", "listener", "bridge")


def text(result: Any) -> str:
    """The text of a result."""
    return "\n".join(block.text for block in result.content if block.type == "text")


@asynccontextmanager
async def connected(
    way: str, mode: str, folder: Path, config: Path, port: int | None = None, **callbacks: Any
) -> AsyncIterator[Client]:
    """A client that is connected.

    Args:
        way: One of the `WAYS`.
        mode: What the client does first: `auto`, `legacy`, or a revision.
        port: Where a listener with this configuration runs already, for all ways but `stdio`.
        callbacks: Who answers its questions, as the SDK's client takes them.
    """
    own = way != "stdio" and port is None
    port = port or free_port()
    listening = run_listener(folder, config, port) if own else nullcontext()
    url = f"http://127.0.0.1:{port}/mcp"
    words = {"stdio": ["--config", str(config)], "bridge": ["bridge", "--url", url]}.get(way)
    with listening:
        target: Any = url
        if words is not None:
            env = environment(folder, "")
            target = StdioServerParameters(command=sys.executable, args=["-m", "callmux", *words], env=env)
        async with Client(target, mode=cast(Any, mode), **callbacks) as client:
            yield client
