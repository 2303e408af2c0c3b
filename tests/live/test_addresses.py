"""Servers of either era that send a person to an address, and the official SDK's client in every mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from .harness import python_server, run, stdio, write_config
from .sdk import WAYS, connected, text


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


def met(way: str, mode: str, tmp_path: Path, visitor: Visitor, *options: str) -> Any:
    """A client of this person, in front of a server that names an address."""
    server = stdio(python_server("address_server.py", *options, visitor.done))
    config = write_config(tmp_path / "c.json", {"a": server})
    return connected(way, mode, tmp_path, config, elicitation_callback=visitor.elicit)


@pytest.mark.parametrize("way", WAYS)
def test_a_client_without_a_handshake_is_asked_to_open_what_a_server_with_one_names(
    way: str, tmp_path: Path
) -> None:
    visitor = Visitor(tmp_path / "done")

    async def scene() -> None:
        async with met(way, "2026-07-28", tmp_path, visitor) as client:
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
        async with met("stdio", "2026-07-28", tmp_path, visitor) as client:
            with pytest.raises(MCPError, match="a key is needed") as refused:
                await client.call_tool("paid", {})
            assert refused.value.error.code == -32603, "the code of 2025-11-25 has no meaning here"
            assert refused.value.error.data["elicitations"][0]["url"] == "https://example.com/key"

    run(scene(), 60)


def test_a_client_with_a_handshake_gets_the_error_as_it_is(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path / "done")

    async def scene() -> None:
        async with met("stdio", "legacy", tmp_path, visitor) as client:
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
        async with met(way, mode, tmp_path, visitor, "--modern") as client:
            assert text(await client.call_tool("paid", {})) == "accept s"
        (sent,) = visitor.sent
        assert (sent.mode, sent.url) == ("url", "https://example.com/key")
        if mode == "legacy":
            assert sent.elicitation_id, "a visit has a name in 2025-11-25"

    run(scene(), 60)
