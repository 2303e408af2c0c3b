"""Signing in at this terminal: what of the configuration counts, and where the tokens go."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.signing_in import Manner, own_store, place_of, sign_in_here
from callmux.config.references import Reference
from callmux.config.servers import HttpServer
from callmux.oauth.failure import SignInFailed
from callmux.stores.sign_ins import Account
from tests.oauth.site import Seen, site
from tests.support import real_loop


def around(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path), "CALLMUX_KEYRING": "off", "PATH": os.environ["PATH"]}


@pytest.fixture(autouse=True)
def nobody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    monkeypatch.setattr("sys.stdin", nothing)


@real_loop()
async def test_a_code_for_another_device_is_used_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    polls: list[Seen] = []

    def token(seen: Seen) -> Any:
        polls.append(seen)
        if len(polls) == 1:
            return 400, {}, b'{"error": "authorization_pending"}'
        return {"access_token": "s3cret", "token_type": "Bearer", "expires_in": 60}

    async with site() as there:
        there.described(
            device_authorization_endpoint=f"{there.url}/device",
            grant_types_supported=["urn:ietf:params:oauth:grant-type:device_code"],
        )
        there.answers |= {
            "/mcp": (401, {"WWW-Authenticate": "Bearer"}, b""),
            "/register": {"client_id": "me"},
            "/device": {
                "device_code": "hush",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{there.url}/enter",
                "expires_in": 600,
                "interval": 0.01,
            },
            "/token": token,
        }
        config = HttpServer(url=f"{there.url}/mcp")
        env = around(tmp_path)
        signed_in = await sign_in_here("s", config, tmp_path, Manner(device=True), env)
        assert signed_in.grant == "device_code"
        said = capsys.readouterr().err
        assert "enter the code WDJB-MJHT" in said
        assert f"  {there.url}/enter\n" in said
        assert "hush" not in said
        store = own_store(env)
        account = Account("s", config.url)
        kept = store.read(account).signed_in
        assert kept is not None
        assert kept.tokens.access == "s3cret"
        assert stat.S_IMODE(store.path(account).stat().st_mode) == 0o600
        assert str(store.path(account).parent) in place_of(env)


@real_loop()
async def test_a_code_that_nobody_enters_is_waited_for_no_longer_than_was_said(tmp_path: Path) -> None:
    async with site() as there:
        there.described(device_authorization_endpoint=f"{there.url}/device")
        there.answers |= {
            "/mcp": (401, {"WWW-Authenticate": "Bearer"}, b""),
            "/register": {"client_id": "me"},
            "/device": {"device_code": "d", "user_code": "U", "verification_uri": f"{there.url}/enter"},
            "/token": (400, {}, b'{"error": "authorization_pending"}'),
        }
        config, manner = HttpServer(url=f"{there.url}/mcp"), Manner(device=True, seconds=0.5)
        with pytest.raises(SignInFailed, match=r"nobody entered the code within 0\.5 s"):
            await asyncio.wait_for(sign_in_here("s", config, tmp_path, manner, around(tmp_path)), 60)


@real_loop()
async def test_a_reference_in_a_header_that_gives_nothing_is_the_reason(tmp_path: Path) -> None:
    bad = HttpServer(
        url="u", headers={"A": "cmd:false"}, templates={"headers.A": (Reference("cmd", "false"),)}
    )
    with pytest.raises(SignInFailed, match=r"headers\.A"):
        await sign_in_here("s", bad, tmp_path, Manner(), around(tmp_path))


def test_the_keyring_is_named_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Held:
        """Stands for one that works."""

    monkeypatch.setattr("keyring.get_keyring", Held)
    assert place_of({}) == "the system's keyring"
    assert "CALLMUX_KEYRING is off" in place_of({"CALLMUX_KEYRING": "off"})
