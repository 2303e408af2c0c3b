"""A grant holds between its times, and for as long as that which it rests on."""

from __future__ import annotations

from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal

ANN = Principal(kind="oidc_jwt", id="ann")


def test_it_holds_from_its_first_second_until_its_last() -> None:
    grant = Grant(principal=ANN, standing=Standing(), not_before=100, expires=200)
    assert [grant.holds(now) for now in (99.9, 100, 199.9, 200)] == [False, True, True, False]


def test_it_ends_with_the_token_or_key_it_rests_on() -> None:
    standing = Standing()
    grant = Grant(principal=ANN, standing=standing)
    assert grant.holds(0)
    standing.valid = False
    assert not grant.holds(0)
