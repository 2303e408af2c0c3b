"""Tokens come by one request, and are hidden from the moment they are known."""

from __future__ import annotations

import pytest

from callmux.config.veil import EVERYWHERE
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.token_endpoint import tokens_for
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient
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
