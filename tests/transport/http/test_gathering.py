"""What is written in one turn goes out together, and nothing is lost at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from callmux.transport.http.gathering import GatheringTransport
from tests.support import settle


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.closing = False

    def writelines(self, lines: Iterable[bytes]) -> None:
        parts = list(lines)
        assert all(parts), "an empty part is kept for ever by some versions of Python"
        self.log.append(b"".join(parts))

    def is_closing(self) -> bool:
        return self.closing

    def write_eof(self) -> None:
        self.log.append("eof")

    def close(self) -> None:
        self.log.append("closed")

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def gathered() -> tuple[GatheringTransport, Transport]:
    inner = Transport()
    return GatheringTransport(cast(asyncio.Transport, inner)), inner


async def test_head_and_body_go_out_together() -> None:
    transport, inner = gathered()
    transport.write(b"head ")
    transport.write(b"body")
    assert inner.log == []
    transport.flush()
    assert inner.log == [b"head body"]
    transport.write(b"an event")
    await settle()
    assert inner.log == [b"head body", b"an event"]


async def test_what_was_written_goes_out_before_the_end() -> None:
    transport, inner = gathered()
    transport.write(b"1")
    transport.write_eof()
    transport.write(b"2")
    transport.close()
    assert inner.log == [b"1", "eof", b"2", "closed"]


async def test_nothing_is_written_into_a_transport_that_closes() -> None:
    transport, inner = gathered()
    inner.closing = True
    transport.write(b"late")
    transport.flush()
    assert inner.log == []
    transport.write(b"later")
    await settle()
    assert inner.log == []
    assert transport.is_closing()
    assert transport.get_extra_info("peer") == "the peer"


async def test_an_empty_body_is_not_written() -> None:
    transport, inner = gathered()
    transport.write(b"head")
    transport.write(b"")
    await settle()
    transport.write(b"")
    transport.close()
    assert inner.log == [b"head", "closed"]
