"""One session with a listener; what a client sees of it is tested in test_relay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.bridge import stream as streams
from callmux.bridge.client import HttpClient
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.link import Link
from callmux.protocol.jsonrpc import Failure, Response
from tests.bridge.bench import Exchange, FakeListener, line
from tests.support import real_loop, run, until


class Dialled:
    """A link to a listener, and what it brings."""

    def __init__(self, listener: FakeListener) -> None:
        self.brought: list[Any] = []
        self.ended = 0
        http = HttpClient(listener.endpoint)
        self.link = Link(
            listener.endpoint, http, {}, lambda _, message, about: self.brought.append(message), self._ends
        )

    def _ends(self, link: Link) -> None:
        self.ended += 1


@real_loop()
@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ({"protocolVersion": "2099-01-01"}, "revision '2099-01-01'"),
        ({"protocolVersion": 5}, "cannot be read"),
    ],
)
async def test_a_handshake_that_leads_nowhere(hello: Any, said: str) -> None:
    async with FakeListener() as listener:
        listener.hello = hello
        with pytest.raises(LinkFailure, match=said) as caught:
            await Dialled(listener).link.open(b"{}")
        assert caught.value.reason is Reason.REFUSED


@real_loop()
async def test_a_handshake_that_is_refused() -> None:
    async with FakeListener() as listener:
        body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"go away"}}'
        listener.script["initialize"] = lambda x: x.status(200, body)
        with pytest.raises(LinkFailure, match="go away"):
            await Dialled(listener).link.open(b"{}")


@real_loop()
async def test_a_listener_without_a_stream_of_its_own_is_asked_for_a_connection() -> None:
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


@real_loop()
async def test_the_end_of_its_own_stream_is_told() -> None:
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


@real_loop()
async def test_messages_in_a_batch_and_what_is_none() -> None:
    """An answer that cannot be read fails its request, and nothing else."""

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


@real_loop()
async def test_a_notification_that_is_not_taken() -> None:
    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        listener.script["x"] = lambda x: x.status(413, b"too large")
        with pytest.raises(LinkFailure, match="too large"):
            await dialled.link.tell(b'{"jsonrpc":"2.0","method":"x"}')
        await dialled.link.close()


@real_loop()
async def test_whoever_waits_when_it_closes_has_lost_the_answer() -> None:
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


@real_loop()
async def test_a_stream_that_brings_nothing_is_not_resumed_without_end() -> None:
    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")

        def script(x: Exchange) -> None:
            x.stream()
            x.event(None, "1_0")
            x.end()

        def resume(x: Exchange) -> None:
            x.stream()
            x.abort()

        listener.script |= {"x": script, "GET": resume}
        with pytest.raises(LinkFailure) as caught:
            await dialled.link.request("x", None, 15)
        assert caught.value.reason is Reason.BROKEN
        assert listener.count("GET") == 5
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("retry", [b"retry: 20\n", b""])
async def test_a_listener_that_lets_us_poll_is_asked_until_it_answers(retry: bytes) -> None:
    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        asked: list[Exchange] = []

        def script(x: Exchange) -> None:
            asked.append(x)
            x.stream()
            x.chunk(retry + b"id: 1_0\ndata:\n\n")
            x.end()

        def resume(x: Exchange) -> None:
            x.stream()
            if listener.count("GET") == 8:
                x.event({"jsonrpc": "2.0", "id": asked[0].message["id"], "result": {}})
            else:
                x.chunk(b": nothing yet\n\n")
            x.end()

        listener.script |= {"x": script, "GET": resume}
        assert isinstance(await dialled.link.request("x", None, 15), Response)
        assert listener.count("GET") == 8
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_listener_without_a_stream_is_asked_whether_it_knows_the_session(
    status: int, alive: bool
) -> None:
    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        listener.script["GET"] = lambda x: x.status(status)
        if not alive:
            listener.script["ping"] = lambda x: x.status(status)
            with pytest.raises(LinkFailure) as caught:
                await dialled.link.listen()
            assert caught.value.reason is Reason.SESSION
        else:
            await dialled.link.listen()
            assert not dialled.link.has_stream
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("id", [None, "server-error"])
async def test_an_error_that_names_no_request_reaches_whoever_waits(id: str | None, status: int) -> None:
    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        body = line({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "quota is used up"}})
        listener.script["x"] = lambda x: x.status(status, body, content_type="application/json")
        if status == 200 or id is not None:
            answer = await dialled.link.request("x", None, 5)
            assert isinstance(answer, Failure)
            assert b"quota" in bytes(answer.error)
        else:
            with pytest.raises(LinkFailure, match="quota"):
                await dialled.link.request("x", None, 5)
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_origin_is_followed(status: int) -> None:
    async with FakeListener() as listener:
        went: list[tuple[str, str]] = []
        usual = listener._answer

        def answer(x: Exchange) -> Any:
            went.append((x.verb, x.target))
            if x.target == "/mcp":
                x.status(status, location="/mcp/?a=%2F")
                return None
            return usual(x)

        listener._answer = answer  # type: ignore[method-assign]
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        await dialled.link.listen()
        assert isinstance(await dialled.link.request("x", None, 5), Response)
        assert set(went) == {(v, t) for v in ("POST", "GET") for t in ("/mcp", "/mcp/?a=%2F")}
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("location", ["http://localhost:1/mcp", "/for-ever", "http://127.0.0.1:1/mcp"])
async def test_no_other_redirect_is(location: str) -> None:
    async with FakeListener() as listener:
        listener.script["initialize"] = lambda x: x.status(307, location=location)
        with pytest.raises(LinkFailure, match="redirects"):
            await Dialled(listener).link.open(b"{}")
        assert len(listener.seen) == (2 if location == "/for-ever" else 1)


@pytest.mark.parametrize("given", ["a b", "x" * 8001])
def test_a_session_id_that_cannot_be_sent_back_is_refused(given: str) -> None:
    async def scene() -> None:
        async with FakeListener() as listener:
            listener.session = given
            with pytest.raises(LinkFailure, match="session id") as caught:
                await Dialled(listener).link.open(b"{}")
            assert caught.value.reason is Reason.REFUSED

    run(scene())


@real_loop()
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_beyond_the_limit_fails_its_request(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_ANSWER", 50_000)

    async with FakeListener() as listener:
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")

        def script(x: Exchange) -> None:
            if stream:
                x.stream()
                x.chunk(b"id: 1\ndata: " + b"0" * 100_000)
            else:
                x.status(200, b"0" * 100_000, content_type="application/json")

        listener.script["x"] = script
        with pytest.raises(LinkFailure, match="larger than 50000 bytes") as caught:
            await dialled.link.request("x", None, 5)
        assert (caught.value.reason, caught.value.started) == (Reason.REFUSED, True)
        assert isinstance(await dialled.link.request("y", None, 5), Response)
        await dialled.link.close()


@real_loop()
@pytest.mark.parametrize("told", [True, False])
async def test_a_request_about_which_a_person_is_asked_has_the_time_for_it(told: bool) -> None:
    async with FakeListener() as listener:

        async def slow(x: Exchange) -> None:
            x.stream()
            if told:
                x.event(
                    {
                        "jsonrpc": "2.0",
                        "method": "notifications/callmux/waiting",
                        "params": {"seconds": 60},
                    }
                )
            await asyncio.sleep(0.4)
            if told:
                x.event(
                    {
                        "jsonrpc": "2.0",
                        "method": "notifications/callmux/waiting",
                        "params": {"seconds": 0},
                    }
                )
            x.result({"made": True})
            x.end()

        listener.script["tools/call"] = slow
        dialled = Dialled(listener)
        await dialled.link.open(b"{}")
        if told:
            answer = await dialled.link.request("tools/call", b"{}", 0.2)
            assert isinstance(answer, Response)
            assert dialled.brought == []
        else:
            with pytest.raises(LinkFailure) as caught:
                await dialled.link.request("tools/call", b"{}", 0.2)
            assert caught.value.reason is Reason.LATE
