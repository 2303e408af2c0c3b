"""Plain requests: which may be answered directly, and what becomes of those that are."""

from __future__ import annotations

import pytest

from callmux.session.facts import NOTHING, Said
from callmux.transport.http.plain import may_be_known
from tests.transport.http.asgi import Call
from tests.transport.http.test_direct import known
from tests.transport.http.wire import post

FIELDS = [(b"host", b"localhost"), (b"content-length", b"12")]


def test_a_head_of_a_web_page_or_of_a_trace_is_not_known_again() -> None:
    exchange = Call("POST", "/mcp").exchange()
    assert may_be_known(FIELDS, exchange, NOTHING)
    assert not may_be_known(FIELDS[:1], exchange, NOTHING)
    assert not may_be_known(FIELDS, exchange, Said(trace={"traceparent": "00-1-2-01"}))
    exchange.origin = "http://localhost"
    assert not may_be_known(FIELDS, exchange, NOTHING)


@pytest.mark.parametrize("body", [b'{"id":2,\n"method":"x"}', b'{"id":2,"method":"initialize"}', b"[]", b"{"])
async def test_what_is_no_plain_request_is_left_to_the_long_way(body: bytes) -> None:
    _, session, connection = await known()
    cycle = connection.protocol.cycle
    connection.send(post(body, session))
    await connection.settle()
    assert connection.protocol.cycle is not cycle
    assert connection.answers[-1].whole
