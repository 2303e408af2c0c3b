"""One renewal for all who need it; only a clear word about this very generation ends a sign-in."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from callmux.config.servers import HttpServer
from callmux.oauth import renewal as module
from callmux.oauth.failure import SignInFailed, Why
from callmux.stores.sign_ins import Account, Demand, OAuthClient, Trouble
from tests.oauth.accounts import Signed
from tests.oauth.site import Answer, Seen, site
from tests.support import real_loop

INVALID_GRANT: Answer = (400, {}, b'{"error":"invalid_grant"}')
INVALID_CLIENT: Answer = (401, {}, b'{"error":"invalid_client"}')


@real_loop()
async def test_tokens_are_renewed_for_the_same_resource_and_kept(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        kept = await own.renewal.renewed(1)
        assert kept == own.kept
        assert kept.generation == 2
        assert own.tokens is not None
        assert (own.tokens.access, own.tokens.refresh, own.tokens.scopes) == ("at-1", "rt-1", ("a",))
        assert own.requests[0].form == {
            "grant_type": "refresh_token",
            "refresh_token": "rt-0",
            "resource": own.account.url,
            "client_id": "me",
        }


@real_loop()
async def test_many_who_need_it_at_once_cost_one_request(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        processes = [own.renewal, own.process(), own.process()]
        found = await asyncio.gather(*(p.renewed(1) for p in processes for _ in range(8)))
        assert {kept.generation for kept in found} == {2}
        assert len(own.requests) == 1


@real_loop()
async def test_whoever_asks_with_an_old_generation_gets_what_there_is(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        await own.renewal.renewed(1)
        assert (await own.process().renewed(1)).generation == 2
        assert len(own.requests) == 1


@real_loop()
async def test_what_was_under_way_for_an_older_generation_is_not_enough(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        own.renewal.begin(0)
        assert (await own.renewal.renewed(1)).generation == 2


@pytest.mark.parametrize("status", [500, 502, 429, 403])
@real_loop()
async def test_a_failing_authorization_server_ends_nothing_and_is_left_in_peace(
    status: int, tmp_path: Path
) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        there.answers["/token"] = (status, {}, b"")
        with pytest.raises(SignInFailed) as caught:
            await own.renewal.renewed(1)
        assert caught.value.passes
        assert own.kept.generation == 1
        assert own.tokens is not None
        for process in (own.renewal, own.process()):
            with pytest.raises(SignInFailed, match="next attempt"):
                await process.renewed(1)
        assert len(own.requests) == 1
        own.clock.advance(10)
        there.answers["/token"] = own.answer
        assert (await own.renewal.renewed(1)).generation == 2
        assert own.kept.trouble.failures == 0


@real_loop()
async def test_a_network_that_is_away_ends_nothing(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        signed_in = own.kept.signed_in
        assert signed_in is not None
        away = msgspec.structs.replace(signed_in, token_endpoint="http://127.0.0.1:9/token")
        own.store.write(own.account, msgspec.structs.replace(own.kept, signed_in=away))
        with pytest.raises(SignInFailed) as caught:
            await own.renewal.renewed(1)
        assert caught.value.why is Why.UNREACHED
        assert own.tokens is not None


@real_loop()
async def test_a_sign_in_that_was_taken_back_is_over(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        there.answers["/token"] = INVALID_GRANT
        assert (await own.renewal.renewed(1, refused=True)).signed_in is None
        assert own.kept.generation == 2
        assert own.kept.registered is not None


@real_loop()
async def test_a_good_token_is_used_to_its_end_though_it_cannot_be_renewed(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        there.answers["/token"] = INVALID_GRANT
        kept = await own.renewal.renewed(1)
        assert kept.signed_in is not None
        assert (kept.signed_in.tokens.access, kept.signed_in.tokens.refresh) == ("at-0", "")
        assert (await own.renewal.renewed(2)).signed_in is None
        assert len(own.requests) == 1


@real_loop()
async def test_a_newer_sign_in_of_another_process_is_not_ended_by_an_older_one(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)

        def meanwhile(seen: Seen) -> Answer:
            # Somebody signs in without waiting for the lock, as an older callmux might.
            own.keep(refresh="rt-new")
            return INVALID_GRANT

        there.answers["/token"] = INVALID_GRANT
        own.keep(refresh="rt-new")
        assert (await own.renewal.renewed(1, refused=True)).generation == 2
        assert own.tokens is not None
        assert own.tokens.refresh == "rt-new"
        assert own.requests == []


@real_loop()
async def test_a_forgotten_client_registers_anew_at_the_next_sign_in(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        there.answers["/token"] = INVALID_CLIENT
        assert (await own.renewal.renewed(1, refused=True)).signed_in is None
        assert own.kept.registered is None


@real_loop()
async def test_a_configured_client_is_mended_in_the_configuration(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path, client_id="me", client_secret="hush")
        own.keep(client=OAuthClient(id="me", method="client_secret_post", source="configured"))
        there.answers["/token"] = INVALID_CLIENT
        with pytest.raises(SignInFailed) as caught:
            await own.renewal.renewed(2, refused=True)
        assert caught.value.why is Why.CLIENT
        assert own.tokens is not None
        assert own.requests[0].form["client_secret"] == "hush"
        assert "hush" not in own.store.path(own.account).read_text()


@real_loop()
async def test_another_client_in_the_configuration_has_not_signed_in(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path, client_id="another")
        assert own.renewal.kept().signed_in is None


@real_loop()
async def test_tokens_are_not_for_another_server_to_which_a_reference_leads_since(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        own.account = Account("s", "env:WHERE")
        own.store.write(own.account, own.store.read(Account("s", f"{there.url}/mcp")))
        for url, known in ((f"{there.url}/mcp", True), ("https://elsewhere.example/mcp", False)):
            own.config = HttpServer(url=url)
            assert (own.process().kept().signed_in is not None) is known


@real_loop()
async def test_without_a_refresh_token_the_end_of_the_token_is_the_end(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        own.keep(refresh="")
        assert (await own.renewal.renewed(2)).signed_in is None
        assert own.requests == []


@real_loop()
async def test_a_token_that_is_refused_right_after_its_renewal_is_not_renewed_again(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        kept = await own.renewal.renewed(1, refused=True)
        with pytest.raises(SignInFailed, match="just renewed") as caught:
            await own.renewal.renewed(kept.generation, refused=True)
        assert caught.value.why is Why.REFUSED
        assert len(own.requests) == 1
        own.clock.advance(31)
        assert (await own.renewal.renewed(kept.generation, refused=True)).generation == 3


@real_loop()
async def test_several_processes_take_no_turns_at_renewing_what_the_server_refuses(
    tmp_path: Path,
) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        processes = [own.renewal, own.process(), own.process()]
        for n in range(30):
            with contextlib.suppress(SignInFailed):
                await processes[n % 3].renewed(own.kept.generation, refused=True)
            own.clock.advance(0.5)
        assert len(own.requests) == 1
        for n in range(24 * 60):
            with contextlib.suppress(SignInFailed):
                await processes[n % 3].renewed(own.kept.generation, refused=True)
            own.clock.advance(60)
        assert len(own.requests) < 120


@real_loop()
async def test_a_token_that_was_taken_for_long_is_renewed_at_once_when_it_is_refused(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        for generation in range(1, 6):
            kept = await own.process().renewed(generation, refused=True)
            assert kept.generation == generation + 1
            own.clock.advance(3601)
        assert own.kept.trouble.refusals == 1
        await own.renewal.renewed(6)
        assert own.kept.trouble.refusals == 0


@real_loop()
async def test_the_bound_of_a_day_is_named_as_such(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        spent = Trouble(day=int(own.clock.now // 86_400), requests=1500)
        own.store.write(own.account, msgspec.structs.replace(own.kept, trouble=spent))
        with pytest.raises(SignInFailed, match="renewed 1500 times today"):
            await own.renewal.renewed(1)
        assert own.requests == []


@real_loop()
async def test_the_death_of_a_process_between_answer_and_store_is_told_where_it_costs_the_sign_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        own.store.write(own.account, msgspec.structs.replace(own.kept, trouble=Trouble(begun=True)))
        assert (await own.process().renewed(1)).generation == 2
        own.store.write(own.account, msgspec.structs.replace(own.kept, trouble=Trouble(begun=True)))
        there.answers["/token"] = INVALID_GRANT
        assert (await own.process().renewed(2, refused=True)).signed_in is None
        assert "died before it could keep" in caplog.text


@real_loop()
async def test_a_full_disk_fails_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(SignInFailed, match="cannot be kept: No space"):
            await own.renewal.renewed(1)
        assert own.requests == []


@real_loop()
async def test_tokens_that_cannot_be_read_are_no_missing_sign_in(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        own.store.path(own.account).write_text("{")
        with pytest.raises(SignInFailed, match="damaged") as caught:
            own.renewal.kept()
        assert caught.value.why is Why.SETTINGS


@real_loop()
async def test_callmux_signs_in_by_itself_where_it_is_the_client(tmp_path: Path) -> None:
    async with site() as there:
        there.described()
        there.answers["/mcp"] = (401, {}, b"")
        oauth = {"grant": "client_credentials", "client_id": "me", "client_secret": "hush"}
        own = Signed(there, tmp_path, signed_in=False, **oauth)
        kept = await own.renewal.renewed(0)
        assert kept.signed_in is not None
        assert kept.signed_in.grant == "client_credentials"
        assert own.requests[0].form["grant_type"] == "client_credentials"
        assert "hush" not in own.store.path(own.account).read_text()
        there.answers["/token"] = INVALID_CLIENT
        with pytest.raises(SignInFailed):
            await own.renewal.renewed(1, refused=True)
        with pytest.raises(SignInFailed, match="next attempt"):
            await own.renewal.renewed(1)
        assert len(own.requests) == 2


@real_loop()
async def test_what_a_server_wants_is_noted_once(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        demand = Demand(resource_metadata="https://s/x", scopes=("b",), step_up=True)
        await own.renewal.note(demand)
        first = own.store.path(own.account).stat().st_ino
        await own.renewal.note(demand)
        assert own.store.path(own.account).stat().st_ino == first
        assert own.kept.demand == demand
        assert own.kept.generation == 1


@real_loop()
async def test_whoever_holds_the_account_for_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 0.1)
    async with site() as there:
        own = Signed(there, tmp_path)
        held = own.store.hold(own.account)
        assert held is not None
        with held, pytest.raises(SignInFailed, match="busy"):
            await own.process().renewed(1)
        assert "Renewal('s')" in repr(own.renewal)
