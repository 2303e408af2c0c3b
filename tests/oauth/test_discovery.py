"""The authorization server of a server is found as the revisions say, each in its order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.oauth.challenge import BearerChallenge
from callmux.oauth.discovery import Discovered, challenge_of, discover
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.web import Web
from tests.oauth.site import Site, site
from tests.support import real_loop

ROOT, OWN = "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"
OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


async def found(there: Site, named: str = "", issuer: str | None = None) -> Discovered:
    async with Web(f"{there.url}/mcp") as web:
        return await discover(web, f"{there.url}/mcp", named, issuer)


@real_loop()
async def test_what_the_challenge_names_is_read_and_nothing_else() -> None:
    async with site() as there:
        there.described()
        there.answers["/meta"] = there.answers.pop(OWN) | {"scopes_supported": ["a"]}
        result = await found(there, f"{there.url}/meta")
        assert (result.resource, result.scopes) == (f"{there.url}/mcp", ("a",))
        assert there.paths() == ["/meta", OAUTH]


@real_loop()
async def test_without_a_challenge_the_places_are_tried_in_order() -> None:
    async with site() as there:
        there.described()
        there.answers[ROOT] = there.answers.pop(OWN)
        there.answers[OPENID] = there.answers.pop(OAUTH)
        result = await found(there)
        assert result.server.issuer == there.url
        assert there.paths() == [OWN, ROOT, OAUTH, OPENID]


@real_loop()
async def test_a_page_for_every_path_is_no_description() -> None:
    async with site() as there:
        there.described()
        there.answers[ROOT] = there.answers.pop(OWN)
        there.answers[OWN] = (200, {"Content-Type": "text/html"}, b"<!doctype html>")
        assert (await found(there)).resource == f"{there.url}/mcp"


@real_loop()
async def test_a_server_of_the_oldest_revision_is_its_own_authorization_server() -> None:
    async with site() as there:
        assert (await found(there)).server.guessed
        there.described()
        del there.answers[OWN]
        result = await found(there)
        assert not result.server.guessed
        assert result.resource == f"{there.url}/mcp"


@real_loop()
async def test_a_description_that_is_promised_and_not_there_ends_the_search() -> None:
    async with site() as there:
        there.described()
        with pytest.raises(SignInFailed, match="is not there") as caught:
            await found(there, f"{there.url}/none")
        assert caught.value.why is Why.UNSAFE
        del there.answers[OAUTH]
        with pytest.raises(SignInFailed, match="does not describe itself"):
            await found(there)


@pytest.mark.parametrize("place", [OWN, OAUTH])
@pytest.mark.parametrize("status", [429, 500, 503])
@real_loop()
async def test_a_server_that_is_busy_is_not_taken_for_one_that_says_nothing(place: str, status: int) -> None:
    async with site() as there:
        there.described()
        there.answers[place] = (status, {}, b"")
        with pytest.raises(SignInFailed, match="busy or failing") as caught:
            await found(there)
        assert caught.value.why is Why.NETWORK


@real_loop()
async def test_a_configured_issuer_must_be_one_of_the_servers_own() -> None:
    async with site() as there:
        there.described()
        assert (await found(there, issuer=f"{there.url}/")).server.issuer == there.url
        with pytest.raises(SignInFailed, match=r"not the one that oauth\.issuer") as caught:
            await found(there, issuer="https://old.example")
        assert caught.value.why is Why.UNSAFE


@real_loop()
async def test_a_configured_issuer_stands_in_for_a_server_that_says_nothing() -> None:
    async with site() as there:
        there.described()
        del there.answers[OWN]
        assert (await found(there, issuer=there.url)).server.issuer == there.url
        with pytest.raises(SignInFailed, match="does not describe itself") as caught:
            await found(there, issuer=f"{there.url}/tenant")
        assert caught.value.why is Why.SETTINGS


@real_loop()
async def test_the_challenge_of_a_greeting_is_read() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/mcp"] = (401, {"WWW-Authenticate": 'Bearer scope="a"'}, b"")
        assert await challenge_of(web, {"X-Key": "k"}) == BearerChallenge(scopes=("a",))
        greeting: dict[str, Any] = json.loads(there.seen[0].body)
        assert greeting["method"] == "initialize"
        assert there.seen[0].headers["X-Key"] == "k"
        there.answers["/mcp"] = (403, {}, b"")
        assert await challenge_of(web, {}) == BearerChallenge()
        there.answers["/mcp"] = (200, {}, b"{}")
        assert await challenge_of(web, {}) is None
