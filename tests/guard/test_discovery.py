"""Where keys are, in the words of their issuer and of nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.guard.discovery import addresses, keys_of
from callmux.guard.key_set import NotUsable


def test_metadata_may_be_in_three_places() -> None:
    assert addresses("https://id.example") == [
        "https://id.example/.well-known/openid-configuration",
        "https://id.example/.well-known/oauth-authorization-server",
    ]
    assert addresses("https://id.example/tenant/") == [
        "https://id.example/tenant/.well-known/openid-configuration",
        "https://id.example/.well-known/oauth-authorization-server/tenant",
        "https://id.example/.well-known/openid-configuration/tenant",
    ]


def facts(**more: Any) -> bytes:
    return json.dumps(
        {"issuer": "https://id.example", "jwks_uri": "https://id.example/keys", **more}
    ).encode()


def test_the_address_of_the_keys_is_what_the_metadata_says() -> None:
    assert keys_of(facts(), "https://id.example", False) == "https://id.example/keys"
    local = "http://127.0.0.1:5/keys"
    assert keys_of(facts(jwks_uri=local), "https://id.example", False) == local
    plain = "http://id.example/keys"
    assert keys_of(facts(jwks_uri=plain), "https://id.example", True) == plain


@pytest.mark.parametrize(
    "raw",
    [
        facts(issuer="https://id.example/"),
        facts(issuer="https://evil.example"),
        facts(issuer=["https://id.example"]),
        facts(jwks_uri="http://id.example/keys"),
        facts(jwks_uri="file:///etc/passwd"),
        facts(jwks_uri="ftp://id.example/keys"),
        facts(jwks_uri="/keys"),
        facts(jwks_uri="https://[x"),
        facts(jwks_uri=None),
        facts(jwks_uri=["https://id.example/keys"]),
        b"[]",
        b"<html>",
        b"\xff",
        b'{"a":' * 5000,
    ],
)
def test_metadata_of_another_issuer_or_without_a_safe_address_is_not_used(raw: bytes) -> None:
    with pytest.raises(NotUsable):
        keys_of(raw, "https://id.example", False)
