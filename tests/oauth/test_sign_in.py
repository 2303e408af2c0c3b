"""A whole sign-in, against a real authorization server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.stores.tokens import TokenStore
from tests.oauth.scene import Agreeing, Guarded, guarded
from tests.support import real_loop


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


@real_loop()
async def test_a_person_signs_in_and_the_tokens_are_kept(server: Guarded, tmp_path: Path) -> None:
    store, person = TokenStore(tmp_path / "tokens"), Agreeing()
    signed_in = await server.sign_in(store, person)
    kept = store.read(server.account())
    assert kept.signed_in == signed_in
    assert kept.generation == 1
    assert signed_in.tokens.access in server.control()["tokens"]
    assert signed_in.tokens.refresh in server.control()["tokens"]
    assert signed_in.asked == ("read",)
    assert signed_in.resource == server.url
    asked = parse_qs(urlsplit(person.opened[0]).query)
    assert asked["resource"] == [server.url]
    assert asked["code_challenge_method"] == ["S256"]
    assert store.path(server.account()).stat().st_mode & 0o777 == 0o600


@real_loop()
async def test_a_second_sign_in_takes_the_same_registration(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    first = await server.sign_in(store)
    before = server.control()["register"]
    second = await server.sign_in(store)
    assert second.client == first.client
    assert server.control()["register"] == before
    assert store.read(server.account()).generation == 2


@real_loop()
async def test_with_another_port_callmux_registers_anew(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    first = await server.sign_in(store)
    assert (await server.sign_in(store, Agreeing(4243))).client != first.client


@real_loop()
async def test_an_answer_with_another_state_is_refused_and_nothing_is_kept(
    server: Guarded, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens")
    person = Agreeing(change=lambda answer: answer.replace("state=", "state=x"))
    with pytest.raises(SignInFailed, match="another state") as caught:
        await server.sign_in(store, person)
    assert caught.value.why is Why.UNSAFE
    assert store.read(server.account()).signed_in is None


@real_loop()
async def test_whoever_says_no_is_told_so(server: Guarded, tmp_path: Path) -> None:
    def refuse(answer: str) -> str:
        return f"state={parse_qs(answer)['state'][0]}&error=access_denied&error_description=Not+today"

    with pytest.raises(SignInFailed, match=r"access_denied \(Not today\)"):
        await server.sign_in(TokenStore(tmp_path / "tokens"), Agreeing(change=refuse))


@real_loop()
async def test_a_file_of_tokens_holds_its_version(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    await server.sign_in(store)
    assert json.loads(store.path(server.account()).read_text())["version"] == 1
