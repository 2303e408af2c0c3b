"""Sign-ins are made when a link needs them, and where something can be kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from msgspec import Raw

from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer, divided
from callmux.context import Scope
from callmux.oauth.credentials import SignInCredentials, UnsignedCredentials
from callmux.observe.bus import Bus
from callmux.observe.facts import SignInNeeded
from callmux.process.sign_ins import LateSignIns
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.credentials import Challenge, Credentials, FixedHeaders
from callmux.upstream.visits import VISIT_OVER
from tests.oauth.scene import guarded
from tests.support import FakeClient, free_port, real_loop, until

CONFIG = HttpServer(url="https://s.example/mcp")


async def test_without_a_home_nobody_signs_in() -> None:
    late = LateSignIns({}, Path("/"))
    assert isinstance(late.credentials("s", CONFIG, {"X": "1"}, Scope()), FixedHeaders)
    await late.close()


@real_loop()
async def test_whoever_must_sign_in_is_told_on_the_bus(tmp_path: Path) -> None:
    bus = Bus()
    told: list[SignInNeeded] = []
    bus.subscribe(SignInNeeded, told.append)
    late = LateSignIns({"XDG_STATE_HOME": str(tmp_path)}, Path("/"), bus)
    assert repr(late) == "LateSignIns(None)"
    credentials = late.credentials("s", CONFIG, {"X": "1"}, Scope())
    assert credentials.headers() == {"X": "1"}
    refused = credentials.refused(Challenge(401, "Bearer", {}))
    assert not isinstance(refused, bool)
    with pytest.raises(CallFailure):
        await refused
    assert told == [SignInNeeded(server="s")]
    await late.close()


class Told(FakeClient):
    """A client that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, object]] = []

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        self.heard.append((method, json.loads(bytes(params or b"null"))))


@real_loop()
async def test_one_way_in_serves_all_who_are_invited_and_each_is_told(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path), "CALLMUX_KEYRING": "off"}
    with guarded() as server:
        late, clients = LateSignIns(env, tmp_path), [Told(), Told()]
        first, second = await asyncio.gather(
            *(late.invite("guarded", server.config(), client) for client in clients)
        )
        assert first is not None
        assert second is not None
        assert first["url"] == second["url"]
        assert first["elicitationId"] != second["elicitationId"]
        async with aiohttp.ClientSession() as browser, browser.get(first["url"]) as page:
            assert page.status == 200
        await until(lambda: clients[1].heard, "the end of the sign-in")
        ids = [first["elicitationId"], second["elicitationId"]]
        assert [client.heard for client in clients] == [[(VISIT_OVER, {"elicitationId": id})] for id in ids]
        await late.close()


@real_loop()
async def test_where_no_way_in_can_be_opened_nobody_is_invited(tmp_path: Path) -> None:
    port = free_port()
    config = HttpServer(url="https://s.example/mcp", oauth=OAuth(callback_port=port))
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    late = LateSignIns({"XDG_STATE_HOME": str(tmp_path), "CALLMUX_KEYRING": "off"}, tmp_path)
    assert await late.invite("s", config, Told()) is None
    taken.close()
    await taken.wait_closed()
    assert await late.invite("s", config, Told()) is not None
    await late.close()


async def test_where_principals_sign_in_nobody_uses_what_is_everybodys(tmp_path: Path) -> None:
    late = LateSignIns({"XDG_STATE_HOME": str(tmp_path)}, Path("/"))
    apart = divided(CONFIG)
    assert isinstance(apart, HttpServer)
    assert isinstance(late.credentials("s", apart, {}, Scope()), UnsignedCredentials)
    assert isinstance(late.credentials("s", apart, {}, Scope(owner="bearer:ann")), SignInCredentials)
    assert isinstance(late.credentials("s", CONFIG, {}, Scope()), SignInCredentials)
    with pytest.raises(CallFailure, match='write "oauth": '):
        await refused(late.credentials("s", apart, {}, Scope()))
    own = divided(HttpServer(url="https://s.example/mcp", oauth=OAuth()))
    assert isinstance(own, HttpServer)
    with pytest.raises(CallFailure, match="--principal PRINCIPAL"):
        await refused(late.credentials("s", own, {}, Scope()))
    await late.close()


async def test_a_server_that_wants_a_sign_in_of_somebody_is_told_of_once(tmp_path: Path) -> None:
    """Also where there is no principal who could be awaited."""
    bus, told = Bus(), list[SignInNeeded]()
    bus.subscribe(SignInNeeded, told.append)
    late = LateSignIns({"XDG_STATE_HOME": str(tmp_path)}, Path("/"), bus)
    apart = divided(CONFIG)
    assert isinstance(apart, HttpServer)
    for name in ("s", "s", "other"):
        with pytest.raises(CallFailure):
            await refused(late.credentials(name, apart, {}, Scope()))
    assert told == [SignInNeeded(server="s"), SignInNeeded(server="other")]
    await late.close()


async def refused(credentials: Credentials) -> bool:
    found = credentials.refused(Challenge(401, "Bearer", {}))
    return found if isinstance(found, bool) else await found
