"""A link that is made when it is opened is then the same as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from callmux.config.veil import NOTHING, Veil
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.late import LateLink
from callmux.upstream.links.link import Listener, label_of


class Behind:
    """A link that notes what it is told."""

    transport = "sse"
    veil = Veil(["a secret value"])

    def __init__(self) -> None:
        self.told: list[object] = []

    def __repr__(self) -> str:
        return "Behind()"

    async def open(self, listener: Listener) -> None:
        self.told.append("open")

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        self.told.append(line)

    def agreed(self, protocol_version: str) -> None:
        self.told.append(protocol_version)

    def abandon(self, id: int) -> None:
        self.told.append(id)

    def last_words(self) -> list[str]:
        return ["farewell"]

    async def close(self) -> None:
        self.told.append("close")


LISTENER: Any = None


async def test_once_open_it_is_the_link_behind_it() -> None:
    behind = Behind()

    async def make() -> Any:
        return behind

    link = LateLink("s", "stdio", make)
    assert (link.transport, link.veil, link.last_words(), link.link) == ("stdio", NOTHING, [], None)
    await link.open(LISTENER)
    link.send(b"x")
    link.agreed("2025-11-25")
    link.abandon(7)
    assert (link.transport, link.veil, link.last_words()) == ("sse", behind.veil, ["farewell"])
    assert link.send == behind.send
    assert repr(link) == "LateLink('s', Behind())"
    await link.close()
    assert behind.told == ["open", b"x", "2025-11-25", 7, "close"]


class Labelled(Behind):
    """A link whose requests have headers of their own."""

    def label(self, id: int, head: Mapping[str, str]) -> None:
        self.told.append((id, dict(head)))


async def test_where_the_link_behind_it_takes_headers_of_a_request_it_does_too() -> None:
    behind = Labelled()

    async def make() -> Any:
        return behind

    link = LateLink("s", "streamable-http", make)
    assert label_of(link) is None
    await link.open(LISTENER)
    label = label_of(link)
    assert label is not None
    label(1, {"Mcp-Method": "server/discover"})
    assert behind.told == ["open", (1, {"Mcp-Method": "server/discover"})]


async def test_before_it_is_open_nothing_happens() -> None:
    async def make() -> Any:
        raise CallFailure(Category.TRANSPORT, "no secret")

    link = LateLink("s", "stdio", make)
    with pytest.raises(CallFailure, match="no secret"):
        await link.open(LISTENER)
    link.send(b"x")
    link.agreed("x")
    link.abandon(1)
    await link.close()
