"""A whole callmux in front of a server that wants a sign-in: who is told, and what a sign-in changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.stores.tokens import TokenStore, token_directory
from tests.live.harness import Client, callmux, environment, error_of, run, text_of, write_config
from tests.oauth.scene import Guarded, guarded


@pytest.fixture
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


def store(tmp_path: Path) -> TokenStore:
    return TokenStore(token_directory(environment(tmp_path, "")))


def config(tmp_path: Path, server: Guarded) -> Path:
    return write_config(tmp_path / "callmux.json", {"guarded": {"url": server.url}})


async def call(client: Client, tool: str) -> Any:
    arguments = {"tool": tool, "server": "guarded"}
    return await client.request("tools/call", {"name": "callmux_call", "arguments": arguments})


async def worked(client: Client, tool: str) -> str:
    """What a call gives once it works."""
    async with asyncio.timeout(20):
        while (result := await call(client, tool)).get("isError"):
            await asyncio.sleep(0.05)
    return text_of(result)


def test_calls_fail_at_once_until_somebody_signs_in_and_then_work(server: Guarded, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callmux(tmp_path, "--config", config(tmp_path, server)) as client:
            await client.initialize()
            refused = error_of(await call(client, "whoami"))
            assert refused["code"] == "sign_in_needed"
            assert "callmux login guarded" in refused["message"]
            before = server.control()["unauthorized"]
            assert error_of(await call(client, "whoami"))["code"] == "sign_in_needed"
            assert server.control()["unauthorized"] == before
            await server.sign_in(store(tmp_path))
            assert await worked(client, "whoami") == "ann"
            assert "whoami" in await client.names()

    run(scenario())
