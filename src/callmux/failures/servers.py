"""The states of a server that does not work as it should, as status and `/ready` show them. Pure."""

from __future__ import annotations

from callmux.failures.terms import Actor, KnownFailure, Repeat

FAILURES = (
    KnownFailure(
        "server_starting",
        "the server is being started for the first time",
        "A program that is fetched from a registry (npx, uvx) takes a while the first time.",
        Repeat.LATER,
        Actor.NOBODY,
        "wait: a call to the server waits by itself, at most connectTimeoutMs",
    ),
    KnownFailure(
        "server_disconnected",
        "the connection to the server has just been lost",
        "Its program ended, or its address stopped answering. The next call connects again at once.",
        Repeat.YES,
        Actor.NOBODY,
        "make the call: it connects the server again",
    ),
    KnownFailure(
        "server_reconnecting",
        "the server cannot be connected, and callmux tries again by itself",
        "`lastError` says why the last attempt failed, and `nextRetryAt` when the next one is due.",
        Repeat.LATER,
        Actor.USER,
        "read lastError and mend that; then try the server by itself",
        "callmux server test {server}",
    ),
    KnownFailure(
        "server_failed",
        "the server could not be connected as often as reconnectPolicy.maxAttempts allows",
        "`lastError` says why. callmux tries again when a call needs the server.",
        Repeat.NO,
        Actor.USER,
        "read lastError and mend that; then try the server by itself",
        "callmux server test {server}",
    ),
)
