"""Sign-ins that several listeners share: files as everywhere, and an encrypted copy in Redis.

Made by `callmux.process.shared_state` where the configuration has `state.key`. Each listener reads its own
file, and looks in the background whether another one knows something newer. Whoever changes an account holds
it in Redis, too, so that tokens are renewed by one listener at a time. The key that they are encrypted with
is not in Redis.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from math import inf
from pathlib import Path

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection, Script
from callmux.stores.sealing import Sealing, Unsealable
from callmux.stores.sign_ins import NOTHING, Account, KeptAccount
from callmux.stores.tokens import Hold, HoldFailed, Safe, SafeFailed, TokenStore, TokensUnreadable
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often it is looked whether another listener knows something newer, while somebody needs it."""
HOLD_SECONDS = 60.0
"""How long an account is held in Redis by a listener that has died."""
AGAIN_SECONDS = 0.05
KEPT_SECONDS = 90 * 24 * 3600
"""How long a sign-in is kept there that no listener has used."""
MOST_BYTES = 64 * 1024

_PUT = Script("""
local known = redis.call('HGET', KEYS[1], 'generation')
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'value', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
""")
_RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What is encrypted: what is known of an account, and since when."""

    kept: KeptAccount
    at: float


_SEALED = msgspec.json.Decoder(_Sealed)


class SharedHold(Hold):
    """The right to change an account, here and at all listeners.

    Args:
        near: The same for this machine.
        store: Takes it back.
        account: Which.
        token: Shows in Redis whose it is; empty where Redis is away.
    """

    def __init__(self, near: Hold, store: SharedTokenStore, account: Account, token: str) -> None:
        super().__init__(-1)
        self._near = near
        self._store = store
        self._account = account
        self._token = token

    def release(self) -> None:
        """Gives it back: Redis learns what is new before another listener has it."""
        self._near.release()
        token, self._token = self._token, ""
        if token:
            self._store.leave(self._account, token)


class SharedTokenStore(TokenStore):
    """The sign-ins of this listener and of all others.

    Args:
        directory: Where the files are.
        safe: Where the secrets are; in the files where absent.
        connection: The Redis.
        key: Encrypts what stands there.
        strict: Whether nothing is renewed while Redis is away: another listener might do so, too.
    """

    def __init__(
        self, directory: Path, safe: Safe | None, connection: RedisConnection, key: bytes, *, strict: bool
    ) -> None:
        super().__init__(directory, safe)
        self._connection = connection
        self._sealing = Sealing(key)
        self._strict = strict
        self._due: dict[Account, float] = {}
        self._known: dict[Account, KeptAccount] = {}
        self._unreadable: set[Account] = set()
        self._tasks = TaskSet("sign-ins in Redis")
        connection.when_returned(self._due.clear)

    def read(self, account: Account) -> KeptAccount:
        """What is kept; has it looked whether there is something newer elsewhere."""
        kept = super().read(account)
        now = time.monotonic()
        if self._connection.is_up and now >= self._due.get(account, 0.0):
            self._due[account] = now + LOOK_SECONDS
            self._tasks.spawn(self._look(account))
        return kept

    async def joined(self, account: Account, held: Hold, seconds: float) -> Hold:
        """The same hold over all listeners, with what is newest there.

        Raises:
            HoldFailed: Another listener has it all the time, or nobody can tell.
        """
        end = asyncio.get_running_loop().time() + seconds
        key, token = self._connection.key("hold", account.digest), secrets.token_hex(16)
        milliseconds, joined = int(HOLD_SECONDS * 1000), False
        try:
            while not await self._connection.run("SET", key, token, "NX", "PX", milliseconds):
                if asyncio.get_running_loop().time() >= end:
                    raise HoldFailed("another listener is busy with this sign-in: try again in a moment")
                await asyncio.sleep(AGAIN_SECONDS)
            await self._exchange(account)
            joined = True
            return SharedHold(held, self, account, token)
        except StoreUnavailable as error:
            if self._strict:
                why = f"{error.message}, and another listener might change the same sign-in"
                raise HoldFailed(why) from None
            joined = True
            return held
        finally:
            if not joined:
                held.release()
                self._tasks.spawn(self._unlock(account, token))

    def leave(self, account: Account, token: str) -> None:
        """Gives a hold back in the background, once Redis knows what is new."""
        self._tasks.spawn(self._leave(account, token))

    async def _leave(self, account: Account, token: str) -> None:
        try:
            await self._exchange(account)
        except StoreUnavailable as error:
            log.debug("a sign-in was not shared: %s", error)
        await self._unlock(account, token)

    async def _unlock(self, account: Account, token: str) -> None:
        try:
            key = self._connection.key("hold", account.digest)
            await self._connection.evaluate(_RELEASE, [key], token)
        except StoreUnavailable as error:
            log.debug("a sign-in is given back once its time is over: %s", error)

    async def _look(self, account: Account) -> None:
        """Takes what another listener has, or tells it, unless somebody on this machine is about to."""
        try:
            held = self.hold(account)
        except OSError as error:
            log.debug("a sign-in is not looked at: %s", error)
            return
        if held is None:
            return
        with held:
            try:
                await self._exchange(account)
            except StoreUnavailable as error:
                log.debug("a sign-in is not looked at: %s", error)

    async def _exchange(self, account: Account) -> None:
        """Makes both know the same: what is newer goes over. Whoever calls holds the file.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            near = super().read(account)
        except TokensUnreadable as error:
            log.debug("a sign-in is not shared: %s", error)
            return
        known = self._known.get(account)
        if near is NOTHING and known is not None and known.generation:
            # Somebody has signed out on this machine.
            near = KeptAccount(generation=known.generation + 1)
        found = await self._found(account)
        newest = near if found is None else _newest(near, found, known)
        if newest != near:
            self._write(account, newest)
        if newest is not NOTHING and (found is None or newest != found.kept):
            await self._bring(account, newest)
        self._known[account] = super().read(account)

    def _write(self, account: Account, kept: KeptAccount) -> None:
        try:
            super().write(account, kept)
        except (OSError, SafeFailed) as error:
            log.warning(
                'could not keep the tokens of "%s" that another listener has: %s', account.server, error
            )

    async def _found(self, account: Account) -> _Sealed | None:
        value = await self._connection.run("HGET", self._place(account), "value")
        if value is None:
            return None
        try:
            return _SEALED.decode(self._sealing.unseal(value, _about(account)))
        except (Unsealable, msgspec.MsgspecError, UnicodeDecodeError):
            if account not in self._unreadable:
                self._unreadable.add(account)
                advice = "have all listeners the same state.key?"
                log.warning('could not read the tokens of "%s" in Redis: %s', account.server, advice)
            raise StoreUnavailable("the tokens in Redis cannot be read") from None

    async def _bring(self, account: Account, kept: KeptAccount) -> None:
        at = kept.signed_in.tokens.obtained_at if kept.signed_in is not None else time.time()
        text = msgspec.json.encode(_Sealed(kept=kept, at=at))
        if len(text) > MOST_BYTES:
            log.warning('could not share the tokens of "%s": they are too large', account.server)
            return
        value = self._sealing.seal(text, _about(account))
        await self._connection.evaluate(_PUT, [self._place(account)], kept.generation, value, KEPT_SECONDS)

    def _place(self, account: Account) -> str:
        return self._connection.key("tokens", account.digest)

    async def close(self) -> None:
        """Brings nothing more."""
        await self._tasks.finished(2.0)
        await self._tasks.cancel()


def _newest(near: KeptAccount, found: _Sealed, known: KeptAccount | None) -> KeptAccount:
    """What counts of two.

    Args:
        near: What this machine knows.
        found: What Redis knows.
        known: What both knew the last time.
    """
    there = found.kept
    if near is NOTHING or near.signed_in == there.signed_in:
        return there if there.generation > near.generation else near
    if near == known or there == known:
        best, other = (there, near) if near == known else (near, there)
    else:
        # Both have changed: a program that knows of no Redis counts by itself.
        at = -inf if near.signed_in is None else near.signed_in.tokens.obtained_at
        later = (found.at, there.generation) > (at, near.generation)
        best, other = (there, near) if later else (near, there)
    if best.generation > other.generation:
        return best
    return msgspec.structs.replace(best, generation=other.generation + 1)


def _about(account: Account) -> str:
    """Binds what is encrypted to its account: that of another one cannot be put in its place."""
    return f"callmux sign-in 1 {account.digest}"
