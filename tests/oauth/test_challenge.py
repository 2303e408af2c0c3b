"""Challenges are read however servers write them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.oauth.challenge import BearerChallenge, bearer_challenge

PLACE = "https://s.example/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer", BearerChallenge()),
        (f'Bearer resource_metadata="{PLACE}", scope="a b a"', BearerChallenge(PLACE, ("a", "b"))),
        (f"bearer RESOURCE_METADATA={PLACE},scope=a", BearerChallenge(PLACE, ("a",))),
        ('Basic realm="x, Bearer", Bearer error="invalid_token"', BearerChallenge(error="invalid_token")),
        ("Negotiate YWJj==, Bearer scope=a", BearerChallenge(scopes=("a",))),
        ("Negotiate, Bearer scope=a", BearerChallenge(scopes=("a",))),
        ('Bearer scope="a", DPoP algs="ES256", scope="b"', BearerChallenge(scopes=("a",))),
        (r'Bearer error="say \"no\""', BearerChallenge(error='say "no"')),
        ('Bearer scope="a", error="cut off', BearerChallenge(scopes=("a",))),
        (', , Bearer\tscope="a"', BearerChallenge(scopes=("a",))),
        ('Bearer scope="a \udcff \x1b[2J \xe4 b"', BearerChallenge(scopes=("a", "b"))),
        (f'Bearer resource_metadata="{PLACE}\udcff"', BearerChallenge(f"{PLACE}\ufffd")),
        ('DPoP algs="ES256", scope="a"', None),
        ("", None),
        ('"', None),
    ],
)
def test_the_bearer_challenge_is_found(header: str, found: BearerChallenge | None) -> None:
    assert bearer_challenge(header) == found


@given(st.text(st.characters(exclude_categories=())))
def test_no_header_is_too_odd_to_be_read(header: str) -> None:
    found = bearer_challenge(header)
    assert found is None or "bearer" in header.lower()


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_read_can_always_be_kept(value: str) -> None:
    found = bearer_challenge(f'Bearer scope="{value}", resource_metadata="{value}", error={value}')
    msgspec.json.encode(found)
