"""A session over HTTP: each message goes out on the stream it belongs to."""

from __future__ import annotations

from callmux.protocol.jsonrpc import Request, parse
from callmux.transport.http.kept import KeptStreams
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession
from tests.stores.remote import RemoteReplay
from tests.support import settle, steps, until
from tests.transport.http.asgi import Desk


def _seat(desk: Desk, kind: str = "streamable-http") -> WebSession:
    return WebSession("abcdefghijklmnop", desk, kind, "", 0, KeptStreams(lambda: 0))


async def _drained(stream: Stream) -> list[bytes]:
    return [data for _, data in await stream.after(0, stream.take_over(), 1) or []]


async def test_an_answer_goes_to_its_requests_stream_and_ends_it() -> None:
    seat = _seat(Desk())
    stream = seat.open_stream(1)
    seat.session.receive(parse(b'{"id":1,"method":"chatty"}'))
    await settle()
    assert stream.finished
    note, answer = await _drained(stream)
    assert b"notifications/message" in note
    assert answer == b'{"jsonrpc":"2.0","id":1,"result":{"did": "chatty"}}'
    assert seat.own.is_empty


async def test_what_belongs_to_no_request_goes_to_the_sessions_own_stream() -> None:
    seat = _seat(Desk(), "sse")
    seat.session.notify("notifications/x", None)
    seat.session.receive(parse(b'{"id":1,"method":"x"}'))
    await settle()
    lines = await _drained(seat.own)
    assert [b"notifications/x" in lines[0], b'"id":1' in lines[1], len(lines)] == [True, True, 2]


async def test_a_shared_stream_ends_with_its_last_answer_and_a_cancelled_request_ends_its_own() -> None:
    desk = Desk()
    seat = _seat(desk)
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


async def test_an_event_id_leads_back_to_a_stream_from_its_beginning_on() -> None:
    desk = Desk()
    seat = _seat(desk)
    slow, named = seat.open_stream(5), seat.open_stream("five")
    assert (seat.find("r5_0"), seat.find(named.event_id(0))) == ((slow, 0), (named, 0))
    assert [seat.find("r5_1"), seat.find("r6_0")] == [None, None]
    seat.session.receive(parse(b'{"id":5,"method":"chatty"}'))
    await settle()
    assert slow.finished
    for event in ("r5_0", "r5_2"):
        found = seat.find(event)
        assert isinstance(found, tuple)
        assert (await _drained(found[0]), found[1]) == (await _drained(slow), int(event[-1]))
    own = seat.own.key
    assert [seat.find(odd) for odd in ("", f"{own}_", f"{own}_x", "9_1", "r5_-1", "r5_²")] == [None] * 6


async def test_an_event_id_leads_back_to_an_answer_that_is_kept_elsewhere() -> None:
    store = RemoteReplay()
    seat = WebSession("abcdefghijklmnop", Desk(), "streamable-http", "", 0, KeptStreams(lambda: 0, store))
    stream = seat.open_stream(5)
    seat.session.receive(parse(b'{"id":5,"method":"chatty"}'))
    await until(lambda: len(store.kept) == 1, "the answer")
    finding, none = seat.find("r5_1"), seat.find("r5_3")
    assert finding is not None
    assert none is not None
    assert not isinstance(finding, tuple)
    assert not isinstance(none, tuple)
    found = await finding
    assert found is not None
    assert (await _drained(found[0]), found[1]) == (await _drained(stream), 1)
    assert await none is None


async def test_the_numbers_of_an_earlier_listener_are_not_taken_for_our_own() -> None:
    before, seat = _seat(Desk()), _seat(Desk())
    for one in (before, seat):
        one.session.notify("notifications/x", None)
    assert seat.find(seat.own.event_id(1)) == (seat.own, 1)
    assert seat.find(before.own.event_id(1)) == (seat.own, 0)


async def test_an_id_stands_for_a_new_request_as_soon_as_the_old_one_is_cancelled() -> None:
    desk = Desk()
    seat = _seat(desk)
    first = seat.open_stream(1)
    seat.session.receive(parse(b'{"id":1,"method":"slow"}'))
    # Before the first step of its task.
    seat.session.receive(parse(b'{"method":"notifications/cancelled","params":{"requestId":1}}'))
    assert (first.finished, first.is_empty, (1 in seat.answering)) == (True, True, False)
    second = seat.open_stream(1)
    seat.session.receive(parse(b'{"id":1,"method":"slow"}'))
    await settle()
    assert (second.finished, (1 in seat.answering)) == (False, True)
    desk.go.set()
    await settle()
    assert len(await _drained(second)) == 1


async def test_the_end_of_a_session_ends_every_stream() -> None:
    seat = _seat(Desk(), "sse")
    stream = seat.open_stream(1)
    seat.end()
    assert (seat.closed, seat.own.finished, stream.finished) == (True, True, True)
    assert repr(seat) == "WebSession('abcd', sse, 0 active)"


async def test_answers_in_the_older_transport_are_told_from_news() -> None:
    """All of it goes out on one stream; only what was not asked for may be dropped."""

    desk = Desk()
    seat = _seat(desk, "sse")
    for n in range(700):
        seat.session.receive(Request(n, "x", None))
        seat.session.notify("notifications/x", None)
    await settle()
    got = await _drained(seat.own)
    assert sum(b"result" in line for line in got) == 700
    assert sum(b"notifications/x" in line for line in got) == 500
    assert seat.own.dropped == 200


async def test_a_shared_stream_takes_the_same_steps_however_many_share_it() -> None:
    """Each answer of a batch costs as much as the first."""

    def taken(count: int) -> int:
        seat = _seat(Desk())
        stream = seat.open_stream(0)
        for n in range(1, count):
            seat.share_stream(n, stream)

        def answered() -> None:
            for n in range(count):
                seat._route(b"{}", n, True)

        done = steps(answered)
        assert stream.finished
        return done

    assert taken(1000) <= 11 * taken(100)
