"""What a token says is believed for one issuer, one audience and one time, and in one form."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard import claims
from callmux.guard.claims import Bad, NotNow, check, parsed
from tests.guard.issuer import AUDIENCE, ISSUER, part, token

NOW = 1_700_000_000.0
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": NOW + 300}
HEAD = {"alg": "RS256", "kid": "k1"}


def said(now: float = NOW, skew: float = 30, audience: tuple[str, ...] = (AUDIENCE,), **changed: Any) -> None:
    given = {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}
    check(given, ISSUER, audience, now, skew)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["z", AUDIENCE]},
        {"audience": ("x", AUDIENCE)},
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"nbf": NOW + 30},
        {"nbf": NOW - 1000, "iat": NOW + 1000},
        {"exp": 10**400},
    ],
)
def test_a_token_for_us_and_for_now_is_taken(changed: dict[str, Any]) -> None:
    said(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": ...},
        {"iss": "https://id.example"},
        {"iss": "https://ID.example/"},
        {"iss": [ISSUER]},
        {"iss": None},
        {"aud": ...},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": {AUDIENCE: 1}},
        {"aud": AUDIENCE.upper()},
        {"aud": f"{AUDIENCE} "},
        {"sub": ...},
        {"sub": ""},
        {"sub": " "},
        {"sub": 7},
        {"sub": None},
        {"sub": ["ann"]},
        {"sub": "ann\nadmin"},
        {"sub": "ann\x1b[2J"},
        {"exp": ...},
        {"exp": None},
        {"exp": "1700000300"},
        {"exp": True},
        {"exp": [NOW]},
        {"nbf": "soon"},
        {"nbf": None},
        {"nbf": False},
    ],
)
def test_a_token_that_says_something_else_is_bad_for_good(changed: dict[str, Any]) -> None:
    with pytest.raises(Bad):
        said(**changed)


@pytest.mark.parametrize(
    "changed", [{"exp": NOW - 30}, {"exp": -(10**400)}, {"exp": 0}, {"nbf": NOW + 31}, {"nbf": 10**400}]
)
def test_a_token_of_another_time_does_not_count_now(changed: dict[str, Any]) -> None:
    with pytest.raises(NotNow):
        said(**changed)


def test_a_clock_that_jumps_decides_as_it_shows() -> None:
    for now in (NOW + 330, NOW + 1e9):
        with pytest.raises(NotNow):
            said(now)
    said(NOW - 1e9)
    with pytest.raises(NotNow):
        said(NOW - 1e9, nbf=NOW)


def test_no_skew_means_to_the_second() -> None:
    said(NOW + 299.9, skew=0)
    with pytest.raises(NotNow):
        said(NOW + 300, skew=0)


@pytest.mark.parametrize(
    "head",
    [
        {"alg": "none"},
        {"alg": "NONE"},
        {"alg": "HS256"},
        {"alg": "rs256"},
        {"alg": "RS512"},
        {"alg": ["RS256"]},
        {"alg": None},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"typ": "logout+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": 1},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
    ],
)
def test_a_header_that_asks_for_something_else_is_bad(head: dict[str, Any]) -> None:
    given = {name: value for name, value in {**HEAD, **head}.items() if value is not None}
    with pytest.raises(Bad):
        parsed(b".".join([part(given), part(GOOD), b"sig"]), ("RS256",))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", None])
def test_access_tokens_may_say_what_they_are(typ: str | None) -> None:
    found = parsed(token(head={"typ": typ}), ("RS256",))
    assert (found.head.alg, found.head.kid, found.claims["sub"]) == ("RS256", "k1", "ann")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b"..",
        b"a.b",
        b"a.b.c.d",
        b"a.b.c",
        b" ".join([part(HEAD), part(GOOD)]),
        part(HEAD) + b"." + part(GOOD) + b".",
        part(HEAD) + b".." + part(b"sig"),
        part(HEAD) + b"." + part(GOOD) + b".s=",
        part(HEAD) + b"." + part(b"\xff\xfe") + b".s",
        part(HEAD) + b"." + part([GOOD]) + b".s",
        part(HEAD) + b"." + part(b'{"exp":NaN}') + b".s",
        part(b"[" * 5000) + b"." + part(GOOD) + b".s",
        part(HEAD) + b"." + part(b'{"a":' * 3000 + b"1" + b"}" * 3000) + b".s",
        json.dumps({"protected": "x", "payload": "y", "signature": "z"}).encode(),
    ],
)
def test_what_is_no_token_is_bad(raw: bytes) -> None:
    with pytest.raises(Bad):
        parsed(raw, ("RS256",))


@given(st.binary(max_size=300) | st.text(alphabet=".=eyJ0-_AZ", max_size=60).map(str.encode))
def test_any_bytes_are_a_token_or_bad(raw: bytes) -> None:
    with contextlib.suppress(Bad):
        assert parsed(raw, ("RS256",)).head.alg == "RS256"


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "scope", "scopes", "groups"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=6,
        ),
    )
)
def test_any_claims_are_judged(given: dict[str, Any]) -> None:
    for read in (claims.audiences, claims.scopes, claims.groups):
        assert all(isinstance(one, str) and one for one in read(given))
    with pytest.raises((Bad, NotNow)):
        check(given, "https://nobody/", ("x",), NOW, 30)


def test_scopes_groups_and_audiences_have_the_forms_of_the_original() -> None:
    assert claims.scopes({"scope": "a b", "scopes": ["c"]}) == ("a", "b")
    assert claims.scopes({"scopes": ["c", 1, "", "d\n"]}) == ("c",)
    assert claims.scopes({"scope": ""}) == claims.scopes({}) == ()
    assert claims.groups({"groups": "ops"}) == ("ops",)
    assert claims.groups({"groups": ["ops", None, "dev"]}) == ("ops", "dev")
    assert claims.audiences({"aud": "a"}) == ("a",)
    assert claims.audiences({"aud": ["a", 2, "b"]}) == ("a", "b")
