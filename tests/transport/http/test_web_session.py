"""A session over HTTP: each message goes out on the stream it belongs to."""

from __future__ import annotations

import pytest

from callmux.protocol.jsonrpc import parse
from callmux.transport.http import web_session
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession
from tests.support import play, settle
from tests.transport.http.asgi import Desk


async def _drained(stream: Stream) -> list[bytes]:
    return [data for _, data in await stream.after(0, stream.take_over(), 1) or []]


def test_an_answer_goes_to_its_requests_stream_and_ends_it() -> None:
    async def scene() -> None:
        seat = WebSession("abc", Desk(), "streamable-http", 0)
        stream = seat.open_stream(1)
        seat.session.receive(parse(b'{"id":1,"method":"chatty"}'))
        await settle()
        assert stream.finished
        note, answer = await _drained(stream)
        assert b"notifications/message" in note
        assert answer == b'{"jsonrpc":"2.0","id":1,"result":{"did": "chatty"}}'
        assert seat.own.is_empty

    play(scene())


def test_what_belongs_to_no_request_goes_to_the_sessions_own_stream() -> None:
    async def scene() -> None:
        seat = WebSession("abc", Desk(), "sse", 0)
        seat.session.notify("notifications/x", None)
        seat.session.receive(parse(b'{"id":1,"method":"x"}'))
        await settle()
        lines = await _drained(seat.own)
        assert [b"notifications/x" in lines[0], b'"id":1' in lines[1], len(lines)] == [True, True, 2]

    play(scene())


def test_a_shared_stream_ends_with_its_last_answer_and_a_cancelled_request_ends_its_own() -> None:
    async def scene() -> None:
        desk = Desk()
        seat = WebSession("abc", desk, "streamable-http", 0)
        stream = seat.open_stream(1)
        seat.share_stream(2, stream)
        seat.session.receive(parse(b'[{"id":1,"method":"x"},{"id":2,"method":"slow"}]'))
        await settle()
        assert not stream.finished
        desk.go.set()
        await settle()
        assert stream.finished
        desk.go.clear()
        given_up = seat.open_stream(3)
        seat.session.receive(parse(b'{"id":3,"method":"slow"}'))
        await settle()
        seat.session.receive(parse(b'{"method":"notifications/cancelled","params":{"requestId":3}}'))
        await settle()
        assert (given_up.finished, given_up.is_empty) == (True, True)

    play(scene())


def test_an_event_id_leads_back_to_a_kept_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_session, "KEPT_STREAMS", 1)

    async def scene() -> None:
        seat = WebSession("abc", Desk(), "streamable-http", 0)
        one, two = seat.open_stream(1), seat.open_stream(2)
        assert seat.find(one.event_id(3)) is None
        seat.keep(one)
        assert seat.find(one.event_id(3)) == (one, 3)
        seat.keep(two)
        assert seat.find(one.event_id(3)) is None
        assert seat.find("0_4") == (seat.own, 4)
        assert [seat.find(odd) for odd in ("", "0_", "0_x", "9_1", "0_-1")] == [None] * 5

    play(scene())


def test_the_end_of_a_session_ends_every_stream() -> None:
    async def scene() -> None:
        seat = WebSession("abcdefghijklmnop", Desk(), "sse", 0)
        stream = seat.open_stream(1)
        seat.end()
        assert (seat.closed, seat.own.finished, stream.finished) == (True, True, True)
        assert repr(seat) == "WebSession('abcdefghijkl', sse, 0 active)"

    play(scene())
