"""A request is carried to another node and its answer back, byte for byte; what is no node gets nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal
from callmux.nodes.endpoint import NodeEndpoint
from callmux.nodes.passing import Fate, Passing
from callmux.nodes.register import NodeFacts
from callmux.nodes.sealing import NodeKeys
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal
from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.serve import HttpServer, bind
from tests.support import SECONDS, real_loop, until
from tests.transport.http.asgi import POSTED, Call

KEYS = NodeKeys(b"a secret of all nodes")


class There:
    """Another node."""

    def __init__(self, keys: NodeKeys = KEYS) -> None:
        self.came: list[Exchange] = []
        self.gone = asyncio.Event()
        self.held = asyncio.Event()
        endpoint = NodeEndpoint(keys, lambda: "there", self._serve, lambda: 0, lambda: 0.0)
        self.socket = bind("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.server = HttpServer(endpoint, self.socket, protocol=NarrowProtocol)
        self.facts = NodeFacts(id="there", name="there", address=f"http://127.0.0.1:{self.port}", version="1")

    async def _serve(self, exchange: Exchange) -> None:
        self.came.append(exchange)
        kind = exchange.path
        await exchange.receive()
        if kind == "/elsewhere":
            await exchange.refuse(Refusal(421, "not here"))
        elif kind == "/stream":
            await exchange.start(200, {"content-type": EVENT_STREAM, "x-own": "1"})
            await exchange.write(b"id: 1\ndata: a\n\n", more=True)
            await self.held.wait()
            await exchange.write(b"data: b\r\n\r\n", more=False)
        elif kind == "/left":
            await exchange.start(200, {"content-type": EVENT_STREAM})
            await exchange.write(b": open\n\n", more=True)
            while (await exchange.receive())["type"] != "http.disconnect":
                continue
            self.gone.set()
        elif kind == "/head":
            await exchange.start(200, {"content-type": EVENT_STREAM})
            self.gone.set()
            await self.held.wait()
        elif kind == "/cancelled":
            exchange.when_left(self.gone.set)
            await self.held.wait()
        elif kind == "/waits":
            await self.held.wait()
        else:
            await exchange.answer(404, b'{"no":1}', headers={"mcp-session-id": "s"})

    def cut(self) -> None:
        """Its connections break."""
        for connection in list(self.server._server.server_state.connections):
            connection.transport.abort()


@asynccontextmanager
async def there(keys: NodeKeys = KEYS) -> AsyncIterator[tuple[There, Passing]]:
    node = There(keys)
    await node.server.start()
    passing = Passing(KEYS, lambda: "here")
    try:
        yield node, passing
    finally:
        await passing.close()
        node.held.set()
        await node.server.stop()


def request(path: str) -> tuple[Call, Exchange]:
    call = Call("POST", path, {**POSTED, "connection": "keep-alive", "x-name": "v"}, query=b"a=1")
    return call, call.exchange()


def stays() -> bool:
    return True


@real_loop()
async def test_a_request_comes_there_as_it_came_here_and_its_answer_as_it_was_given() -> None:
    async with there() as (node, passing):
        call, exchange = request("/x")
        exchange.principal = Principal(kind="bearer", id="ann", groups=("g",))
        exchange.grant = Grant(principal=exchange.principal, standing=Standing(), expires=9.0)
        assert await passing.pass_on(exchange, node.facts, b"body", stays) is Fate.ANSWERED
        assert (call.status, call.body, call.complete) == (404, b'{"no":1}', True)
        assert call.headers["mcp-session-id"] == "s"
        assert call.headers["x-request-id"] == "rid"
        assert not [name for name in call.headers if name.startswith("x-callmux-node-proof")]
        (came,) = node.came
        assert came.headers["x-name"] == "v"
        assert "connection" not in came.headers
        assert came.principal == exchange.principal
        assert came.grant is not None
        assert came.grant.expires == 9.0


@real_loop()
async def test_a_stream_comes_through_as_it_comes_byte_for_byte() -> None:
    async with there() as (node, passing):
        call, exchange = request("/stream")
        heard: list[bytes] = []
        work = asyncio.get_running_loop().create_task(
            passing.pass_on(exchange, node.facts, b"", stays, heard.append)
        )
        await call.until_sent(b"id: 1\ndata: a\n\n")
        node.held.set()
        assert await work is Fate.ANSWERED
        assert call.body == b"".join(heard) == b"id: 1\ndata: a\n\ndata: b\r\n\r\n"
        assert call.headers["x-own"] == "1"


@real_loop()
async def test_a_node_that_is_just_ending_is_gone() -> None:
    """Its port may still take a connection when those that it had have ended."""
    taken: list[object] = []

    def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(reader)
        server.close()
        writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    facts = NodeFacts(id="there", name="there", address=f"http://127.0.0.1:{port}", version="1")
    passing = Passing(KEYS, lambda: "here")
    assert await passing.is_gone(facts)
    assert len(taken) == 1
    async with there() as (node, _):
        assert not await passing.is_gone(node.facts)


@real_loop()
async def test_a_client_gets_no_head_before_the_stream_begins() -> None:
    """With a head alone it would have no id to go on from, and nobody would send its request again."""
    async with there() as (node, passing):
        call, exchange = request("/head")
        work = asyncio.get_running_loop().create_task(passing.pass_on(exchange, node.facts, b"", stays))
        await asyncio.wait_for(node.gone.wait(), 10)
        await asyncio.sleep(0.05)
        node.cut()
        assert await asyncio.wait_for(work, 10) is Fate.BROKEN
        assert call.status == 0


@real_loop()
async def test_the_node_sees_that_a_client_has_left() -> None:
    async with there() as (node, passing):
        call, exchange = request("/left")
        work = asyncio.get_running_loop().create_task(passing.pass_on(exchange, node.facts, b"", stays))
        await call.until_sent(b": open")
        call.leave()
        assert await work is Fate.ANSWERED
        await asyncio.wait_for(node.gone.wait(), SECONDS)


@real_loop()
async def test_a_client_that_cancels_by_leaving_does_so_there_before_anything_is_answered() -> None:
    async with there() as (node, passing):
        _, exchange = request("/cancelled")
        exchange.headers["mcp-protocol-version"] = "2026-07-28"
        asked = asyncio.create_task(passing.pass_on(exchange, node.facts, b"", stays))
        await until(lambda: node.came, "the request")
        (leave,) = exchange._leaving
        leave()
        assert await asyncio.wait_for(asked, SECONDS) is Fate.ANSWERED
        await asyncio.wait_for(node.gone.wait(), SECONDS)
        assert not exchange._leaving
        # Others go on with their sessions.
        _, other = request("/waits")
        asked = asyncio.create_task(passing.pass_on(other, node.facts, b"", stays))
        await until(lambda: len(node.came) == 2, "the request")
        assert not other._leaving
        node.held.set()
        await asked


@real_loop()
async def test_a_request_that_is_given_up_has_ended_once_whoever_gave_it_up_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []

    async def carried(*given: object) -> Fate:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("the connection")
        return Fate.ANSWERED

    async with there() as (node, passing):
        monkeypatch.setattr(passing, "_carried", carried)
        _, exchange = request("/x")
        asked = asyncio.create_task(passing.pass_on(exchange, node.facts, b"", stays))
        await until(lambda: passing._waiting, "the request")
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert ended == ["the connection"]
        assert not passing._waiting


@real_loop()
async def test_who_may_not_stay_is_sent_nothing_more() -> None:
    async with there() as (node, passing):
        call, exchange = request("/stream")
        assert await passing.pass_on(exchange, node.facts, b"", lambda: False) is Fate.ANSWERED
        assert (call.body, call.complete) == (b"", True)


@real_loop()
async def test_what_is_known_of_a_request_that_was_not_answered() -> None:
    async with there() as (node, passing):
        _, elsewhere = request("/elsewhere")
        assert await passing.pass_on(elsewhere, node.facts, b"", stays) is Fate.ELSEWHERE
        loop = asyncio.get_running_loop()
        _, waits = request("/waits")
        work = loop.create_task(passing.pass_on(waits, node.facts, b"", stays))
        call, streams = request("/stream")
        other = loop.create_task(passing.pass_on(streams, node.facts, b"", stays))
        await call.until_sent(b"data: a")
        await until(lambda: len(node.came) == 3, "all have come")
        assert not await passing.is_gone(node.facts)
        node.cut()
        assert await work is Fate.BROKEN
        assert await other is Fate.CUT
        await node.server.stop_accepting()
        node.socket.close()
        _, refused = request("/x")
        assert await passing.pass_on(refused, node.facts, b"", stays) is Fate.REFUSED
        assert await passing.is_gone(node.facts)


@real_loop()
async def test_what_waits_for_a_node_that_vanishes_is_given_up() -> None:
    async with there() as (node, passing):
        loop = asyncio.get_running_loop()
        _, waits = request("/waits")
        work = loop.create_task(passing.pass_on(waits, node.facts, b"", stays))
        await until(lambda: len(node.came) == 1, "it has come")
        renamed = NodeFacts(id="there.2", name="there", address=node.facts.address, version="1")
        passing.vanished([renamed])
        await asyncio.sleep(0)
        assert not work.done(), "it goes on under another id"
        passing.vanished([])
        assert await work is Fate.BROKEN


@real_loop()
async def test_streams_that_clients_listen_to_end_with_this_node() -> None:
    async with there() as (node, passing):
        call = Call("GET", "/stream", POSTED)
        work = asyncio.get_running_loop().create_task(
            passing.pass_on(call.exchange(), node.facts, b"", stays)
        )
        await call.until_sent(b"data: a")
        passing.end_streams()
        assert await work is Fate.CUT


@real_loop()
async def test_what_has_not_our_secret_is_no_node() -> None:
    async with there(NodeKeys(b"another secret")) as (node, passing):
        call, exchange = request("/x")
        assert await passing.pass_on(exchange, node.facts, b"", stays) is Fate.UNREACHED
        assert (call.status, node.came) == (0, [])


@real_loop()
async def test_of_what_fails_there_without_a_proof_nobody_knows_what_it_was() -> None:
    async with there() as (node, passing):

        async def fails(scope: Any, receive: Any, send: Any) -> None:
            await Exchange(scope, receive, send, "").answer(500, b"broken")

        node.server._server.config.loaded_app = fails
        call, exchange = request("/x")
        assert await passing.pass_on(exchange, node.facts, b"", stays) is Fate.BROKEN
        assert call.status == 0


@real_loop()
async def test_what_comes_once_a_client_may_not_stay_does_not_go_out() -> None:
    async with there() as (node, passing):
        call, exchange = request("/stream")
        holds = True
        work = asyncio.get_running_loop().create_task(
            passing.pass_on(exchange, node.facts, b"", lambda: holds)
        )
        await call.until_sent(b"data: a")
        holds = False
        node.held.set()
        assert await asyncio.wait_for(work, SECONDS) is Fate.ANSWERED
        assert call.complete
        assert b"data: b" not in call.body


@real_loop()
async def test_nothing_is_passed_on_once_it_is_closed() -> None:
    async with there() as (node, passing):
        await passing.close()
        _, exchange = request("/x")
        assert await passing.pass_on(exchange, node.facts, b"", stays) is Fate.UNREACHED


def test_it_says_how_much_it_has_done() -> None:
    some: Any = Passing(KEYS, lambda: "here")
    assert repr(some) == "Passing(0 requests)"
