"""Clients that open addresses are shown the way in; all others get the failure as it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.config.servers import HttpServer
from callmux.errors import SignInRequired, ToolCallFailed
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result
from callmux.rings.converting import URL_ELICITATION_REQUIRED, Converting, Required, as_result
from callmux.rings.inviting import Inviting
from callmux.rings.ring import run
from callmux.rings.stage import Stages
from callmux.upstream.visits import Visits
from tests.support import FakeClient, context, planned, route

FAR = HttpServer(url="https://far.example/mcp")
URLS = b'{"elicitation":{"url":{}}}'


async def invite(name: str, config: HttpServer, client: Any) -> dict[str, Any]:
    return {"mode": "url", "url": "http://127.0.0.1:1/begin", "for": [name, config.url]}


async def nowhere(name: str, config: HttpServer, client: Any) -> None:
    return None


async def outcome_of(
    capabilities: bytes, version: str = "2025-11-25", failure: Exception | None = None, opens: Any = invite
) -> tuple[Any, SignInRequired]:
    client = FakeClient()
    client.capabilities, client.version = capabilities, version
    call = planned(server="far", context=context(client=client))
    given: Any = failure or SignInRequired("sign in", server="far")
    found: Any = Inviting({"far": FAR}, opens, Visits()).leave(call, given)
    return (found if isinstance(found, Exception) else await found), given


async def test_a_client_that_opens_addresses_gets_one() -> None:
    found, given = await outcome_of(URLS)
    assert found is given
    assert given.invitation is not None
    assert given.invitation["for"] == ["far", FAR.url]
    shown = Converting().leave(planned(server="far"), given)
    assert isinstance(shown, RpcError)
    assert (shown.code, shown.message) == (URL_ELICITATION_REQUIRED, "sign in")
    data: Any = shown.data
    assert data["elicitations"] == [given.invitation]
    assert data["server"] == "far"
    inside = as_result(given)
    assert isinstance(inside, Required)
    assert inside.error.code == URL_ELICITATION_REQUIRED


@pytest.mark.parametrize(
    ("capabilities", "version"),
    [
        (b"{}", "2025-11-25"),
        (b'{"elicitation":{}}', "2025-11-25"),
        (URLS, "2025-06-18"),
        (URLS, "2026-07-28"),
        (b"{}", "2026-07-28"),
    ],
)
async def test_all_others_get_the_failure_as_it_is(capabilities: bytes, version: str) -> None:
    _, given = await outcome_of(capabilities, version)
    assert given.invitation is None
    assert not isinstance(Converting().leave(planned(server="far"), given), RpcError)


async def test_other_failures_and_ways_that_cannot_be_opened_change_nothing() -> None:
    failure = ToolCallFailed("no")
    assert (await outcome_of(URLS, failure=failure))[0] is failure
    found, given = await outcome_of(URLS, opens=nowhere)
    assert found is given
    assert given.invitation is None


class Way:
    """A server that wants a sign-in until somebody has signed in, and a person at a client of 2026-07-28."""

    def __init__(self, *answers: bytes) -> None:
        self.client, self.visits = FakeClient(URLS), Visits()
        self.client.version, self.client.parks = "2026-07-28", True
        self.client.answers = list(answers)
        self.sent = 0
        self.fails = 1
        stage = Inviting({"far": FAR}, self.invite, self.visits)
        self.stages = Stages([stage, self])

    async def invite(self, name: str, config: HttpServer, client: Any) -> dict[str, Any]:
        return {"mode": "url", "url": "http://127.0.0.1:1/begin", "message": "in", "elicitationId": "a"}

    async def enter(self, call: Any) -> Result:
        self.sent += 1
        if self.sent <= self.fails:
            raise SignInRequired("sign in", server="far")
        return Result(b'{"n":%d}' % self.sent)

    async def call(self) -> bytes:
        around = context(client=self.client)
        return (await run(planned(server="far", context=around, stages=self.stages))).raw


async def test_a_client_without_a_handshake_is_asked_and_its_call_goes_on() -> None:
    way = Way(b'{"action":"accept"}')
    way.fails = 3
    calling = asyncio.ensure_future(way.call())
    await asyncio.sleep(1)
    assert way.client.asked == [
        ("elicitation/create", {"mode": "url", "url": "http://127.0.0.1:1/begin", "message": "in"})
    ]
    assert way.sent == 1
    way.visits.over("a")
    assert await calling == b'{"n":4}', "the server is not connected at once"


async def test_a_person_who_does_not_sign_in_ends_with_the_failure() -> None:
    for way in (Way(b'{"action":"decline"}'), Way(b'{"action":"accept"}')):
        with pytest.raises(SignInRequired):
            await way.call()
        assert way.sent == 1
    way = Way(b'{"action":"accept"}')
    way.fails = 100
    calling = asyncio.ensure_future(way.call())
    await asyncio.sleep(1)
    way.visits.over("a")
    with pytest.raises(SignInRequired):
        await calling


def test_only_servers_at_a_url_are_concerned() -> None:
    stage = Inviting({"far": FAR}, invite, Visits())
    assert stage.concerns(route("far"))
    assert not stage.concerns(route("near"))
