"""Clients that open addresses are shown the way in; all others get the failure as it is."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.servers import HttpServer
from callmux.errors import SignInRequired, ToolCallFailed
from callmux.protocol.jsonrpc import RpcError
from callmux.rings.converting import URL_ELICITATION_REQUIRED, Converting, Required, as_result
from callmux.rings.inviting import Inviting
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
    found: Any = Inviting({"far": FAR}, opens).leave(call, given)
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


def test_only_servers_at_a_url_are_concerned() -> None:
    stage = Inviting({"far": FAR}, invite)
    assert stage.concerns(route("far"))
    assert not stage.concerns(route("near"))
