"""A copy is the same bytes, and others get their turns while it is made."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from callmux.upstream.reading.copying import PIECE, copied, own_copy


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE - 1])
async def test_the_copy_is_equal(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)

    assert await copied(Raw(data[:size])) == data[:size]


async def test_others_have_a_turn_after_each_piece() -> None:
    copying = asyncio.create_task(copied(Raw(b"x" * 5 * PIECE)))
    turns = 0
    while not copying.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5


def test_null_is_an_empty_object() -> None:
    """Some servers have nothing to say, and clients take nothing but an object."""
    assert [own_copy(Raw(raw)) for raw in (b"null", b"{}", b'{"a":null}')] == [b"{}", b"{}", b'{"a":null}']
