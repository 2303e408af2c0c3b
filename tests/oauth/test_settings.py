"""Secrets of a sign-in are looked up where they are, and a key signs for its client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from callmux.config.oauth import OAuth
from callmux.config.references import Reference, Template
from callmux.config.servers import HttpServer
from callmux.config.veil import EVERYWHERE
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.settings import SignInSettings, account_of, looked_up, settings_of
from tests.support import real_loop


def settings(folder: Path, **oauth: Any) -> SignInSettings:
    config = HttpServer(
        url="https://s.example/mcp", headers={"X-A": "1"}, oauth=OAuth(client_id="me", **oauth)
    )
    return settings_of("s", config, {"SECRET": "from-the-environment"}, folder)


@real_loop()
async def test_a_server_without_an_oauth_object_has_the_usual_settings(tmp_path: Path) -> None:
    found = settings_of("s", HttpServer(url="https://s.example/mcp"), {}, tmp_path)
    assert found.oauth == OAuth()
    assert await found.secret() == ""


@pytest.mark.parametrize(
    ("written", "secret"),
    [("env:SECRET", "from-the-environment"), ("file:secret", "from-the-file"), ("itself", "itself")],
)
@real_loop()
async def test_a_secret_is_found_where_its_reference_leads(written: str, secret: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-the-file\n")
    found = settings(tmp_path, client_secret=written)
    assert await found.secret() == secret
    assert "hush" not in repr(found)
    if written != secret:
        assert secret not in EVERYWHERE.hide(f"it is {secret}")


@real_loop()
async def test_an_account_is_the_same_before_and_after_its_references_are_looked_up(tmp_path: Path) -> None:
    templates: dict[str, Template] = {"url": ("https://", Reference("env", "HOST"), "/mcp")}
    written = HttpServer(url="https://${env:HOST}/mcp", templates=templates)
    found = await looked_up(written, tmp_path, {"HOST": "s.example"})
    assert found.url == "https://s.example/mcp"
    assert account_of("s", found, "ann") == account_of("s", written, "ann")
    assert account_of("s", HttpServer(url="https://s.example/mcp")).url == "https://s.example/mcp"
    with pytest.raises(SignInFailed, match="HOST") as caught:
        await looked_up(written, tmp_path, {})
    assert caught.value.why is Why.SETTINGS


@real_loop()
async def test_a_reference_that_leads_nowhere_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(SignInFailed, match=r'oauth\.clientSecret.*"NONE"') as caught:
        await settings(tmp_path, client_secret="env:NONE").secret()
    assert caught.value.why is Why.SETTINGS


@pytest.mark.parametrize("form", ["pem", "jwk"])
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
@real_loop()
async def test_a_key_signs_for_its_client(form: str, algorithm: str, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
    text = (
        key.as_pem(private=True).decode()
        if form == "pem"
        else json.dumps({**key.as_dict(private=True), "kid": "k"})
    )
    (tmp_path / "key").write_text(text)
    made = await settings(tmp_path, private_key="file:key", algorithm=algorithm).assertion(
        "me", "https://id.example", 100
    )
    read = jwt.decode(made, key, algorithms=[algorithm])
    assert read.claims["iss"] == read.claims["sub"] == "me"
    assert read.claims["aud"] == "https://id.example"
    assert read.claims["exp"] - read.claims["iat"] == 120
    assert read.header.get("kid") == ("k" if form == "jwk" else None)


@pytest.mark.parametrize("text", ["not a PEM", "{}", '{"kty":"oct","k":"AAAA"}'])
@real_loop()
async def test_what_is_no_key_is_told_without_being_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(SignInFailed, match="privateKey is no key that signs with ES256") as caught:
        await settings(tmp_path, private_key="file:key").assertion("me", "x", 1)
    assert text not in caught.value.reason


@real_loop()
async def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    with pytest.raises(SignInFailed, match="names no privateKey"):
        await settings(tmp_path).assertion("me", "x", 1)
