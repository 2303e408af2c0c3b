"""What several listeners share, in one Redis: the connection and the stores over it.

Made by `callmux.cli.listen` and `callmux.library.listener` where the configuration has `state`, and imported
only then. It lives as long as the process: another `state` takes effect with the next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from callmux import __version__
from callmux.aside import aside
from callmux.config.redis_url import RedisAddress, read_redis_url
from callmux.config.state import StateSection
from callmux.config.veil import EVERYWHERE, Veil
from callmux.errors import ConfigError, StoreUnavailable
from callmux.guard.limits import AbuseLimits
from callmux.observe.bus import Bus
from callmux.process.stores import PARKED, Stores
from callmux.secrets.single import looked_up
from callmux.session.modern.parking import PROCESS_CHARS
from callmux.stores.redis_cache import RedisCache
from callmux.stores.redis_client import make_client
from callmux.stores.redis_configuration import RedisConfiguration
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_counts import RedisInFlight, RedisRates
from callmux.stores.redis_listeners import Company, RedisListeners
from callmux.stores.redis_overlay import RedisOverlay
from callmux.stores.redis_parked import RedisParkedCalls
from callmux.stores.redis_replay import RedisReplay
from callmux.stores.redis_results import RedisResults
from callmux.stores.redis_sessions import RedisSessions
from callmux.stores.redis_tokens import SharedTokenStore
from callmux.stores.tokens import Safe, TokenStore
from callmux.tasks import TaskSet, to_the_end

log = logging.getLogger(__name__)

LOOK_UP_SECONDS = 60.0
"""How long looking up the references of `state` may take: a keyring may ask a person."""
SHORTEST_KEY = 16
"""Characters of a key that nobody guesses."""
KEY_BYTES = 32
MARK_BYTES = 4
CLOCK_SECONDS = 5.0
"""How far clocks may be apart."""


class SharedState:
    """What this process shares.

    Args:
        config: The section that says where.
        address: Where that is.
        sentinel_password: What sentinels want to know, or empty.
        secret: What all listeners know and Redis does not, or empty.
        ca_file: The certificates that servers are checked by.

    Attributes:
        config: The section that says where.
        connection: The Redis.
        sessions: The sessions of all listeners.
        cache: Results of reads.
        results: Results that went out shortened.
        replay: Answers for clients that come back.
        parked: Requests that wait for their clients.
        overlay: Changes of servers; None where Redis knows the secret of all.
        configuration: Whether this listener has the newest.
        listeners: Who shares it.
        process: Stands for this process in what it gives to clients.
        hear: Hears of sessions that were ended at other listeners; None where there are none here.
    """

    def __init__(
        self,
        config: StateSection,
        address: RedisAddress,
        sentinel_password: str = "",
        secret: str = "",
        ca_file: str | None = None,
    ) -> None:
        self.config = config
        self._secret = secret.encode()
        client = make_client(address, config, ca_file=ca_file, sentinel_password=sentinel_password)
        seconds, connect_seconds = config.timeout_ms / 1000, config.connect_timeout_ms / 1000
        self.connection = RedisConnection(client, address.shown, config.key_prefix, seconds, connect_seconds)
        self.sessions = RedisSessions(self.connection)
        self.cache = RedisCache(self.connection)
        self.results = RedisResults(self.connection)
        self.replay = RedisReplay(self.connection)
        self.parked = RedisParkedCalls(self.connection, PARKED)
        self._strict = config.on_unavailable == "closed"
        overlay = None if config.key is None else RedisOverlay(self.connection, self.derived("overlay"))
        self.overlay: RedisOverlay | None = overlay
        self.configuration = RedisConfiguration(self.connection)
        self.listeners = RedisListeners(self.connection, time.time)
        self.hear: Callable[[], Awaitable[None]] | None = None
        self.process = secrets.token_hex(PROCESS_CHARS // 2)
        self._name = f"{socket.gethostname()} (process {os.getpid()})"
        self._strange = ""
        self._is_apart = False
        self._tokens: list[SharedTokenStore] = []
        self._tasks = TaskSet("the seal")
        self._in_flight = RedisInFlight(self.connection, strict=self._strict)

    def __repr__(self) -> str:
        return f"SharedState({self.connection!r})"

    def stores(self, bus: Bus) -> Stores:
        """The stores of this process.

        Args:
            bus: Who hears what they do.
        """
        return Stores(self.cache, self.results, bus, self.parked, self.derived("parked"), self.process)

    def limits(self, now: Callable[[], float]) -> AbuseLimits:
        """What counts the clients of all listeners.

        Args:
            now: The monotonic clock.
        """
        rates = RedisRates(self.connection, strict=self._strict)
        return AbuseLimits(now, rates, self._in_flight, strict=self._strict)

    def tokens(self, directory: Path, safe: Safe | None) -> TokenStore:
        """Signed-in tokens: of this listener alone, where Redis knows the secret of all.

        Args:
            directory: Where the files of this machine are.
            safe: Where their secrets are; in the files where absent.
        """
        if self.config.key is None:
            return TokenStore(directory, safe)
        key = self.derived("tokens")
        made = SharedTokenStore(directory, safe, self.connection, key, strict=self._strict)
        self._tokens.append(made)
        return made

    async def unlock(self) -> None:
        """Finds the secret that all listeners have: before any key is derived from it.

        Raises:
            StoreUnavailable: Redis has it, and cannot be reached.
        """
        if self._secret:
            return
        try:
            self._secret = await self._seal(secrets.token_bytes(KEY_BYTES))
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error.message}. A listener with state.key can start all the same: give all of them the"
                " same key, by a reference"
            ) from None
        # Listeners that start after Redis has lost it must have the one that those have which run.
        self.connection.when_returned(self._returned)

    async def _seal(self, own: bytes) -> bytes:
        """The seal in Redis, which is `own` where there was none."""
        key = self.connection.key("seal")
        await self.connection.run("SET", key, own, "NX")
        return bytes(await self.connection.run("GET", key))

    def _returned(self) -> None:
        self._tasks.spawn(self._restore())

    async def _restore(self) -> None:
        try:
            found = await self._seal(self._secret)
        except StoreUnavailable as error:
            log.debug("the seal was not brought to Redis again: %s", error)
            return
        if found != self._secret:
            log.warning(
                "could not use the seal in Redis at %s: another listener made a new one after the old one was"
                " lost. Start this listener anew, and set state.key, so that no seal is kept in Redis",
                self.connection.where,
            )

    @property
    def mark(self) -> str:
        """Tells the secret of all listeners from another one; nobody can tell the secret from it."""
        return self.derived("mark").hex()[: 2 * MARK_BYTES]

    async def known_mark(self) -> str:
        """The same for somebody who only looks: without a secret of our own, that of the seal in Redis.

        Raises:
            StoreUnavailable: Redis has it, and cannot be reached.
        """
        if not self._secret:
            self._secret = bytes(await self.connection.run("GET", self.connection.key("seal")) or b"")
        return self.mark

    async def join(self) -> None:
        """Shares with the others from now on.

        Raises:
            ConfigError: Another listener has another secret: neither would know the sessions of the other.
        """
        with contextlib.suppress(StoreUnavailable):
            company = await self.listeners.meet(self.mark, self._name, __version__)
            if company.strange:
                raise ConfigError([strange_secret(self.config, company, self.connection.where)])

    async def keep_company(self) -> None:
        """Says once more that this listener is there, and whether somebody has another secret meanwhile, or
        the clock of this machine has gone off."""
        try:
            company = await self.listeners.meet(self.mark, self._name, __version__)
        except StoreUnavailable as error:
            log.debug("it is not known who shares with this listener: %s", error)
            return
        before = self._strange
        self._strange = strange_secret(self.config, company, self.connection.where) if company.strange else ""
        if self._strange and not before:
            log.error("%s", self._strange)
        is_apart, self._is_apart = self._is_apart, abs(company.ahead) > CLOCK_SECONDS
        if self._is_apart and not is_apart:
            log.warning("%s", strange_clock(company, self.connection.where))

    def derived(self, purpose: str) -> bytes:
        """A key for one purpose, made of the secret that all listeners have."""
        return hashlib.blake2b(self._secret, digest_size=KEY_BYTES, person=purpose.encode()[:16]).digest()

    def facts(self) -> dict[str, Any]:
        """What status shows of it."""
        connection = self.connection
        facts: dict[str, Any] = {"connected": connection.is_up, "address": connection.where}
        if not connection.is_up:
            facts["problem"] = connection.problem
        elif self._strange:
            facts["problem"] = self._strange
        return facts | self.configuration.facts()

    async def close(self) -> None:
        """Brings to Redis what still waits, and ends the connection."""

        async def leave() -> None:
            with contextlib.suppress(StoreUnavailable):
                await self.listeners.leave()

        tokens = [store.close for store in self._tokens]
        ends = self._in_flight.close, self.replay.close, self.connection.close
        await to_the_end(self._tasks.cancel, leave, *tokens, *ends)


def strange_secret(config: StateSection, company: Company, where: str) -> str:
    """What to do where listeners share one Redis and have not the same secret."""
    names = ", ".join(sorted(listener.name for listener in company.strange))
    what = "state.key is another one here than" if config.key is not None else "state.key is set"
    return (
        f"{what} at {names}, which shares Redis at {where} with the keyPrefix {config.key_prefix!r}: give all"
        " listeners the same state.key. To change it, stop all of them first; listeners that are to share"
        " nothing need another state.keyPrefix"
    )


def strange_clock(company: Company, where: str) -> str:
    """What to do where the clock of this machine is another one than that of Redis."""
    return f"this machine's clock is {apart(company.ahead)} that of Redis at {where}: have both set by NTP"


def apart(ahead: float) -> str:
    """How far a clock is from another one, and in which direction; the other one is named after it."""
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"


async def open_shared_state(config: StateSection, base_dir: Path, env: Mapping[str, str]) -> SharedState:
    """What `state` says, looked up and connected; where Redis does not answer, it is tried further.

    Args:
        base_dir: What relative paths start from.
        env: The variables there are.

    Raises:
        ConfigError: A reference has no value, the URL is none, the package is not installed, or another
            listener has another secret.
        StoreUnavailable: Redis has the seal of all listeners, and cannot be reached.
    """
    shared = await found_shared_state(config, base_dir, env)
    async with AsyncExitStack() as ends:
        ends.push_async_callback(shared.close)
        if await shared.connection.open():
            log.info("sharing sessions through Redis at %s", shared.connection.where)
        await shared.unlock()
        await shared.join()
        ends.pop_all()
    return shared


async def found_shared_state(config: StateSection, base_dir: Path, env: Mapping[str, str]) -> SharedState:
    """What `state` says, looked up; nothing is connected yet.

    Args:
        base_dir: What relative paths start from.
        env: The variables there are.

    Raises:
        ConfigError: A reference has no value, the URL is none, or the package is not installed.
    """

    def look_up() -> tuple[RedisAddress, str, str]:
        url = looked_up(config.url, "state.url", base_dir, env)
        try:
            address = read_redis_url(url)
        except ValueError as error:
            raise ConfigError([f"state.url {error}"]) from None
        found = [
            "" if text is None else looked_up(text, path, base_dir, env)
            for text, path in (
                (config.password, "state.password"),
                (config.sentinel_password, "state.sentinelPassword"),
                (config.key, "state.key"),
            )
        ]
        password, sentinels, secret = found
        if config.key is not None and len(secret) < SHORTEST_KEY:
            raise ConfigError([f"state.key must have at least {SHORTEST_KEY} characters"])
        EVERYWHERE.learn(Veil([text for text in (address.password, *found) if text]))
        address = msgspec.structs.replace(
            address,
            username=config.username or address.username,
            password=password or address.password,
        )
        return address, sentinels, secret

    try:
        address, sentinels, secret = await aside(look_up, LOOK_UP_SECONDS)
    except TimeoutError:
        raise ConfigError(["state has references that were not looked up in time"]) from None
    ca_file = None if config.ca_file is None else str(base_dir / config.ca_file)
    return SharedState(config, address, sentinels, secret, ca_file)
