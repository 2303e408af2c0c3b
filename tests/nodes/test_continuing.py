"""An answer in place of one that broke goes out on the stream that is open."""

from __future__ import annotations

from callmux.guard.principal import Principal
from callmux.nodes.continuing import Replayed, continued
from callmux.transport.http.exchange import EVENT_STREAM
from tests.support import real_loop
from tests.transport.http.asgi import POSTED, Call


@real_loop()
async def test_a_body_is_read_again_and_then_what_its_connection_brings() -> None:
    call = Call("POST", "/mcp")
    call.leave()
    receive = Replayed(b"body", call.receive)
    assert await receive() == {"type": "http.request", "body": b"body", "more_body": False}
    await call.receive()
    assert (await receive())["type"] == "http.disconnect"


@real_loop()
async def test_events_go_on_in_the_stream_and_a_body_becomes_an_event() -> None:
    call = Call("POST", "/mcp", {**POSTED, "mcp-session-id": "s"}, query=b"a=1")
    exchange = call.exchange()
    exchange.principal, exchange.profile = Principal(kind="bearer", id="ann"), "p"
    await exchange.start(200, {"content-type": EVENT_STREAM})
    again = continued(exchange, b"{}")
    assert (again.method, again.path, again.profile) == ("POST", "/mcp", "p")
    assert again.principal == exchange.principal
    assert again.accepts(EVENT_STREAM)
    assert not again.accepts("application/json")
    assert again.query("a") == "1"
    await again.start(200, {"content-type": EVENT_STREAM})
    await again.write(b"data: 1\n\n", more=True)
    assert call.body == b"data: 1\n\n"
    assert not call.complete
    other = continued(exchange, b"{}")
    await other.answer(200, b'{"id":1}')
    assert call.body.endswith(b'data: {"id":1}\n\n')
    assert call.complete


@real_loop()
async def test_an_answer_without_a_body_ends_the_stream() -> None:
    call = Call("POST", "/mcp", POSTED)
    exchange = call.exchange()
    await exchange.start(200, {"content-type": EVENT_STREAM})
    await continued(exchange, b"{}").answer(202)
    assert (call.body, call.complete) == (b"", True)
