"""As whom callmux signs in: what is configured comes first, and a registration stays with whoever gave it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.oauth import OAuth
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata
from callmux.oauth.registration import configured_client, document_client, is_usable, register
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient
from tests.oauth.site import Site, site
from tests.support import real_loop

REDIRECT = "http://127.0.0.1:4242/callback"


def server(url: str = "https://id.example", **more: Any) -> ServerMetadata:
    facts: dict[str, Any] = {"registration_endpoint": f"{url}/register", **more}
    return ServerMetadata(issuer=url, token_endpoint=f"{url}/token", **facts)


async def registered(there: Site, grant: str = "authorization_code", **more: Any) -> OAuthClient:
    uri = "" if grant == "device_code" else REDIRECT
    async with Web(f"{there.url}/mcp") as web:
        return await register(web, server(there.url, **more), uri, ("a",), grant)


@pytest.mark.parametrize(
    ("settings", "secret", "methods", "method"),
    [
        (OAuth(client_id="me"), "", None, "none"),
        (OAuth(client_id="me"), "s", None, "client_secret_basic"),
        (OAuth(client_id="me"), "s", ("client_secret_post",), "client_secret_post"),
        (OAuth(client_id="me", private_key="file:k"), "", None, "private_key_jwt"),
        (
            OAuth(client_id="me", token_endpoint_auth_method="client_secret_post"),
            "s",
            None,
            "client_secret_post",
        ),
    ],
)
def test_a_configured_client_shows_who_it_is_as_the_server_wants(
    settings: OAuth, secret: str, methods: tuple[str, ...] | None, method: str
) -> None:
    client = configured_client(settings, secret, server(methods=methods))
    assert client == OAuthClient(id="me", secret=secret, method=method, source="configured")
    assert configured_client(OAuth(), "", server()) is None


def test_a_metadata_document_is_used_where_it_is_taken() -> None:
    settings = OAuth(client_metadata_url="https://c.example/me.json")
    assert document_client(settings, server()) is None
    assert document_client(OAuth(), server(documents=True)) is None
    client = document_client(settings, server(documents=True))
    assert client == OAuthClient(id="https://c.example/me.json", source="document")


def test_a_registration_is_used_again_until_its_secret_expires_or_the_port_changes() -> None:
    client = OAuthClient(id="me", redirect_uri=REDIRECT, expires_at=100.0)
    assert is_usable(client, REDIRECT, (), 99.0)
    assert is_usable(client, "", (), 99.0)
    assert not is_usable(client, REDIRECT, (), 100.0)
    assert not is_usable(client, "http://127.0.0.1:1/callback", (), 99.0)


def test_a_registration_for_fewer_scopes_is_not_used_for_more() -> None:
    client = OAuthClient(id="me", redirect_uri=REDIRECT, scopes=("a", "b"))
    assert is_usable(client, REDIRECT, ("b",), 0.0)
    assert not is_usable(client, REDIRECT, ("b", "c"), 0.0)


@real_loop()
async def test_the_scopes_that_a_registration_names_count() -> None:
    async with site() as there:
        there.answers["/register"] = {"client_id": "new", "scope": "a b"}
        assert (await registered(there)).scopes == ("a", "b")
        there.answers["/register"] = {"client_id": "new", "scope": None}
        assert (await registered(there)).scopes == ()


@real_loop()
async def test_callmux_registers_as_a_program_of_this_machine() -> None:
    async with site() as there:
        there.answers["/register"] = {"client_id": "new"}
        client = await registered(there)
        assert client == OAuthClient(id="new", redirect_uri=REDIRECT, scopes=("a",))
        said = json.loads(there.seen[0].body)
        assert said["application_type"] == "native"
        assert said["redirect_uris"] == [REDIRECT]
        assert said["token_endpoint_auth_method"] == "none"
        assert said["scope"] == "a"
        assert "refresh_token" in said["grant_types"]


@real_loop()
async def test_a_device_registers_without_an_address() -> None:
    async with site() as there:
        there.answers["/register"] = {"client_id": "new"}
        await registered(there, "device_code")
        said = json.loads(there.seen[0].body)
        assert "redirect_uris" not in said
        assert any("device_code" in grant for grant in said["grant_types"])


@pytest.mark.parametrize(
    ("methods", "answer", "method", "secret"),
    [
        (None, {}, "none", ""),
        (("client_secret_post",), {"client_secret": "s"}, "client_secret_post", "s"),
        (("client_secret_basic",), {}, "none", ""),
        (None, {"client_secret": "s"}, "client_secret_basic", "s"),
        (
            None,
            {"client_secret": "s", "token_endpoint_auth_method": "client_secret_post"},
            "client_secret_post",
            "s",
        ),
        (None, {"client_secret": "s", "token_endpoint_auth_method": "none"}, "none", "s"),
    ],
)
@real_loop()
async def test_what_the_server_answers_counts(
    methods: tuple[str, ...] | None, answer: dict[str, Any], method: str, secret: str
) -> None:
    async with site() as there:
        there.answers["/register"] = (201, {}, json.dumps({"client_id": "new", **answer}).encode())
        client = await registered(there, methods=methods)
        assert (client.method, client.secret) == (method, secret)


@real_loop()
async def test_the_end_of_a_secret_is_kept_and_none_means_never() -> None:
    async with site() as there:
        there.answers["/register"] = {"client_id": "a", "client_secret": "s", "client_secret_expires_at": 50}
        assert (await registered(there)).expires_at == 50.0
        there.answers["/register"] = {"client_id": "a", "client_secret": "s", "client_secret_expires_at": 0}
        assert (await registered(there)).expires_at is None


@pytest.mark.parametrize(
    ("answer", "why", "kind"),
    [
        ((400, {}, b'{"error":"invalid_redirect_uri"}'), "invalid_redirect_uri.*by hand", Why.SETTINGS),
        ((403, {}, b"<html>"), "HTTP 403.*by hand", Why.SETTINGS),
        ((503, {}, b""), "busy or failing", Why.NETWORK),
        ((201, {}, b"[]"), "no JSON object", Why.UNSAFE),
        ((201, {}, b'{"client_id":5}'), "no client_id", Why.UNSAFE),
        (
            (201, {}, b'{"client_id":"a","token_endpoint_auth_method":"private_key_jwt"}'),
            "has not got",
            Why.UNSAFE,
        ),
        (
            (201, {}, b'{"client_id":"a","token_endpoint_auth_method":"client_secret_post"}'),
            "has not got",
            Why.UNSAFE,
        ),
    ],
)
@real_loop()
async def test_where_callmux_is_not_registered_it_says_what_to_do(answer: Any, why: str, kind: Why) -> None:
    async with site() as there:
        there.answers["/register"] = answer
        with pytest.raises(SignInFailed, match=why) as caught:
            await registered(there)
        assert caught.value.why is kind


@real_loop()
async def test_a_server_that_registers_nobody_wants_a_client_of_the_configuration() -> None:
    async with site() as there:
        with pytest.raises(SignInFailed, match='"clientId"'):
            await registered(there, registration_endpoint="")


@real_loop()
@pytest.mark.parametrize("expires", [10**400, -1, 0, "never", None])
async def test_a_secret_expires_at_whatever_is_said(expires: object) -> None:
    async with site() as there:
        there.answers["/register"] = {
            "client_id": "me",
            "client_secret": "s",
            "token_endpoint_auth_method": "client_secret_post",
            "client_secret_expires_at": expires,
        }
        client = await registered(there)
        assert is_usable(client, REDIRECT, ("a",), 1e9)
