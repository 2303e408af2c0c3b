"""The connection of a process to the Redis that several listeners share.

Made by `callmux.process.shared_state`; used by all stores of `callmux.stores` whose names begin with
`redis_`. Everything is bounded in time. Once Redis does not answer, nobody waits for it until it does: a task
tries again and again, and tells when it is back. A mark in Redis shows whether what was kept there is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from callmux.errors import StoreUnavailable
from callmux.stores.redis_client import CONNECTIONS, RedisClient, drop, failures
from callmux.tasks import TaskSet, at_once, to_the_end

log = logging.getLogger(__name__)

SCHEMA = "1"
"""The version of everything that is kept: another version has other keys."""
PAUSE_SECONDS = 2.0
"""How often it is looked whether Redis is there while nobody asks it for anything."""
SILENT_SECONDS = 60.0
"""How long nothing more is logged of commands that are refused."""
LOOK_SECONDS = 5.0
"""How long a look whether it is there may take at most: another one follows."""
END_SECONDS = 1.0
"""How long ending connections may take."""
FIRST_DELAY = 0.05
LONGEST_DELAY = 2.0
WORTHLESS = ("LOADING", "NOAUTH", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")
"""How answers begin that say that nothing can be done there now."""

_LOOK = """
local found = redis.call('GET', KEYS[1])
if found then
    redis.call('PERSIST', KEYS[1])
    return found
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
"""
"""Gives the mark of what is kept, or a new one. It writes, as all others do: whoever may only read fails."""

Word: TypeAlias = str | bytes | int | float


def mark_of(name: str, size: int = 16) -> str:
    """What stands for a name in Redis: nobody can read the name from it.

    Args:
        size: Its bytes.
    """
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


class Script:
    """A program that Redis runs as one step.

    Args:
        text: It, in Lua. All keys that it touches are given to it, and stand in one place of a cluster.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Turns:
    """So many at a time. A turn that is over goes to whoever has waited longest, also where many give up.

    Args:
        free: How many.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Waits for a turn."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """A turn is over."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class RedisConnection:
    """One Redis, as this process sees it.

    Args:
        client: Talks to it.
        where: What messages call it: no credential.
        prefix: How every key begins.
        seconds: How long each request may take.
        connect_seconds: How much longer a look whether it is there may take.

    Attributes:
        where: What messages call it.
        is_up: Whether it has answered, and has not failed since.
        problem: Why it cannot be used; empty while it can.
        failures: Requests that failed.
    """

    def __init__(
        self, client: RedisClient, where: str, prefix: str, seconds: float, connect_seconds: float
    ) -> None:
        self.where = where
        self.is_up = False
        self.problem = "not connected yet"
        self.failures = 0
        self._client = client
        self._prefix = f"{prefix}{SCHEMA}:"
        self._seconds = seconds
        self._connect_seconds = connect_seconds
        self._away, self._refused = failures()
        self._turns = Turns(CONNECTIONS)
        self._doubt = asyncio.Event()
        self._looked = asyncio.Event()
        self._tasks = TaskSet("redis")
        self._returned: list[Callable[[], None]] = []
        self._mark = b""
        self._told = False
        self._silent_until = 0.0
        self._closed = False
        self._given_up: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"RedisConnection({self.where!r}, {'up' if self.is_up else self.problem})"

    async def open(self) -> bool:
        """Begins to watch over it; says whether it is there."""
        self._tasks.spawn(self._watch())
        await self._looked.wait()
        return self.is_up

    async def close(self) -> None:
        """Ends it."""
        # A client in the middle of its own trouble may swallow that it is cancelled.
        self._closed = True
        await to_the_end(self._tasks.cancel, self._end_given_up, self._end_connections)

    async def _end_given_up(self) -> None:
        if self._given_up:
            # They would open a connection again that has ended under them, and nobody would close that.
            _, late = await asyncio.wait(self._given_up, timeout=END_SECONDS)
            for command in late:
                command.cancel()
            if late:
                await asyncio.wait(late, timeout=END_SECONDS)

    async def _end_connections(self) -> None:
        with contextlib.suppress(*self._away, *self._refused):
            async with asyncio.timeout(END_SECONDS):
                await drop(self._client, idle=False)
                await self._client.aclose()

    def when_returned(self, told: Callable[[], None]) -> None:
        """Has `told` called whenever it is back, or has lost what was kept there."""
        self._returned.append(told)

    def key(self, *parts: str) -> str:
        """A key of ours. A part `{x}` says which keys stand in one place of a cluster."""
        return self._prefix + ":".join(parts)

    async def run(self, *command: Word) -> Any:
        """What Redis answers to a command.

        Raises:
            StoreUnavailable: Nothing, in time, or it refuses the command.
        """
        if not self.is_up:
            raise StoreUnavailable(f"Redis cannot be reached at {self.where}: {self.problem}")
        return await self._asked(self._in_turn(command, self._seconds))

    async def evaluate(
        self, script: Script, keys: Sequence[str], *arguments: Word, first: Script | None = None
    ) -> Any:
        """What a script gives, which Redis runs as one step.

        Args:
            first: Runs before it, on the same keys, where Redis does not know the script: no listener has
                used it since Redis was started.

        Raises:
            StoreUnavailable: As for `run`.
        """
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.run("EVALSHA", script.digest, *rest)
        except _Unknown:
            if first is not None:
                await self.run("EVAL", first.text, len(keys), *keys)
            return await self.run("EVAL", script.text, *rest)

    async def _asked(self, answer: Coroutine[Any, Any, Any]) -> Any:
        """The answer to a command. Who gives up leaves it to end by itself: a connection that is left in the
        middle of something may be of no use to the next."""
        asked = at_once(answer)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._given_up.add(asked)
            asked.add_done_callback(self._ended)
            raise

    def _ended(self, command: asyncio.Task[Any]) -> None:
        """Nobody wants its answer."""
        self._given_up.discard(command)
        if not command.cancelled():
            command.exception()

    async def _in_turn(self, command: Sequence[Word], seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                await self._turns.take()
        except TimeoutError:
            # That is our own doing, and says nothing of Redis.
            self.failures += 1
            raise StoreUnavailable(f"too much is asked of Redis at {self.where} at once") from None
        try:
            return await self._answer(command, seconds)
        finally:
            self._turns.give_back()

    async def _answer(self, command: Sequence[Word], seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await self._client.execute_command(*command)
        except self._away as error:
            reason = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else str(error)
            raise self._failed(_short(reason)) from error
        except self._refused as error:
            reason = _short(str(error))
            if reason.startswith("NOSCRIPT") or type(error).__name__ == "NoScriptError":
                raise _Unknown(reason) from None
            if reason.startswith(WORTHLESS) or type(error).__name__ == "BusyLoadingError":
                raise self._failed(reason) from error
            self.failures += 1
            if self._silent_until <= (now := asyncio.get_running_loop().time()):
                self._silent_until = now + SILENT_SECONDS
                log.warning("could not use Redis at %s: it refuses %s: %s", self.where, command[0], reason)
            raise CommandRefused(f"Redis at {self.where} refuses {command[0]!s}: {reason}", reason) from error

    def _failed(self, reason: str) -> StoreUnavailable:
        self.failures += 1
        self.is_up = False
        self.problem = reason
        self._doubt.set()
        return StoreUnavailable(f"Redis cannot be reached at {self.where}: {reason}")

    async def _watch(self) -> None:
        """Looks again and again whether it is there, sooner where somebody doubts that."""
        failed = 0
        while not self._closed:
            self._doubt.clear()
            try:
                if not self.is_up:
                    await self._begin_anew()
                lost = await self._is_emptied()
            except StoreUnavailable:
                failed += 1
                if not self._told:
                    self._told = True
                    log.warning(
                        "could not reach Redis at %s, this listener goes on by itself: %s",
                        self.where,
                        self.problem,
                    )
                self._looked.set()
                await asyncio.sleep(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failed, 10)))
                continue
            failed = 0
            self._is_there(lost)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._doubt.wait()

    async def _begin_anew(self) -> None:
        with contextlib.suppress(*self._away, *self._refused):
            async with asyncio.timeout(END_SECONDS):
                await drop(self._client, idle=True)

    async def _is_emptied(self) -> bool:
        """Whether what was kept there is lost, such as by a restart without a file.

        Raises:
            StoreUnavailable: It is not there.
        """
        seconds, key = min(LOOK_SECONDS, self._seconds + self._connect_seconds), self.key("mark")
        try:
            found = await self._asked(self._answer(("EVAL", _LOOK, 1, key, secrets.token_hex(16)), seconds))
        except CommandRefused as error:
            # What is refused here is refused to everybody.
            raise self._failed(f"it refuses EVAL: {error.reason}") from error
        mark, known = bytes(found), self._mark
        self._mark = mark
        return bool(known) and mark != known

    def _is_there(self, lost: bool) -> None:
        self.is_up, self.problem = True, ""
        told, self._told = self._told, False
        if told:
            log.warning("reached Redis at %s again", self.where)
        if lost:
            log.warning("what was kept in Redis at %s is lost", self.where)
        self._looked.set()
        if told or lost:
            for tell in self._returned:
                tell()


def _short(reason: str) -> str:
    """A reason without the script or the client that the package shows behind it."""
    return reason.partition(" : <")[0].partition(" script: ")[0].rstrip(".")


class CommandRefused(StoreUnavailable):
    """Redis is there, and does not do what it was asked for.

    Args:
        text: What it refuses, and why.
        reason: Why, in its own words.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class _Unknown(StoreUnavailable):
    """Redis does not know the script yet."""
