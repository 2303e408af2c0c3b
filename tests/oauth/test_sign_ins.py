"""One process relies on one set of tokens an account, and sees when a person who is awaited has signed in."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.oauth.sign_ins import SignIns
from callmux.stores.sign_ins import Account
from callmux.stores.tokens import TokenStore
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.credentials import Challenge
from tests.oauth.accounts import Signed
from tests.oauth.site import site
from tests.support import real_loop, until


@real_loop()
async def test_links_of_one_account_share_its_tokens_and_owners_do_not(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path)
        every = SignIns(own.store, {}, Path("/"))
        one, other = (every.credentials("s", own.config, {}) for _ in range(2))
        assert repr(one) == repr(other)
        assert "1 accounts" in repr(every)
        every.credentials("s", own.config, {}, "bearer:ann")
        assert "2 accounts" in repr(every)
        await every.close()


@real_loop()
async def test_a_person_who_signs_in_is_seen(tmp_path: Path) -> None:
    async with site() as there:
        own = Signed(there, tmp_path, signed_in=False)
        needed: list[Account] = []
        back: list[Account] = []
        every = SignIns(TokenStore(tmp_path), {}, Path("/"), needed.append, back.append, own.clock.clock.wall)
        link = every.credentials("s", own.config, {})
        for _ in range(3):
            with pytest.raises(CallFailure):
                await link.refused(Challenge(401, "Bearer", {}))
        assert needed == [own.account]
        own.store.path(own.account).write_text("{")
        own.store.path(own.account).unlink()
        own.keep()
        await until(lambda: back == [own.account], "the sign-in")
        assert link.headers() == {"Authorization": "Bearer at-0"}
        await every.close()
