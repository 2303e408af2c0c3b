"""Sign-ins of several listeners: one signs in, all are; one renews at a time; nothing is plain in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from callmux.oauth.failure import SignInFailed
from callmux.oauth.holding import hold
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_tokens import MOST_BYTES, SharedTokenStore
from callmux.stores.sign_ins import NOTHING, Account, KeptAccount, Trouble
from callmux.stores.tokens import TokenStore
from tests.oauth.accounts import Signed
from tests.oauth.site import site
from tests.redis_server import RedisServer, connected, own_prefix
from tests.stores.test_tokens import ANN, KEPT, SIGNED_IN
from tests.support import real_loop, until

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


@asynccontextmanager
async def listeners(
    url: str, tmp_path: Path, *, key: bytes = KEY, strict: bool = True
) -> AsyncIterator[tuple[SharedTokenStore, SharedTokenStore, RedisConnection]]:
    """Two listeners, each on a machine of its own."""
    prefix = own_prefix()
    async with connected(url, prefix) as here, connected(url, prefix) as there:
        one = SharedTokenStore(tmp_path / "one", None, here, KEY, strict=strict)
        other = SharedTokenStore(tmp_path / "other", None, there, key, strict=strict)
        try:
            yield one, other, here
        finally:
            await one.close()
            await other.close()


async def change(store: TokenStore, kept: KeptAccount, account: Account = ANN) -> None:
    with await hold(store, account, 10):
        store.write(account, kept)


async def known(store: SharedTokenStore, kept: KeptAccount | None) -> None:
    """Waits until a listener knows this, or no sign-in."""

    def is_known() -> bool:
        store._due.clear()
        found = store.read(ANN)
        return found.signed_in is None if kept is None else found.signed_in == kept.signed_in

    await until(is_known, "what the other listener knows")


@real_loop()
async def test_one_signs_in_and_all_are_signed_in(redis_url: str, tmp_path: Path) -> None:
    async with listeners(redis_url, tmp_path) as (one, other, _):
        assert other.read(ANN) is NOTHING
        await change(one, KEPT)
        await known(other, KEPT)
        assert other.read(ANN) == KEPT
        newer = msgspec.structs.replace(KEPT, generation=4, trouble=Trouble(failures=1))
        await change(other, newer)
        await known(one, newer)


@real_loop()
async def test_who_changes_an_account_finds_what_is_newest(redis_url: str, tmp_path: Path) -> None:
    async with listeners(redis_url, tmp_path) as (one, other, _):
        await change(one, KEPT)
        for n in range(4, 10):
            store = (one, other)[n % 2]
            with await hold(store, ANN, 10):
                kept = store.read(ANN)
                assert kept.generation == n - 1
                store.write(ANN, msgspec.structs.replace(kept, generation=n))


@real_loop()
async def test_one_listener_at_a_time_holds_an_account(redis_url: str, tmp_path: Path) -> None:
    async with listeners(redis_url, tmp_path) as (one, other, _):
        held = await hold(one, ANN, 10)
        with pytest.raises(SignInFailed, match="another listener is busy"):
            await hold(other, ANN, 0.1)
        waiting = asyncio.get_running_loop().create_task(hold(other, ANN, 10))
        held.release()
        (await waiting).release()
        held.release()


@real_loop()
async def test_tokens_are_renewed_once_for_all_listeners(redis_url: str, tmp_path: Path) -> None:
    async with site() as there, listeners(redis_url, tmp_path) as (one, other, _):
        own = Signed(there, tmp_path / "signed")
        kept = own.kept
        await change(one, kept, own.account)
        renewals = [own.process(store) for store in (one, other)]
        other.write(own.account, kept)
        found = await asyncio.gather(*(renewal.renewed(1) for renewal in renewals for _ in range(4)))
        assert {one_of.generation for one_of in found} == {2}
        assert len(own.requests) == 1


@real_loop()
async def test_who_signs_out_on_one_machine_is_signed_out_on_all(redis_url: str, tmp_path: Path) -> None:
    """By a command that knows of no Redis."""
    async with listeners(redis_url, tmp_path) as (one, other, _):
        await change(one, KEPT)
        await known(other, KEPT)
        await known(one, KEPT)
        TokenStore(tmp_path / "one").remove(ANN)
        await known(one, None)
        await known(other, None)
        again = KeptAccount(
            generation=1,
            signed_in=msgspec.structs.replace(
                SIGNED_IN, tokens=msgspec.structs.replace(SIGNED_IN.tokens, access="new", obtained_at=4e9)
            ),
        )
        TokenStore(tmp_path / "other").write(ANN, again)
        await known(one, again)
        assert one.read(ANN).generation > KEPT.generation


@real_loop()
async def test_nothing_is_plain_in_redis_and_another_key_opens_nothing(
    redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listeners(redis_url, tmp_path, key=OTHER_KEY) as (one, other, redis):
        await change(one, KEPT)
        place = redis.key("tokens", ANN.digest)
        value = b""
        while not value:
            value = await redis.run("HGET", place, "value") or b""
        for secret in (b"hush", b"notes", b"id.example", b"access"):
            assert secret not in value
        assert 0 < await redis.run("TTL", place) <= 90 * 24 * 3600
        with pytest.raises(SignInFailed, match="cannot be read"):
            await hold(other, ANN, 1)
        assert other.read(ANN) is NOTHING
        await other.close()
        assert caplog.text.count("could not read the tokens") == 1
        # What is encrypted for one account is of no use for another.
        bob = Account("notes", "https://notes.example/mcp", "bearer:bob")
        await redis.run("HSET", redis.key("tokens", bob.digest), "generation", 9, "value", value)
        with pytest.raises(SignInFailed, match="cannot be read"):
            await hold(one, bob, 1)


@real_loop()
async def test_while_redis_is_away_nothing_is_changed_or_each_listener_goes_on_alone(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with (
        listeners(own_redis.url, tmp_path / "strict") as (strict, _, _),
        listeners(own_redis.url, tmp_path / "loose", strict=False) as (loose, _, _),
    ):
        await change(strict, KEPT)
        await change(loose, KEPT)
        await strict.close()
        own_redis.kill()
        with pytest.raises(SignInFailed, match="another listener might change"):
            await hold(strict, ANN, 1)
        assert strict.read(ANN) == KEPT
        newer = msgspec.structs.replace(KEPT, generation=4)
        await change(loose, newer)
        assert loose.read(ANN) == newer
        own_redis.start()
        again = False
        while not again:
            try:
                (await hold(strict, ANN, 1)).release()
                again = True
            except SignInFailed:
                await asyncio.sleep(0.02)


@real_loop()
async def test_what_is_too_large_or_cannot_be_kept_is_not_shared(
    redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listeners(redis_url, tmp_path) as (one, other, redis):
        large = msgspec.structs.replace(SIGNED_IN, issuer="x" * MOST_BYTES)
        await change(one, KeptAccount(generation=1, signed_in=large))
        await one.close()
        assert "too large" in caplog.text
        assert not await redis.run("EXISTS", redis.key("tokens", ANN.digest))
        other.path(ANN).parent.mkdir(parents=True, mode=0o700)
        other.path(ANN).write_text("{")
        other.path(ANN).chmod(0o600)
        (await hold(other, ANN, 1)).release()
