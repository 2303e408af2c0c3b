"""Descriptions are looked for where the standards say, and believed only of the one they are about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import (
    ResourceMetadata,
    ServerMetadata,
    guessed_server,
    read_resource,
    read_server,
    resource_of,
    resource_places,
    server_places,
)

URL, ISSUER = "https://notes.example/team/mcp", "https://id.example"


def resource(**facts: Any) -> bytes:
    return json.dumps({"resource": URL, "authorization_servers": [ISSUER], **facts}).encode()


def server(**facts: Any) -> bytes:
    known: dict[str, Any] = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "code_challenge_methods_supported": ["plain", "S256"],
    }
    return json.dumps({k: v for k, v in {**known, **facts}.items() if v is not None}).encode()


def test_a_server_describes_itself_where_its_challenge_says_else_by_its_path_else_at_the_root() -> None:
    base = "https://notes.example/.well-known/oauth-protected-resource"
    assert resource_places(URL, "https://x/y") == ["https://x/y"]
    assert resource_places(f"{URL}/?a=1", "") == [f"{base}/team/mcp", base]
    assert resource_places("HTTPS://u:p@Notes.example/", "") == [base]


def test_an_authorization_server_is_asked_in_the_order_of_the_specification() -> None:
    assert server_places("https://id.example/") == [
        "https://id.example/.well-known/oauth-authorization-server",
        "https://id.example/.well-known/openid-configuration",
    ]
    assert server_places("https://id.example/tenant1") == [
        "https://id.example/.well-known/oauth-authorization-server/tenant1",
        "https://id.example/.well-known/openid-configuration/tenant1",
        "https://id.example/tenant1/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("name", [URL, "https://NOTES.example:443/team/mcp/", "https://notes.example/team"])
def test_a_resource_may_be_the_server_or_what_it_is_within(name: str) -> None:
    raw = resource(resource=name, scopes_supported=["a", 5, ""])
    assert read_resource(raw, URL) == ResourceMetadata(name, (ISSUER,), ("a",))
    assert read_resource(resource(), URL).scopes is None


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example/team/mcp",
        "https://notes.example/tea",
        "https://notes.example/team/mcp/more",
        "https://notes.example:8443/team/mcp",
        "https://me@notes.example/team/mcp",
        f"{URL}#x",
        "https://notes.example:x/",
        5,
        None,
        "https://evil.example/\x07",
    ],
)
def test_a_description_of_another_resource_is_refused(name: object) -> None:
    with pytest.raises(SignInFailed, match="another resource") as caught:
        read_resource(resource(resource=name), URL)
    assert caught.value.why is Why.UNSAFE


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"[]", "no JSON object"),
        (b"\xff", "no JSON object"),
        (b'{"a":' * 5000, "no JSON object"),
        (resource(authorization_servers=[]), "names no authorization server"),
        (resource(authorization_servers="x"), "names no authorization server"),
        (resource(authorization_servers=["http://id.example"]), "https"),
    ],
)
def test_a_description_that_leads_nowhere_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(SignInFailed, match=why):
        read_resource(raw, URL)


def test_all_that_an_authorization_server_says_is_read() -> None:
    said = server(
        registration_endpoint=f"{ISSUER}/register",
        revocation_endpoint=f"{ISSUER}/revoke",
        device_authorization_endpoint=f"{ISSUER}/device",
        token_endpoint_auth_methods_supported=["none"],
        scopes_supported=["a"],
        client_id_metadata_document_supported=True,
        authorization_response_iss_parameter_supported=True,
    )
    assert read_server(said, ISSUER) == ServerMetadata(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        registration_endpoint=f"{ISSUER}/register",
        revocation_endpoint=f"{ISSUER}/revoke",
        device_endpoint=f"{ISSUER}/device",
        methods=("none",),
        scopes=("a",),
        pkce=True,
        documents=True,
        names_issuer=True,
    )


@pytest.mark.parametrize("methods", [None, [], ["plain"], "S256"])
def test_what_is_not_said_of_pkce_is_not_supported(methods: object) -> None:
    assert not read_server(server(code_challenge_methods_supported=methods), ISSUER).pkce


@pytest.mark.parametrize("name", ["https://evil.example", f"{ISSUER}/x", "https://ID.example", None, 7])
def test_the_description_of_another_authorization_server_is_refused(name: object) -> None:
    with pytest.raises(SignInFailed, match="not who it says"):
        read_server(server(issuer=name), ISSUER)


def test_only_the_slash_of_a_bare_host_may_differ() -> None:
    assert read_server(server(issuer=f"{ISSUER}/"), ISSUER).issuer == f"{ISSUER}/"
    assert read_server(server(), f"{ISSUER}/").issuer == ISSUER
    with pytest.raises(SignInFailed, match="not who it says"):
        read_server(server(issuer=f"{ISSUER}/a/"), f"{ISSUER}/a")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"token_endpoint": None}, "names no token_endpoint"),
        ({"token_endpoint": 5}, "token_endpoint is no address"),
        ({"token_endpoint": "http://id.example/token"}, "https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint cannot be read"),
        ({"revocation_endpoint": "http://10.0.0.1/"}, "https"),
        ({"authorization_endpoint": "http://127.0.0.1:8080/x"}, "https://, as its own address"),
        ({"device_authorization_endpoint": "http://localhost/x"}, "https://, as its own address"),
    ],
)
def test_addresses_that_are_not_safe_are_refused(facts: dict[str, Any], why: str) -> None:
    with pytest.raises(SignInFailed, match=why):
        read_server(server(**facts), ISSUER)


def test_a_server_without_any_description_has_the_addresses_of_the_oldest_revision() -> None:
    guessed = guessed_server("https://notes.example:8443/team/mcp")
    assert guessed.token_endpoint == "https://notes.example:8443/token"
    assert guessed.guessed
    assert guessed.pkce


def test_the_name_of_a_resource_has_no_user_no_query_and_no_slash_at_its_end() -> None:
    assert resource_of("HTTPS://u:p@Notes.Example/Team/mcp/?a#b") == "https://notes.example/Team/mcp"


@pytest.mark.parametrize(
    "name", ["http://[x", "https://[", "https://id.example\u2100/", 12, None, ["https://a"]]
)
def test_a_name_that_is_no_address_is_another_name(name: object) -> None:
    with pytest.raises(SignInFailed, match="not who it says"):
        read_server(json.dumps({"issuer": name, "token_endpoint": f"{ISSUER}/token"}).encode(), ISSUER)
    with pytest.raises(SignInFailed, match="another resource"):
        read_resource(resource(resource=name), URL)
