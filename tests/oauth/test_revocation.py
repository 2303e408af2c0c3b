"""Tokens that are not used any more are taken back by whoever gave them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.revocation import revoke
from callmux.stores.sign_ins import SignedIn
from callmux.stores.tokens import TokenStore
from tests.support import real_loop

from .scene import Guarded, guarded


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


async def taken_back(server: Guarded, signed_in: SignedIn) -> bool:
    return await revoke("guarded", server.config(), signed_in, env={}, base_dir=Path("/"), wall=time.time())


@real_loop()
async def test_both_tokens_are_revoked(server: Guarded, tmp_path: Path) -> None:
    signed_in = await server.sign_in(TokenStore(tmp_path))
    tokens = {signed_in.tokens.access, signed_in.tokens.refresh}
    assert tokens <= set(server.control()["tokens"])
    assert await taken_back(server, signed_in)
    assert not tokens & set(server.control()["tokens"])


@real_loop()
async def test_an_authorization_server_without_a_place_for_it_is_told_nothing(
    server: Guarded, tmp_path: Path
) -> None:
    signed_in = await server.sign_in(TokenStore(tmp_path))
    assert not await taken_back(server, msgspec.structs.replace(signed_in, revocation_endpoint=""))
    assert signed_in.tokens.access in server.control()["tokens"]


@real_loop()
async def test_a_refusal_is_told(server: Guarded, tmp_path: Path) -> None:
    signed_in = await server.sign_in(TokenStore(tmp_path))
    other = msgspec.structs.replace(signed_in.client, id="nobody")
    with pytest.raises(SignInFailed) as caught:
        await taken_back(server, msgspec.structs.replace(signed_in, client=other))
    assert caught.value.why in (Why.CLIENT, Why.REFUSED)
