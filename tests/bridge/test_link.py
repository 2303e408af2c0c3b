"""One session with a listener; what a client sees of it is tested in test_relay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.bridge.client import HttpClient
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.link import Link
from callmux.protocol.jsonrpc import Failure, Response
from tests.bridge.bench import Exchange, FakeListener
from tests.support import run, until


class Dialled:
    """A link to a listener, and what it brings."""

    def __init__(self, listener: FakeListener) -> None:
        self.brought: list[Any] = []
        self.ended = 0
        http = HttpClient(listener.endpoint)
        self.link = Link(
            listener.endpoint, http, {}, lambda _, message: self.brought.append(message), self._ends
        )

    def _ends(self, link: Link) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ({"protocolVersion": "2099-01-01"}, "revision '2099-01-01'"),
        ({"protocolVersion": 5}, "cannot be read"),
    ],
)
def test_a_handshake_that_leads_nowhere(hello: Any, said: str) -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            listener.hello = hello
            with pytest.raises(LinkFailure, match=said) as caught:
                await Dialled(listener).link.open(b"{}")
            assert caught.value.reason is Reason.REFUSED

    run(scene())


def test_a_handshake_that_is_refused() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"go away"}}'
            listener.script["initialize"] = lambda x: x.status(200, body)
            with pytest.raises(LinkFailure, match="go away"):
                await Dialled(listener).link.open(b"{}")

    run(scene())


def test_a_listener_without_a_stream_of_its_own_is_asked_for_a_connection() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            listener.script["GET"] = lambda x: x.status(405)
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")
            await dialled.link.listen()
            assert not dialled.link.has_stream
            await dialled.link.listen()
            assert listener.count("GET") == 1
            await listener.stop()
            with pytest.raises(LinkFailure):
                await dialled.link.listen()

    run(scene())


def test_the_end_of_its_own_stream_is_told() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")
            await dialled.link.listen()
            assert repr(dialled.link) == "Link(open, 0 waiting)"
            assert listener.own is not None
            listener.own.chunk(b"retry: 1500\ndata: \n\n")
            await until(lambda: dialled.link.pause_seconds == 1.5)
            listener.own.end()
            await until(lambda: dialled.ended)
            await dialled.link.close()
            assert dialled.ended == 1

    run(scene())


def test_messages_in_a_batch_and_what_is_none() -> None:
    """An answer that cannot be read fails its request, and nothing else."""

    async def scene() -> None:
        async with FakeListener() as listener:

            def script(x: Exchange) -> None:
                x.stream()
                x.event([{"jsonrpc": "2.0", "method": "a"}, {"jsonrpc": "2.0", "id": "z", "result": 1}])
                x.event("noise")
                x.event({"jsonrpc": "2.0", "id": x.message["id"]})
                x.end()

            listener.script["x"] = script
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")
            assert isinstance(await dialled.link.request("x", None, 5), Failure)
            assert [m.method for m in dialled.brought] == ["a"]
            assert isinstance(await dialled.link.request("y", b"{}", 5), Response)
            await dialled.link.close()

    run(scene())


def test_a_notification_that_is_not_taken() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")
            listener.script["x"] = lambda x: x.status(413, b"too large")
            with pytest.raises(LinkFailure, match="too large"):
                await dialled.link.tell(b'{"jsonrpc":"2.0","method":"x"}')
            await dialled.link.close()

    run(scene())


def test_whoever_waits_when_it_closes_has_lost_the_answer() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")
            listener.script["x"] = lambda x: x.stream()

            async def close() -> None:
                await until(lambda: listener.count("x"))
                await dialled.link.close()

            with pytest.raises(LinkFailure, match="has ended"):
                await asyncio.gather(dialled.link.request("x", None, 5), close())
            await until(lambda: listener.count("DELETE"))

    run(scene())


def test_a_stream_that_brings_nothing_is_not_resumed_without_end() -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            dialled = Dialled(listener)
            await dialled.link.open(b"{}")

            def script(x: Exchange) -> None:
                x.stream()
                x.event(None, "1_0")
                x.end()

            def resume(x: Exchange) -> None:
                x.stream()
                x.end()

            listener.script |= {"x": script, "GET": resume}
            with pytest.raises(LinkFailure) as caught:
                await dialled.link.request("x", None, 5)
            assert caught.value.reason is Reason.BROKEN
            assert listener.count("GET") == 5
            await dialled.link.close()

    run(scene())
