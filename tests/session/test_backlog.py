"""A client that does not read costs a bounded amount, and nobody's calls."""

from __future__ import annotations

import asyncio
import logging

import pytest

from callmux.session.backlog import HELD_BYTES, MOST_HELD, Backlog
from tests.support import settle


def test_there_is_room_for_so_many_messages_and_how_many_were_dropped_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backlog = Backlog()
    assert [backlog.takes(1) for _ in range(MOST_HELD + 2)] == [True] * MOST_HELD + [False] * 2
    backlog.dropped += 2
    assert repr(backlog) == f"Backlog({MOST_HELD} messages, 2 dropped)"
    with caplog.at_level(logging.WARNING):
        backlog.is_over()
    assert caplog.messages == ["2 messages of servers were dropped: the client did not read"]
    assert backlog.takes(1)


def test_there_is_room_for_so_many_bytes_and_nothing_is_said_where_nothing_was_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backlog = Backlog()
    assert backlog.takes(HELD_BYTES)
    backlog.is_over()
    assert caplog.messages == []
    assert backlog.takes(HELD_BYTES - 1)
    assert not backlog.takes(2)
    assert backlog.takes(1)


async def test_whoever_waits_goes_on_once_it_is_over() -> None:
    backlog = Backlog()
    waiting = [asyncio.ensure_future(backlog.wait()) for _ in range(2)]
    await settle()
    assert not any(one.done() for one in waiting)
    backlog.is_over()
    await asyncio.gather(*waiting)
