"""Event streams: numbered, kept within bounds, and read by one reader at a time."""

from __future__ import annotations

import asyncio

import pytest

from callmux.transport.http import streams
from callmux.transport.http.streams import Stream, _Bell
from tests.support import settle, steps


async def test_a_reader_goes_on_where_it_was_until_the_end() -> None:
    stream = Stream("7")
    assert stream.is_empty
    stream.push(b"a\n")
    stream.push(b"b")
    reader = stream.take_over()
    assert await stream.after(0, reader, 1) == [(1, b"a"), (2, b"b")]
    assert await stream.after(1, reader, 1) == [(2, b"b")]
    assert await stream.after(2, reader, 1) == []
    stream.finish()
    assert await stream.after(1, reader, 1) == [(2, b"b")]
    assert await stream.after(2, reader, 1) is None
    assert (stream.event_id(2), repr(stream)) == ("7_2", "Stream('7', 2 events, finished)")


async def test_a_waiting_reader_hears_of_news_and_yields_to_the_next() -> None:
    loop, stream = asyncio.get_running_loop(), Stream("1")
    first = stream.take_over()
    waiting = loop.create_task(stream.after(0, first, 1000))
    await settle()
    stream.push(b"a")
    assert await waiting == [(1, b"a")]
    waiting = loop.create_task(stream.after(1, first, 1000))
    await settle()
    second = stream.take_over()
    assert await waiting is None
    assert await stream.after(0, second, 1) == [(1, b"a")]
    assert loop.time() < 1001


async def test_only_so_much_is_kept_but_always_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEPT_EVENTS", 3)
    monkeypatch.setattr(streams, "KEPT_BYTES", 10)

    stream = Stream("1")
    reader = stream.take_over()
    for n in range(5):
        stream.push(b"%d" % n)
    assert await stream.after(0, reader, 1) == [(3, b"2"), (4, b"3"), (5, b"4")]
    stream.push(b"x" * 9)
    assert await stream.after(0, reader, 1) == [(5, b"4"), (6, b"x" * 9)]
    stream.push(b"y" * 50)
    assert await stream.after(0, reader, 1) == [(7, b"y" * 50)]


async def test_the_answer_is_the_last_message_of_a_finished_stream() -> None:
    stream = Stream("1")
    waiting = asyncio.get_running_loop().create_task(stream.answer())
    stream.push(b"note")
    assert stream.only() is None
    await settle()
    assert not waiting.done()
    stream.push(b"answer")
    stream.finish()
    assert await waiting == b"answer"
    assert stream.only() is None
    single, empty = Stream("2"), Stream("3")
    single.push(b"a\n")
    single.finish()
    empty.finish()
    assert (single.only(), empty.only(), await empty.answer()) == (b"a", None, None)


async def test_waiting_ends_with_news_or_patience() -> None:
    loop, stream = asyncio.get_running_loop(), Stream("1")
    await stream.wait(2)
    assert loop.time() == pytest.approx(1002, abs=0.1)
    loop.call_later(1, stream.finish)
    await stream.wait(None)
    assert loop.time() == pytest.approx(1003, abs=0.1)


async def test_an_answer_is_kept_until_it_is_read_and_news_only_within_bounds() -> None:
    stream = Stream("k")
    for n in range(1200):
        stream.push(b"answer %d\n" % n, is_answer=True)
        stream.push(b"news\n")
    assert stream.unread() == (1200, sum(len(b"answer %d" % n) for n in range(1200)))
    assert stream.dropped == 700
    reader = stream.take_over()
    got = await stream.after(0, reader, 1)
    assert got is not None
    assert [n for n, _ in got] == sorted(n for n, _ in got)
    assert sum(data.startswith(b"answer") for _, data in got) == 1200
    assert await stream.after(got[-1][0], reader, 1) == []
    assert stream.unread() == (0, 0)
    for _ in range(700):
        stream.push(b"answer\n", is_answer=True)
    assert len(stream.answers()) == 700


async def test_whoever_waits_hears_when_somebody_reads_on() -> None:
    stream = Stream("k")
    stream.push(b"a\n", is_answer=True)
    waits = asyncio.get_running_loop().create_task(stream.read_on())
    await settle()
    assert not waits.done()
    await stream.after(1, stream.take_over(), 1)
    await waits
    stream.finish()
    await stream.read_on()


def test_reading_costs_what_is_new_and_not_what_is_kept() -> None:
    def taken(kept: int) -> int:
        stream = Stream("k")
        for _ in range(kept):
            stream.push(b"x\n")
        return steps(lambda: stream._since(kept - 1))

    assert taken(500) == taken(5)


async def test_a_bell_wakes_all_who_wait_and_keeps_nobody_who_has_left() -> None:
    bell = _Bell()
    bell.ring()
    waiting = [asyncio.create_task(bell.next()) for _ in range(3)]
    await settle()
    assert not any(task.done() for task in waiting), "what rang before is no news"
    waiting[0].cancel()
    await settle()
    left: tuple[object, ...] = bell._waiting
    assert len(left) == 2
    bell.ring()
    await settle()
    assert [task.cancelled() for task in waiting] == [True, False, False]
    assert all(task.done() for task in waiting)
    assert bell._waiting == ()


def test_the_answers_of_a_stream_are_known_again_from_what_was_kept_of_it() -> None:
    stream = Stream("7")
    stream.push(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
    answers = [
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":""}}',
    ]
    for answer in answers:
        stream.push(answer, is_answer=True)
    stream.finish()
    again = Stream.again(stream.finished_as())
    assert stream.answers() == again.answers() == answers
