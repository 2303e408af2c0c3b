"""How a new connection and its server agree on how they speak: without a handshake, or with `initialize`.

Called by `callmux.upstream.connection` on an open link. A server that speaks both eras is spoken to in that
of the client it is opened for; one that lacks it is spoken to in the other. The rules are those of MCP
2026-07-28, basic/versioning, "Backward Compatibility": whatever a server answers to `server/discover` but
what servers of that era answer means `initialize`, and so does silence. Everything is said to the same
process: no server is started to be asked. What is known from before (`callmux.upstream.opening.known_era`)
spares the asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from callmux.protocol import stateless
from callmux.protocol.upstream_peer import InitializeResult
from callmux.protocol.versions import LEGACY, MODERN, UNSUPPORTED_VERSION, Era
from callmux.tasks import at_once
from callmux.upstream.exchanges import OwnExchange
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.opening.first_words import FirstWords
from callmux.upstream.opening.known_era import KnownEra

PATIENCE_SECONDS = 3.0
"""How long a server that was never seen may take to answer `server/discover` before it is greeted as well. It
may be starting still: what it answers to both decides."""
MORE_PATIENCE = 5
"""So many times as long for one that has answered it before."""


class EndedByProbe(CallFailure):
    """The process, or the session, ended when it was asked something before `initialize`: a new one must be
    greeted."""


async def agree(words: FirstWords, known: KnownEra, wanted: Era) -> InitializeResult:
    """What the server says of itself, once it is known how to speak to it.

    Args:
        words: Says the first words.
        known: What is known of its eras, and will be.
        wanted: The era to try first.

    Raises:
        CallFailure: It refuses, or ends meanwhile.
    """
    if known.only is Era.LEGACY:
        return words.greeted(await words.hello())
    if known.lacks(Era.MODERN) or (wanted is Era.LEGACY and not known.lacks(Era.LEGACY)):
        return await _greet(words, known)
    asked = words.probe()
    patience = PATIENCE_SECONDS * (MORE_PATIENCE if known.has(Era.MODERN) else 1)
    await _answered(words, asked, patience)
    if not asked.answer.done():
        return await _both(words, known, asked)
    if _names_ours(asked):
        # It may have learned of that only now; it is asked once more, and no longer.
        asked = words.probe()
        await _answered(words, asked)
    return await _decided(words, known, asked, words.hello)


async def _decided(
    words: FirstWords, known: KnownEra, asked: OwnExchange, hello: Callable[[], Awaitable[bytes]]
) -> InitializeResult:
    """What the answer to the question means; whatever it leaves open, the greeting decides."""
    try:
        found = _verdict(words, known, asked)
    except CallFailure as failure:
        if not (failure.category is Category.AUTHORIZATION and words.live):
            raise
        # Some refuse so whatever comes before `initialize`. Nothing is learned of what it speaks.
        try:
            return words.greeted(await hello())
        except CallFailure as refusal:
            # Who answers the greeting with an error of its own may speak only without one.
            raise failure if refusal.rpc is not None else refusal from None
    return _greeted(words, known, await hello()) if found is None else found


async def _greet(words: FirstWords, known: KnownEra) -> InitializeResult:
    """The handshake; a server that refuses it may do without."""
    try:
        result = await words.hello()
    except CallFailure as refusal:
        if not words.live or refusal.category is Category.AUTHORIZATION:
            raise
        asked = words.probe()
        await _answered(words, asked, PATIENCE_SECONDS)
        if not asked.answer.done():
            # It has said no, and nothing since.
            words.forget(asked)
            raise
        found = _verdict(words, known, asked)
        if found is None:
            raise
        known.missed(Era.LEGACY)
        return found
    return _greeted(words, known, result)


async def _both(words: FirstWords, known: KnownEra, asked: OwnExchange) -> InitializeResult:
    """The server is silent: it is greeted, and may still answer both."""
    hello = at_once(words.hello())
    try:
        await asyncio.wait({hello, asked.answer}, return_when=asyncio.FIRST_COMPLETED)
        answered = asked.answer.done()
        # Whoever has taken the greeting wants the handshake, whatever it answered before.
        await asyncio.wait({hello}, timeout=PATIENCE_SECONDS if answered else None)
        if hello.done():
            try:
                result = hello.result()
            except CallFailure as failure:
                if not words.live and failure.started:
                    # A slow one ends as others do, only later.
                    raise _ended(known, failure) from failure
                found = _verdict(words, known, asked) if words.live and asked.answer.done() else None
                if found is None:
                    raise
                return found
            words.forget(asked)
            return _greeted(words, known, result)
        return await _decided(words, known, asked, lambda: hello)
    finally:
        hello.cancel()
        words.forget(asked)


async def _answered(words: FirstWords, asked: OwnExchange, seconds: float | None = None) -> None:
    """Waits for an answer, at most so long; nobody waits for one any more where this is given up."""
    try:
        await asyncio.wait({asked.answer}, timeout=seconds)
    except asyncio.CancelledError:
        words.forget(asked)
        raise


def _greeted(words: FirstWords, known: KnownEra, result: bytes) -> InitializeResult:
    init = words.greeted(result)
    known.found(Era.LEGACY, init)
    return init


def _verdict(words: FirstWords, known: KnownEra, asked: OwnExchange) -> InitializeResult | None:
    """What a server without a handshake says of itself, once it is spoken to so; None for any other.

    Raises:
        CallFailure: It wants credentials, speaks no revision of ours, or cannot be reached.
        EndedByProbe: Its process has ended.
    """
    try:
        found = stateless.read_discovery(asked.answer.result())
    except (ValueError, CallFailure) as failure:
        if isinstance(failure, CallFailure):
            _refused(words, known, failure)
        known.missed(Era.MODERN)
        return None
    words.discovered(found)
    known.found(Era.MODERN, found)
    return found


def _names_ours(asked: OwnExchange) -> bool:
    """Whether a server refuses the revision and names it as one that it speaks."""
    failure = asked.answer.exception()
    rpc = failure.rpc if isinstance(failure, CallFailure) else None
    return rpc is not None and rpc.code == UNSUPPORTED_VERSION and MODERN[0] in stateless.spoken_of(rpc)


def _refused(words: FirstWords, known: KnownEra, failure: CallFailure) -> None:
    """Raises where a refusal to say who it is does not mean that a server has a handshake."""
    if failure.category is Category.AUTHORIZATION and not failure.over:
        raise failure
    if failure.rpc is not None and failure.rpc.code == UNSUPPORTED_VERSION:
        spoken = stateless.spoken_of(failure.rpc)
        if spoken and not any(revision in LEGACY for revision in spoken):
            cause = f"it speaks only MCP {', '.join(spoken)}, and callmux does not"
            raise CallFailure(Category.PROTOCOL, cause, started=False)
    if not words.live:
        if not (failure.started or failure.over):
            raise failure
        raise _ended(known, failure) from failure


def _ended(known: KnownEra, failure: CallFailure) -> EndedByProbe:
    known.missed(Era.MODERN)
    return EndedByProbe(failure.category, failure.cause, started=False)
