"""Each request shows a good credential; what was examined is not examined again at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from callmux.guard.attempts import Attempts
from callmux.guard.authentication import MOST_BYTES, Authentication
from callmux.guard.gate import Gate, TurnedAway
from callmux.guard.grant import Grant, Standing
from callmux.guard.memory import BAD_SECONDS, GOOD_SECONDS, Memory
from callmux.guard.principal import Principal
from callmux.guard.resource import Resource
from callmux.tasks import TaskSet
from tests.guard.callers import FakeCaller, enter
from tests.support import FakeClock, play, settle


class Desk:
    """A verifier that takes `good`, and `narrow` without a scope it needs; keeps what it examined."""

    def __init__(self) -> None:
        self.examined: list[bytes] = []
        self.standing = Standing()
        self.go = asyncio.Event()
        self.go.set()
        self.expires = 1e12

    async def examine(
        self, token: bytes, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> Grant | None:
        async with turn():
            self.examined.append(token)
            await self.go.wait()
            if token not in (b"good", b"narrow"):
                return None
            lacks = ("wide",) if token == b"narrow" else ()
            ann = Principal(kind="bearer", id="ann")
            return Grant(principal=ann, standing=self.standing, expires=self.expires, lacks=lacks)


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.desk = Desk()
        self.attempts = Attempts(self.clock.clock.monotonic)
        self.tasks = TaskSet("test")
        self.check = Authentication(
            self.desk,
            Memory(b"k" * 32),
            self.clock.clock,
            self.attempts,
            Resource(None, [], ["wide"]),
            frozenset({"/health"}),
            self.tasks,
        )
        self.gate = Gate([self.check])

    async def asks(
        self, authorization: str | None, path: str = "/mcp", method: str = "POST", **more: str
    ) -> Any:
        given = {} if authorization is None else {"authorization": authorization}
        caller = FakeCaller(path, method, host="localhost", **given, **more)
        try:
            await enter(self.gate, caller)
        except TurnedAway as refusal:
            return refusal
        return caller


async def test_a_good_token_is_its_principal_and_is_examined_once() -> None:
    here = Scene()
    for given in ("Bearer good", "bearer good", "BEARER   good", "Bearer\tgood "):
        caller = await here.asks(given)
        assert caller.principal == Principal(kind="bearer", id="ann")
        assert caller.grant is not None
    assert here.desk.examined == [b"good"]
    here.clock.advance(GOOD_SECONDS + 1)
    await here.asks("Bearer good")
    assert here.desk.examined == [b"good", b"good"]


@pytest.mark.parametrize(
    "given",
    [None, "", "good", "Basic good", "Bearer", "Bearer ", "Bearergood", "Digest a=b", "Bearer good\0"],
)
def test_without_a_bearer_token_nothing_is_examined_and_no_error_is_named(given: str | None) -> None:
    """RFC 6750, section 3.1: a request without credentials gets no error code."""

    async def scene() -> None:
        here = Scene()
        refusal = await here.asks(given)
        assert (refusal.status, refusal.message, here.desk.examined) == (401, "Unauthorized", [])
        challenge = refusal.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer ")
        assert "error=" not in challenge
        assert 'resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp"' in challenge

    play(scene())


async def test_a_wrong_token_is_examined_once_and_again_after_a_while() -> None:
    here = Scene()
    for _ in range(3):
        refusal = await here.asks("Bearer wrong")
        assert refusal.status == 401
        assert 'error="invalid_token"' in refusal.headers["WWW-Authenticate"]
    assert here.desk.examined == [b"wrong"]
    here.clock.advance(BAD_SECONDS + 1)
    await here.asks("Bearer wrong")
    assert here.desk.examined == [b"wrong", b"wrong"]


async def test_a_token_without_bound_is_not_examined() -> None:
    here = Scene()
    assert (await here.asks("Bearer " + "x" * (MOST_BYTES + 1))).status == 401
    assert here.desk.examined == []


async def test_requests_with_the_same_new_token_wait_for_one_examination() -> None:
    here = Scene()
    here.desk.go.clear()
    first, *others = [asyncio.get_running_loop().create_task(here.asks("Bearer good")) for _ in range(20)]
    await settle()
    # The first leaves: the others get their answer all the same.
    first.cancel()
    await settle()
    here.desk.go.set()
    found = await asyncio.gather(*others)
    assert {caller.principal.id for caller in found} == {"ann"}
    assert here.desk.examined == [b"good"]


async def test_what_expired_or_was_withdrawn_is_refused_at_once() -> None:
    here = Scene()
    here.desk.expires = here.clock.clock.wall() + 10
    assert (await here.asks("Bearer good")).principal is not None
    here.clock.advance(10)
    assert (await here.asks("Bearer good")).status == 401
    other = Scene()
    assert (await other.asks("Bearer good")).principal is not None
    other.desk.standing.valid = False
    assert (await other.asks("Bearer good")).status == 401


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/health", "GET", 200),
        ("/health/", "GET", 200),
        ("/health", "POST", 401),
        ("/ready", "GET", 401),
        ("/healthy", "GET", 401),
        ("/.well-known/oauth-protected-resource", "GET", 200),
        ("/.well-known/oauth-protected-resource/mcp", "GET", 200),
        ("/.well-known/oauth-protected-resource/mcp", "POST", 401),
        ("/.well-known/oauth-protected-resources", "GET", 401),
        ("/mcp", "OPTIONS", 401),
    ],
)
@pytest.mark.parametrize("given", [None, "Bearer wrong"])
def test_only_what_is_free_is_answered_to_strangers(
    path: str, method: str, status: int, given: str | None
) -> None:
    async def scene() -> None:
        here = Scene()
        got = await here.asks(given, path, method)
        assert getattr(got, "status", 200) == status
        if status == 200:
            assert (got.principal, here.desk.examined) == (None, [])

    play(scene())


async def test_a_browser_may_ask_whether_its_page_may_ask() -> None:
    preflight = {"origin": "http://localhost:1", "access_control_request_method": "POST"}
    assert (await Scene().asks(None, "/mcp", "OPTIONS", **preflight)).principal is None


async def test_a_token_without_the_scope_that_is_needed_is_told_which() -> None:
    here = Scene()
    for _ in range(2):
        refusal = await here.asks("Bearer narrow")
        assert refusal.status == 403
        challenge = refusal.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="wide"' in challenge


async def test_failures_of_one_address_are_bounded_and_do_not_bound_known_tokens() -> None:
    here = Scene()
    await here.asks("Bearer good")
    here.attempts.failures_per_minute = 3
    seen = [(await here.asks(f"Bearer guess-{n}")).status for n in range(6)]
    assert seen == [401, 401, 401, 429, 429, 429]
    assert (await here.asks("Bearer good")).principal is not None
    assert len(here.desk.examined) == 4
