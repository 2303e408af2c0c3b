"""The `oauth` object of a server: what fits together."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_server
from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer


def read(**oauth: Any) -> tuple[OAuth | None, list[str]]:
    server, errors, _ = check_server({"url": "https://a/mcp", "oauth": oauth}, "servers.a")
    return server.oauth if isinstance(server, HttpServer) else None, errors


def test_every_key_is_read() -> None:
    found, errors = read(
        clientId="me",
        clientSecret="env:S",
        tokenEndpointAuthMethod="client_secret_post",
        scopes=["a", "a"],
        callbackPort=4242,
        issuer="https://id.example",
        clientMetadataUrl="https://c.example/me.json",
        grant="device_code",
    )
    assert errors == []
    assert found == OAuth(
        client_id="me",
        client_secret="env:S",
        token_endpoint_auth_method="client_secret_post",
        scopes=("a",),
        callback_port=4242,
        issuer="https://id.example",
        client_metadata_url="https://c.example/me.json",
        grant="device_code",
    )
    assert read() == (OAuth(), [])


@pytest.mark.parametrize(
    ("oauth", "error"),
    [
        ({"clientSecret": "s"}, 'servers.a.oauth.clientSecret needs "clientId" beside it'),
        ({"privateKey": "file:k"}, 'servers.a.oauth.privateKey needs "clientId" beside it'),
        ({"clientId": "a", "clientSecret": "s", "privateKey": "file:k"}, "in one way"),
        ({"clientId": "a", "grant": "client_credentials"}, "client_credentials needs"),
        ({"clientId": "a", "tokenEndpointAuthMethod": "private_key_jwt"}, 'needs "privateKey"'),
        ({"callbackPort": 70000}, "at most 65535"),
        ({"grant": "password"}, "must be"),
    ],
)
def test_what_does_not_fit_together_is_told(oauth: dict[str, Any], error: str) -> None:
    _, errors = read(**oauth)
    assert any(error in found for found in errors), errors
