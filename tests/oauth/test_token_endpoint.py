"""Tokens come and go by one request each, and are hidden from the moment they are known."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.veil import EVERYWHERE
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.token_endpoint import revoke, tokens_for
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient, SignedIn, Tokens
from tests.oauth.site import site
from tests.support import real_loop

CLIENT = OAuthClient(id="me", secret="hush-secret-of-client", method="client_secret_post")


@real_loop()
async def test_tokens_are_had_and_hidden() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/token"] = {
            "access_token": "hush-access-token-1",
            "refresh_token": "hush-refresh-token-1",
        }
        tokens = await tokens_for(web, f"{there.url}/token", {"grant_type": "x"}, CLIENT, lambda: 5.0)
        assert tokens.access == "hush-access-token-1"
        assert there.seen[0].form == {
            "grant_type": "x",
            "client_id": "me",
            "client_secret": "hush-secret-of-client",
        }
        shown = EVERYWHERE.hide(f"{tokens.access} {tokens.refresh} {CLIENT.secret}")
        assert "hush" not in shown


@real_loop()
async def test_a_refusal_is_a_failure() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/token"] = (400, {}, b'{"error":"invalid_grant"}')
        with pytest.raises(SignInFailed) as caught:
            await tokens_for(web, f"{there.url}/token", {}, CLIENT, lambda: 5.0)
        assert caught.value.why is Why.REVOKED


def signed_in(url: str, **tokens: Any) -> SignedIn:
    return SignedIn(
        issuer=url,
        token_endpoint=f"{url}/token",
        revocation_endpoint=f"{url}/revoke",
        client=CLIENT,
        tokens=Tokens(**tokens),
    )


@real_loop()
async def test_both_tokens_are_given_back() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/revoke"] = (200, {}, b"")
        assert await revoke(web, signed_in(there.url, access="a", refresh="r"))
        assert [seen.form["token"] for seen in there.seen] == ["r", "a"]
        there.seen.clear()
        assert await revoke(web, signed_in(there.url, access="a"))
        assert [seen.form["token_type_hint"] for seen in there.seen] == ["access_token"]


@real_loop()
async def test_whoever_takes_nothing_back_is_told_from_whoever_refuses() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        nowhere = SignedIn(issuer="x", token_endpoint="x", client=CLIENT, tokens=Tokens(access="a"))
        assert not await revoke(web, nowhere)
        there.answers["/revoke"] = (503, {}, b"")
        with pytest.raises(SignInFailed) as caught:
            await revoke(web, signed_in(there.url, access="a"))
        assert caught.value.why is Why.NETWORK
