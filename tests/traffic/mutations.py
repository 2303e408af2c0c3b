"""Faults that the traffic must notice: each is a change of callmux as it runs, undone afterwards.

Used by `tests.traffic.test_traffic`. One mistake in ten or so: what goes wrong each time is no art to find.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from callmux.metatools import children
from callmux.protocol.shapes import Result
from callmux.rings import ring
from callmux.rings.call import Call
from callmux.rings.coalescing import _Flight
from callmux.rings.limiting import Limiting
from callmux.rings.retrying import Retrying
from callmux.rings.stage import Cancelled
from callmux.rings.writing import Writing
from callmux.session.request import Request
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure

OFTEN = 0.15


@contextmanager
def changed(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """While this is entered, `owner.name` is what `make` makes of it."""
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def skipped(stage: Any) -> Any:
    """A leave that is skipped now and then."""
    chance = random.Random(1)

    def make(leave: Any) -> Any:
        return lambda self, call, outcome: outcome if chance.random() < OFTEN else leave(self, call, outcome)

    return changed(stage, "leave", make)


def twice(stage: Any) -> Any:
    """A leave that runs twice now and then."""
    chance = random.Random(1)

    def make(leave: Any) -> Any:
        def again(self: Any, call: Any, outcome: Any) -> Any:
            left = leave(self, call, outcome)
            return leave(self, call, left) if chance.random() < OFTEN and type(left) is Result else left

        return again

    return changed(stage, "leave", make)


def not_abandoned() -> Any:
    """Calls that are given up go on at their connection."""
    return changed(Connection, "abandon", lambda abandon: lambda self, exchange, reason: None)


def with_its_leader() -> Any:
    """Followers of a shared read are cancelled with its leader."""

    def make(abandon: Any) -> Any:
        def all_of_them(self: Any, call: Any, reason: Any) -> None:
            others = [] if call is not self._first else [one for one in self._waiters if one is not call]
            abandon(self, call, reason)
            for one in others:
                abandon(self, one, reason)
                ring.settle(one, Cancelled(reason))

        return all_of_them

    return changed(_Flight, "abandon", make)


def stale() -> Any:
    """Writes are not told of."""
    return changed(Writing, "leave", lambda leave: lambda self, call, outcome: outcome)


def impatient() -> Any:
    """A shared read has the time of its leader, whoever joins it."""
    return changed(Call, "extend", lambda extend: lambda self, deadline, seconds: None)


def sent_again() -> Any:
    """Whatever failed is sent once more."""
    return changed(CallFailure, "repeatable", lambda may: lambda self, safe: self.retryable)


def left_when_not_entered() -> Any:
    """A stage that is to be entered again counts as entered where its job is given up."""

    def make(entered: Any) -> Any:
        def wrong(job: Any, step: Any) -> None:
            if job.given_up is not None and not isinstance(step, Result):
                job.depth += 1
                ring.settle(job, job.given_up)
            else:
                entered(job, step)

        return wrong

    return changed(ring, "_entered", make)


@contextmanager
def cancelled_later() -> Iterator[None]:
    """Whoever awaits a job, or several of them, gives them up a turn of the loop later."""
    waiter, fan_out = ring._Waiter, children._FanOut

    def later(self: Any, msg: Any = None) -> bool:
        asyncio.get_running_loop().call_soon(self._give_up, "later")
        return bool(super(fan_out, self).cancel(msg))

    with (
        changed(waiter, "cancel", lambda cancel: lambda self, msg=None: super(waiter, self).cancel(msg)),
        changed(fan_out, "cancel", lambda cancel: later),
    ):
        yield


def answered_twice() -> Any:
    """An answer goes out twice now and then."""
    chance = random.Random(1)

    def make(finish: Any) -> Any:
        def again(self: Any, job: Any, outcome: Any) -> None:
            finish(self, job, outcome)
            if isinstance(outcome, Result) and chance.random() < OFTEN:
                line = b'{"jsonrpc":"2.0","id":%b,"result":%b}'
                self.session._send(line % (msgspec.json.encode(self.id), outcome.raw))

        return again

    return changed(Request, "finish", make)


MUTATIONS: dict[str, Callable[[], Any]] = {
    "a leave skipped: slots": lambda: skipped(Limiting),
    "a leave skipped: retrying": lambda: skipped(Retrying),
    "a leave skipped: writing": stale,
    "a leave twice: slots": lambda: twice(Limiting),
    "a call not abandoned": not_abandoned,
    "a follower cancelled with its leader": with_its_leader,
    "a follower held to its leader's time": impatient,
    "whatever failed is sent again": sent_again,
    "a stage left that was not entered": left_when_not_entered,
    "a job given up too late": cancelled_later,
    "an answer twice": answered_twice,
}
