"""What a link sends, and what becomes of each refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.oauth.credentials import SignInCredentials, UnsignedCredentials
from callmux.stores.sign_ins import Account, Demand
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Challenge
from tests.oauth.accounts import LIFE, Signed
from tests.oauth.site import Site, site
from tests.oauth.test_renewal import INVALID_CLIENT, INVALID_GRANT
from tests.support import real_loop, until


class Link(Signed):
    """The credentials of one link, and who was told to sign in."""

    def __init__(self, there: Site, folder: Path, **more: Any) -> None:
        super().__init__(there, folder, **more)
        self.needed: list[int] = []
        self.credentials = SignInCredentials(self.renewal, {"X-Own": "1"}, self.needed.append)

    async def headers(self) -> Mapping[str, str]:
        found = self.credentials.headers()
        return found if isinstance(found, Mapping) else await found

    async def refused(self, said: str, status: int = 401, token: str | None = "at-0") -> bool:
        sent = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.credentials.refused(Challenge(status, said, sent))


@real_loop()
async def test_the_kept_token_goes_with_every_request(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        assert await link.headers() == {"X-Own": "1", "Authorization": "Bearer at-0"}
        assert await link.headers() is await link.headers()
        assert "at-0" not in repr(link.credentials)


@real_loop()
async def test_without_a_sign_in_the_configured_headers_go_alone(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path, signed_in=False)
        assert await link.headers() == {"X-Own": "1"}
        assert not link.store.path(link.account).exists()


@real_loop()
async def test_a_sign_in_of_another_process_is_seen_within_a_second(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        await link.headers()
        await link.process().renewed(1)
        link.clock.advance(1.1)
        assert (await link.headers())["Authorization"] == "Bearer at-1"


@real_loop()
async def test_a_token_that_ends_soon_is_renewed_while_it_is_used(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        link.clock.advance(LIFE - 60)
        assert (await link.headers())["Authorization"] == "Bearer at-0"
        await until(lambda: link.kept.generation == 2, "the renewal")
        link.clock.advance(1.1)
        assert (await link.headers())["Authorization"] == "Bearer at-1"
        assert len(link.requests) == 1


@real_loop()
async def test_a_token_that_has_ended_is_renewed_first(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        link.clock.advance(LIFE)
        assert (await link.headers())["Authorization"] == "Bearer at-1"


@real_loop()
async def test_a_renewal_ahead_of_time_that_fails_costs_no_call(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        there.answers["/token"] = (503, {}, b"")
        link.clock.advance(LIFE - 60)
        await link.headers()
        await until(lambda: link.kept.trouble.failures == 1, "the failure")
        link.clock.advance(1.1)
        assert (await link.headers())["Authorization"] == "Bearer at-0"
        assert len(link.requests) == 1


@real_loop()
async def test_where_tokens_cannot_be_renewed_now_the_call_may_be_made_again_later(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        there.answers["/token"] = (503, {}, b"")
        link.clock.advance(LIFE)
        with pytest.raises(CallFailure, match="cannot be renewed now") as caught:
            await link.headers()
        assert caught.value.category is Category.TRANSPORT
        assert not caught.value.started
        assert not caught.value.sign_in
        assert link.needed == []


@real_loop()
async def test_a_refusal_without_a_sign_in_says_what_to_do_and_keeps_what_is_wanted(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path, signed_in=False)
        await link.headers()
        with pytest.raises(CallFailure, match="run `callmux login s`") as caught:
            await link.refused('Bearer resource_metadata="https://s/x", scope="a b"', token=None)
        assert (caught.value.sign_in, caught.value.lasting, caught.value.started) == (True, True, False)
        assert link.kept.demand == Demand(resource_metadata="https://s/x", scopes=("a", "b"))
        assert link.needed == [0]


@real_loop()
async def test_a_refusal_without_any_challenge_is_a_sign_in_too(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path, signed_in=False)
        with pytest.raises(CallFailure) as caught:
            await link.refused("", token=None)
        assert caught.value.sign_in


@pytest.mark.parametrize(("status", "said"), [(401, 'Basic realm="x"'), (403, ""), (403, "Bearer")])
@real_loop()
async def test_what_no_sign_in_can_mend_is_left_to_the_link(status: int, said: str, tmp_path: Path) -> None:
    async with site() as there:
        assert not await Link(there, tmp_path).refused(said, status)


@real_loop()
async def test_a_token_that_is_refused_is_renewed_and_the_request_sent_again(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        await link.headers()
        assert await link.refused('Bearer error="invalid_token"')
        assert (await link.headers())["Authorization"] == "Bearer at-1"


@real_loop()
async def test_a_refused_token_that_is_no_longer_the_newest_costs_no_renewal(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        await link.process().renewed(1)
        assert await link.refused("Bearer", token="at-0")
        assert await link.refused("Bearer", token=None)
        assert len(link.requests) == 1


@real_loop()
async def test_many_refusals_at_once_cost_one_renewal(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        await link.headers()
        assert all(await asyncio.gather(*(link.refused("Bearer") for _ in range(20))))
        assert len(link.requests) == 1


@real_loop()
async def test_a_sign_in_that_was_taken_back_needs_a_person(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        there.answers["/token"] = INVALID_GRANT
        with pytest.raises(CallFailure, match="callmux login s") as caught:
            await link.refused("Bearer")
        assert caught.value.sign_in
        assert link.needed == [2]
        link.keep()
        assert (await link.headers())["Authorization"] == "Bearer at-0"


@real_loop()
async def test_an_ended_sign_in_is_told_before_a_request_is_sent(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        there.answers["/token"] = INVALID_GRANT
        link.clock.advance(LIFE)
        with pytest.raises(CallFailure) as caught:
            await link.headers()
        assert caught.value.sign_in


@real_loop()
async def test_a_server_that_refuses_what_was_just_renewed_needs_a_person_and_no_more_renewals(
    tmp_path: Path,
) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        assert await link.refused("Bearer")
        with pytest.raises(CallFailure, match="just renewed") as caught:
            await link.refused("Bearer", token="at-1")
        assert caught.value.sign_in
        assert len(link.requests) == 1


@real_loop()
async def test_too_narrow_a_token_needs_a_person_and_stays(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        with pytest.raises(CallFailure, match=r"wants more .*scopes: b.*callmux login s") as caught:
            await link.refused('Bearer error="insufficient_scope", scope="a b"', 403)
        assert caught.value.sign_in
        assert link.kept.demand == Demand(scopes=("a", "b"), step_up=True)
        assert (await link.headers())["Authorization"] == "Bearer at-0"
        assert link.requests == []


@pytest.mark.parametrize("scope", ['scope="a"', 'realm="x"'])
@real_loop()
async def test_a_server_that_wants_what_it_has_is_not_asked_again_and_again(
    scope: str, tmp_path: Path
) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        with pytest.raises(CallFailure, match="does not allow this") as caught:
            await link.refused(f'Bearer error="insufficient_scope", {scope}', 403)
        assert not caught.value.sign_in
        assert link.kept.demand is None


@real_loop()
async def test_a_narrow_challenge_without_a_sign_in_is_left_to_the_link(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path, signed_in=False)
        assert not await link.refused('Bearer error="insufficient_scope", scope="a"', 403, None)


@real_loop()
async def test_callmux_as_the_client_gets_its_token_before_the_first_request(tmp_path: Path) -> None:
    async with site() as there:
        there.described()
        there.answers["/mcp"] = (401, {}, b"")
        oauth = {"grant": "client_credentials", "client_id": "me", "client_secret": "hush"}
        link = Link(there, tmp_path, signed_in=False, **oauth)
        assert (await link.headers())["Authorization"] == "Bearer at-1"
        assert await link.refused("Bearer", token="at-1")
        assert (await link.headers())["Authorization"] == "Bearer at-2"
        assert await link.refused('Bearer error="insufficient_scope", scope="more"', 403, "at-2")
        assert link.requests[-1].form["scope"] == "more"
        there.answers["/token"] = INVALID_CLIENT
        link.clock.advance(LIFE)
        with pytest.raises(CallFailure, match="invalid_client") as caught:
            await link.headers()
        assert not caught.value.sign_in


@real_loop()
async def test_tokens_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path)
        link.store.path(link.account).write_text("{")
        with pytest.raises(CallFailure, match="damaged") as caught:
            await link.headers()
        assert caught.value.category is Category.AUTHORIZATION
        with pytest.raises(CallFailure, match="damaged"):
            await link.refused("Bearer")


async def test_a_link_of_no_principal_shows_nothing_and_says_what_is_to_be_done() -> None:
    link = UnsignedCredentials({"X-Own": "1"}, "each must sign in")
    assert link.headers() == {"X-Own": "1"}
    assert "X-Own" in repr(link)
    assert not await link.refused(Challenge(403, "Bearer", {}))
    assert not await link.refused(Challenge(401, "Basic realm=x", {}))
    with pytest.raises(CallFailure, match="each must sign in") as caught:
        await link.refused(Challenge(401, "Bearer", {}))
    assert caught.value.sign_in


@real_loop()
async def test_a_principal_is_told_how_to_sign_in_as_itself(tmp_path: Path) -> None:
    async with site() as there:
        link = Link(there, tmp_path, signed_in=False)
        link.renewal.account = Account("s", link.account.url, "bearer:ann")
        with pytest.raises(CallFailure, match="callmux login s --principal bearer:ann"):
            await link.refused("Bearer", token=None)
