"""A connection that carries nothing, and that nobody has closed, is noticed."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from callmux.bridge.client import Connection
from callmux.bridge.silence import NO_HEAD_SECONDS, OWN_SECONDS, STREAM_SECONDS, Silence
from callmux.bridge.stream import Stream

from .test_stream import EVENTS, Link


def new_stream() -> tuple[Stream, Link]:
    link = Link()
    return Stream(link, cast(Connection, link), asyncio.get_running_loop().create_future()), link


@pytest.mark.parametrize(
    ("headed", "own", "patience"),
    [(False, False, NO_HEAD_SECONDS), (True, False, STREAM_SECONDS), (True, True, OWN_SECONDS)],
)
async def test_a_silent_stream_ends_after_its_patience(headed: bool, own: bool, patience: float) -> None:
    silence = Silence(lambda: True)
    stream, link = new_stream()
    stream.starts_at = "r1_0"
    if headed:
        stream.head(200, EVENTS)
    silence.watch(stream, own=own)
    await asyncio.sleep(patience - 0.5)
    assert not stream.finished
    await asyncio.sleep(2)
    assert stream.finished
    assert link.closed
    assert repr(silence) == "Silence(0 watched)"


async def test_whatever_comes_gives_a_stream_its_time_again() -> None:
    silence = Silence(lambda: True)
    stream, _ = new_stream()
    stream.head(200, EVENTS)
    silence.watch(stream)
    for _ in range(10):
        await asyncio.sleep(STREAM_SECONDS / 2)
        stream.body(b": alive\n\n")
    assert not stream.finished
    silence.close()


async def test_nothing_is_silent_while_we_do_not_read() -> None:
    reading: list[Any] = []
    silence = Silence(lambda: bool(reading))
    stream, _ = new_stream()
    silence.watch(stream)
    await asyncio.sleep(10 * NO_HEAD_SECONDS)
    reading.append(1)
    await asyncio.sleep(NO_HEAD_SECONDS - 1)
    assert not stream.finished
    await asyncio.sleep(3)
    assert stream.finished


async def test_what_is_forgotten_or_finished_is_left_alone() -> None:
    silence = Silence(lambda: True)
    (forgotten, link), (finished, _) = new_stream(), new_stream()
    silence.watch(forgotten)
    silence.watch(finished)
    silence.forget(forgotten)
    finished.close()
    await asyncio.sleep(2 * NO_HEAD_SECONDS)
    assert not link.closed
    assert repr(silence) == "Silence(0 watched)"
