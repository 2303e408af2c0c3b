"""Tokens of a list: each by its hash or its plain text, wrong ones at the same price, gone when taken out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callmux.config.security import BearerAuth, BearerToken
from callmux.guard import bearer as module
from callmux.guard.bearer import Bearer
from callmux.guard.hashes import ScryptHash
from tests.support import real_loop, run

OPS = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"
DEV = "scrypt$1024$8$1$ZGV2LXNlY3JldDAxMjM0NQ$jmjHneAzZugECQRw_gf0QT2I_tJ89Nk6sTNAJ_G2HRw"


def auth(*tokens: BearerToken) -> BearerAuth:
    return BearerAuth(mode="bearer", tokens=tokens)


HASHED = auth(BearerToken(id="ops", hash=OPS), BearerToken(id="dev", hash=DEV))
PLAIN = auth(
    BearerToken(id="a", token="first"), BearerToken(id="b", token="zweit-ö"), BearerToken(id="ops", hash=OPS)
)


class Turns:
    """Counts the turns that were taken."""

    def __init__(self) -> None:
        self.taken = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        self.taken += 1
        yield


def found(bearer: Bearer, token: str) -> str | None:
    async def scene() -> str | None:
        grant = await bearer.examine(token.encode(), Turns())
        return None if grant is None or not grant.holds(0) else grant.principal.label

    return run(scene())


def test_a_token_is_the_principal_whose_hash_it_has() -> None:
    bearer = Bearer(HASHED)
    assert found(bearer, "ops-secret") == "bearer:ops"
    assert found(bearer, "dev-secret") == "bearer:dev"
    assert found(bearer, "other") is None


def test_plain_and_hashed_tokens_stand_side_by_side() -> None:
    bearer = Bearer(PLAIN)
    assert [found(bearer, token) for token in ("first", "zweit-ö", "ops-secret", "zweit-o")] == [
        "bearer:a",
        "bearer:b",
        "bearer:ops",
        None,
    ]


@real_loop()
async def test_a_plain_token_costs_no_hash() -> None:
    turns = Turns()
    assert await Bearer(PLAIN).examine(b"first", turns) is not None
    assert turns.taken == 0
    assert await Bearer(PLAIN).examine(b"no", turns) is None
    assert turns.taken == 1


@pytest.mark.parametrize("wrong", ["o", "ops-secre", "ops-secret!", "x" * 5000, "scrypt$1024$8$1"])
def test_every_wrong_token_is_compared_with_the_whole_of_every_hash(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal work, so that the time says nothing of how near a guess is."""
    compared: list[tuple[int, int]] = []

    class Watched(ScryptHash, frozen=True):
        def fits(self, token: bytes) -> bool:
            compared.append((self.cost, len(self.key)))
            return ScryptHash.fits(self, token)

    monkeypatch.setattr(module, "ScryptHash", Watched)
    assert found(Bearer(HASHED), wrong) is None
    assert compared == [(1024, 32), (1024, 32)]


@real_loop()
async def test_a_token_taken_out_ends_and_the_others_go_on() -> None:
    before = Bearer(HASHED)
    ops = await before.examine(b"ops-secret", Turns())
    dev = await before.examine(b"dev-secret", Turns())
    assert ops is not None
    assert dev is not None
    after = Bearer(auth(BearerToken(id="ops", hash=OPS), BearerToken(id="new", token="n")), before)
    assert (ops.holds(0), dev.holds(0)) == (True, False)
    assert await after.examine(b"dev-secret", Turns()) is None
    back = Bearer(HASHED, after)
    assert not dev.holds(0), "what was withdrawn stays withdrawn"
    assert await back.examine(b"dev-secret", Turns()) is not None


@real_loop()
@pytest.mark.parametrize(
    "changed",
    [
        BearerToken(id="ops", hash=DEV),
        BearerToken(id="other", hash=OPS),
        BearerToken(id="ops", token="ops-secret"),
    ],
)
async def test_a_token_with_another_secret_or_name_is_another_token(changed: BearerToken) -> None:
    before = Bearer(auth(BearerToken(id="ops", hash=OPS)))
    grant = await before.examine(b"ops-secret", Turns())
    assert grant is not None
    Bearer(auth(changed), before)
    assert not grant.holds(0)


@real_loop()
async def test_what_is_withdrawn_while_it_is_examined_does_not_hold() -> None:
    before = Bearer(HASHED)

    @asynccontextmanager
    async def meanwhile() -> AsyncIterator[None]:
        yield
        before.withdraw()

    grant = await before.examine(b"ops-secret", meanwhile)
    assert grant is not None
    assert not grant.holds(0)
