"""A cookie counts below the path of the dashboard, for its own pages, and where no header says more."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.observing import Dashboard
from callmux.config.security import BearerAuth, BearerToken, Management, OidcAuth
from callmux.guard import oidc
from callmux.guard.browsers import cookie_name
from callmux.guard.gate import Gate, TurnedAway
from callmux.guard.guard import Guard
from callmux.guard.principal import Principal
from callmux.guard.visitors import Visitors, is_of_own_page
from tests.guard.callers import FakeCaller, enter
from tests.guard.issuer import AUDIENCE, ISSUER, public, rsa, token
from tests.support import FakeClock

HOST = "localhost:4860"
DATA = "/dashboard/data"


def auth(*ids: str) -> BearerAuth:
    return BearerAuth(mode="bearer", tokens=tuple(BearerToken(id=id, token=f"{id}-token-123") for id in ids))


def config(clients: tuple[str, ...] = ("ops",), managers: tuple[str, ...] = ("boss",), **more: Any) -> Config:
    return Config(
        auth=auth(*clients) if clients else None,
        management=Management(enabled=bool(managers), auth=auth(*managers) if managers else None),
        dashboard=Dashboard(enabled=True, **more),
    )


class Door:
    """A guard, and who comes in."""

    def __init__(self, given: Config) -> None:
        self.clock = FakeClock()
        self.guard = Guard(self.clock.clock)
        self.configure(given)

    def configure(self, given: Config) -> None:
        gate = self.guard.gate(given)
        assert gate is not None
        self.gate: Gate = gate

    @property
    def visitors(self) -> Visitors:
        assert self.guard.visitors is not None
        return self.guard.visitors

    async def who(self, path: str = DATA, method: str = "GET", **headers: str) -> str:
        """Whom a request stands for; the status where it does not come in."""
        caller = FakeCaller(path, method, host=HOST, **headers)
        try:
            await enter(self.gate, caller)
        except TurnedAway as refusal:
            return str(refusal.status)
        self.gate.leave(caller, 200)
        return "nobody" if caller.principal is None else caller.principal.label

    async def cookie(self, token: str) -> str:
        client, manager = await self.visitors.examine(FakeCaller(DATA), token)
        now, wall = self.clock.clock.monotonic(), self.clock.clock.wall()
        value, _ = self.visitors.browsers.enter(now, wall, client=client, manager=manager)
        return f"{cookie_name(HOST)}={value}"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, False),
        ({"origin": f"http://{HOST}"}, True),
        ({"origin": "http://LOCALHOST:4860"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "https://tools.example"}, True),
        ({"origin": "null"}, False),
        ({"origin": "http://[bad"}, False),
    ],
)
def test_whose_page_asks(headers: dict[str, str], own: bool) -> None:
    assert is_of_own_page({"host": HOST, **headers}, "tools.example") is own


async def test_a_cookie_stands_for_what_was_shown_below_the_dashboard_only() -> None:
    door = Door(config())
    cookie = await door.cookie("ops-token-123")
    assert await door.who(cookie=cookie) == "bearer:ops"
    for path in ("/mcp", "/sse", "/messages", "/ready", "/management/v1/servers", "/mcp/p/x", "/dashboardx"):
        assert await door.who(path, cookie=cookie) == "401", path
    assert await door.who(cookie=cookie, sec_fetch_site="cross-site") == "401"
    assert await door.who(cookie=cookie, sec_fetch_site="same-site") == "401"
    assert await door.who(cookie=cookie, origin="http://localhost:3000") == "401"
    assert await door.who(cookie=f"{cookie[:-1]}!") == "401"
    await door.guard.close()


async def test_at_the_root_the_paths_of_clients_and_of_the_management_interface_take_no_cookie() -> None:
    door = Door(config(path="/"))
    cookie = await door.cookie("ops-token-123")
    assert await door.who("/data", cookie=cookie) == "bearer:ops"
    for path in (
        "/mcp",
        "/mcp/",
        "/sse",
        "/messages",
        "/mcp/p/x",
        "/management/v1/servers",
    ):
        assert await door.who(path, "POST", cookie=cookie) == "401", path
    assert await door.who("/management/v2", cookie=cookie) == "bearer:ops"
    assert await door.who("/session") == "nobody"
    await door.guard.close()


async def test_a_credential_in_a_header_is_stronger() -> None:
    door = Door(config(("ops", "dev")))
    cookie = await door.cookie("ops-token-123")
    assert await door.who(cookie=cookie, authorization="Bearer dev-token-123") == "bearer:dev"
    assert await door.who(cookie=cookie, authorization="Bearer wrong") == "401"
    assert await door.who("/dashboard/session", authorization="Bearer wrong") == "401"
    await door.guard.close()


async def test_the_page_and_the_ways_in_are_open_and_nothing_else() -> None:
    door = Door(config())
    html = {"accept": "text/html,*/*"}
    assert await door.who("/dashboard", **html) == "nobody"
    assert await door.who("/dashboard/", **html) == "nobody"
    assert await door.who("/dashboard/static/x.js") == "nobody"
    assert await door.who("/dashboard/session") == "nobody"
    assert await door.who("/dashboard/enter") == "nobody"
    assert await door.who("/dashboard/sign-in", "POST") == "nobody"
    assert await door.who("/dashboard/sign-out", "POST") == "nobody"
    for method, path in (
        ("GET", "/dashboard"),
        ("POST", "/dashboard"),
        ("POST", "/dashboard/static/x.js"),
        ("POST", "/dashboard/session"),
        ("GET", "/dashboard/sign-in"),
        ("GET", DATA),
        ("GET", "/dashboard/staticx"),
        ("PUT", "/dashboard/sign-in"),
    ):
        accept = {} if path == "/dashboard" and method == "GET" else html
        assert await door.who(path, method, **accept) == "401", (method, path)
    await door.guard.close()


async def test_a_token_of_the_management_interface_is_one_here_too() -> None:
    door = Door(config())
    client, manager = await door.visitors.examine(FakeCaller(DATA), "boss-token-123")
    assert client is None
    assert manager is not None
    assert manager.principal == Principal(kind="management", id="boss")
    assert await door.who(cookie=await door.cookie("boss-token-123")) == "management:boss"
    assert await door.visitors.examine(FakeCaller(DATA), "wrong") == (None, None)
    assert (door.visitors.asks, door.visitors.has_managers) == (True, True)
    await door.guard.close()


async def test_without_auth_a_browser_is_known_and_nobody_else_for_it() -> None:
    door = Door(config(()))
    cookie = await door.cookie("boss-token-123")
    assert await door.who(cookie=cookie) == "nobody"
    visitor = door.visitors.of(FakeCaller(DATA, host=HOST, cookie=cookie))
    assert visitor is not None
    assert door.visitors.stays(visitor)
    assert (door.visitors.asks, door.visitors.has_managers) == (False, True)
    await door.guard.close()


async def test_browsers_stay_over_a_reload_and_end_with_their_token_or_the_dashboard() -> None:
    door = Door(config())
    cookie = await door.cookie("ops-token-123")
    door.configure(config(managers=()))
    assert await door.who(cookie=cookie) == "bearer:ops"
    door.configure(config(("dev",)))
    assert await door.who(cookie=cookie) == "401"
    assert door.guard.gate(Config(auth=auth("ops"))) is not None
    assert door.guard.visitors is None
    assert Visitors.is_left is False
    await door.guard.close()


async def test_too_many_wrong_tokens_are_refused_unseen() -> None:
    from callmux.config.traffic import AbuseControls

    given = config()
    strict = Config(
        auth=given.auth,
        dashboard=given.dashboard,
        abuse_controls=AbuseControls(address_failed_auth_per_minute=2),
    )
    door = Door(strict)
    for n in range(2):
        assert await door.visitors.examine(FakeCaller(DATA), f"wrong-{n}") == (None, None)
    with pytest.raises(TurnedAway) as refused:
        await door.visitors.examine(FakeCaller(DATA), "wrong-again")
    assert refused.value.status == 429
    await door.guard.close()


async def test_a_browser_stays_for_as_long_as_the_token_of_its_issuer_is_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a token counts for a minute without another look at the keys: then it is examined again."""
    keys = [rsa()]

    async def document(url: str, seconds: float) -> bytes:
        return public(*keys)

    monkeypatch.setattr(oidc, "document", document)
    auth = OidcAuth(mode="oidc_jwt", issuer=ISSUER, audience=(AUDIENCE,), jwks_uri="https://id.example/keys")
    door = Door(Config(auth=auth, dashboard=Dashboard(enabled=True)))
    cookie = await door.cookie(token().decode())
    for _ in range(3):
        door.clock.advance(oidc.REMEMBERED_SECONDS + 1)
        assert await door.who(cookie=cookie) == "oidc_jwt:ann"
    assert token().decode() not in repr(door.visitors.of(FakeCaller(DATA, host=HOST, cookie=cookie)))
    door.clock.advance(300)
    assert await door.who(cookie=cookie) == "401"
    await door.guard.close()


async def test_a_browser_ends_with_the_key_of_its_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [rsa()]

    async def document(url: str, seconds: float) -> bytes:
        return public(*keys)

    monkeypatch.setattr(oidc, "document", document)
    auth = OidcAuth(
        mode="oidc_jwt",
        issuer=ISSUER,
        audience=(AUDIENCE,),
        jwks_uri="https://id.example/keys",
        jwks_cache_ttl_seconds=30,
    )
    door = Door(Config(auth=auth, dashboard=Dashboard(enabled=True)))
    cookie = await door.cookie(token().decode())
    assert await door.who(cookie=cookie) == "oidc_jwt:ann"
    keys[:] = [rsa("k2")]
    door.clock.advance(61)
    html = {"accept": "text/html"}
    assert await door.who("/dashboard", cookie=cookie, **html) == "nobody"
    assert await door.who(cookie=cookie) == "401"
    await door.guard.close()
