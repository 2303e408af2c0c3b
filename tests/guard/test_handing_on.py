"""The credential that let a request in is not handed on."""

from __future__ import annotations

import pytest

from callmux.guard.grant import Grant, Standing
from callmux.guard.handing_on import allowed
from callmux.guard.principal import Principal


def grant(*audiences: str) -> Grant:
    return Grant(principal=Principal(kind="x", id="y"), standing=Standing(), audiences=audiences)


@pytest.mark.parametrize("shown", ["Bearer s3cret", "bearer   s3cret ", "Bearer\ts3cret"])
def test_no_header_holds_the_token(shown: str) -> None:
    headers = {
        "authorization": shown,
        "x-forwarded-authorization": shown,
        "x-token": "s3cret",
        "cookie": "a=b; token=s3cret",
        "x-key": "other",
    }
    assert allowed(headers, shown, grant()) == {"x-key": "other"}


def test_a_token_that_says_for_whom_it_is_stays_in_its_own_header() -> None:
    headers = {"authorization": "Bearer s3cret", "x-token": "s3cret", "x-key": "other"}
    kept = allowed(headers, "Bearer s3cret", grant("https://crm.example/mcp"))
    assert kept == {"authorization": "Bearer s3cret", "x-key": "other"}
