"""A session is its owner's: to everybody else it is one that was never there."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.guard.gate import Caller, Gate
from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal
from callmux.session.saved_sessions import SavedSession
from tests.support import settle
from tests.transport.http.asgi import LISTENING, POSTED, Call, House, post

OPS, DEV = {"x-who": "ops"}, {"x-who": "dev"}


class Names:
    """A check that believes what it is told; `standing` is that of everybody."""

    is_left = True

    def __init__(self) -> None:
        self.standing = Standing()

    def enter(self, caller: Caller) -> None:
        name = caller.headers.get("x-who")
        if name is not None:
            caller.principal = Principal(kind="bearer", id=name)
            caller.grant = Grant(principal=caller.principal, standing=self.standing)

    def leave(self, caller: Caller, status: int) -> None:
        """Nothing to do."""


class Home(House):
    """A listener whose requests name their principal."""

    def __init__(self) -> None:
        super().__init__()
        self.names = Names()
        self.listener.gate = Gate([self.names])

    async def greets_as(self, who: dict[str, str]) -> str:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}}
        hello = await self.answers(post({"id": 0, "method": "initialize", "params": params}, **who))
        assert hello.status == 200, hello.body
        id = hello.headers["mcp-session-id"]
        await self.answers(post({"method": "notifications/initialized"}, id, **who))
        return id


def uses(id: str, who: dict[str, str], **more: str) -> list[Call]:
    """Every way to use a session."""
    head = {**LISTENING, **who, "mcp-session-id": id, **more}
    return [
        post({"id": 1, "method": "ping"}, id, **who),
        post(
            {"id": 2, "method": "initialize", "params": {"protocolVersion": "x", "capabilities": {}}},
            id,
            **who,
        ),
        post({"method": "notifications/cancelled", "params": {"requestId": 9}}, id, **who),
        Call("GET", "/mcp", head),
        Call("GET", "/mcp", {**head, "last-event-id": "r7_0"}),
        Call("DELETE", "/mcp", head),
        Call("PUT", "/mcp", head),
    ]


def seen(call: Call) -> Any:
    """What a client can tell two answers apart by."""
    body = call.json
    body["error"].pop("data", None)
    return call.status, body, sorted(name for name in call.headers if name != "content-length")


@pytest.mark.parametrize("other", [DEV, {}])
@pytest.mark.parametrize("after_restart", [False, True])
async def test_nobody_else_can_use_a_session_or_tell_it_from_none(
    other: dict[str, str], after_restart: bool
) -> None:
    home = Home()
    id = await home.greets_as(OPS)
    if after_restart:
        home = Home()
    unknown = await Home().greets_as(OPS)
    for mine, none in zip(uses(id, other), uses("0" + unknown[1:], other), strict=True):
        got = seen(await home.answers(mine))
        assert got[0] == 404
        assert got == seen(await home.answers(none))
    assert (await home.answers(post({"id": 1, "method": "ping"}, id, **OPS))).status == 200


async def test_a_session_begun_without_a_credential_is_not_for_those_who_have_one() -> None:
    home = Home()
    id = await home.greets_as({})
    assert (await home.answers(post({"id": 1, "method": "ping"}, id, **OPS))).status == 404


async def test_an_answer_that_was_missed_is_replayed_to_its_owner_only() -> None:
    home = Home()
    id = await home.greets_as(OPS)
    call = post({"id": 7, "method": "slow"}, id, **OPS)
    task = home.begins(call)
    await call.until_sent(b"id: r7_0")
    call.leave()
    await task
    home.desk.go.set()
    await settle()
    head = {**LISTENING, "mcp-session-id": id, "last-event-id": "r7_0"}
    stolen = await home.answers(Call("GET", "/mcp", {**head, **DEV}))
    assert (stolen.status, b"slow" in stolen.body) == (404, False)
    own = Call("GET", "/mcp", {**head, **OPS})
    await home.answers(own)
    assert b"slow" in own.body


async def test_the_older_transport_takes_messages_of_the_owner_only() -> None:
    home = Home()
    stream = Call("GET", "/sse", {**LISTENING, **OPS})
    task = home.begins(stream)
    await stream.until_sent(b"sessionId=")
    id = stream.body.split(b"sessionId=")[1].split(b"\n")[0]
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

    async def says(who: dict[str, str], query: bytes) -> Call:
        return await home.answers(Call("POST", "/messages", {**POSTED, **who}, message, query))

    stranger, nobody = await says(DEV, b"sessionId=" + id), await says(DEV, b"sessionId=never")
    assert (stranger.status, stranger.json["error"]) == (nobody.status, nobody.json["error"])
    assert (await says(OPS, b"sessionId=" + id)).status == 202
    stream.leave()
    await task


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_a_stream_ends_with_the_token_that_opened_it_and_brings_nothing_more(path: str) -> None:
    home = Home()
    id = await home.greets_as(OPS)
    stream = Call("GET", path, {**LISTENING, **OPS, **({"mcp-session-id": id} if path == "/mcp" else {})})
    task = home.begins(stream)
    await stream.until_sent(b"\n\n")
    seat = next(seat for seat in home.listener.table if path == "/mcp" or seat.kind == "sse")
    seat.own.push(b'{"method":"first"}')
    await stream.until_sent(b"first")
    home.names.standing.valid = False
    seat.own.push(b'{"method":"second"}')
    await task
    assert (b"second" in stream.body, stream.complete) == (False, True)


async def test_what_is_done_for_a_session_that_is_taken_up_is_done_for_its_owner() -> None:
    before, after = Home(), Home()
    id = await before.greets_as(OPS)
    after.listener.saved_sessions[id] = SavedSession(subscriptions=["x://y"])
    asked: list[Any] = []

    async def handle(session: Any, method: str, params: Any, port: Any) -> bytes:
        asked.append((method, port.said.principal))
        return b"{}"

    after.desk.handle = handle  # type: ignore[method-assign]
    assert (await after.answers(post({"id": 1, "method": "ping"}, id, **DEV))).status == 404
    assert asked == []
    await after.answers(post({"id": 1, "method": "ping"}, id, **OPS))
    await settle()
    assert ("resources/subscribe", Principal(kind="bearer", id="ops")) in asked
