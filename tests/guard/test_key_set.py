"""Which keys of a document count, and what becomes of those that are gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from callmux.guard.key_set import NotUsable, read
from tests.guard.issuer import ec, public, rsa


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def rsa_dict(**changed: Any) -> dict[str, Any]:
    given = {**rsa().as_dict(private=False), **changed}
    return {name: value for name, value in given.items() if value is not ...}


def test_keys_are_found_by_their_ids_and_fit_their_algorithms() -> None:
    keys = read(public(rsa(), ec(), ec("e3", "P-384"), ec("e5", "P-521")))
    assert len(keys) == 4
    table = {
        kid: [
            a
            for a in ("RS256", "RS512", "ES256", "ES384", "ES512", "HS256", "none")
            if keys.find(kid)[0].takes(a)
        ]
        for kid in ("k1", "e1", "e3", "e5")
    }
    assert table == {"k1": ["RS256"], "e1": ["ES256"], "e3": ["ES384"], "e5": ["ES512"]}
    assert keys.find("other") == []


def test_a_key_without_an_algorithm_takes_those_of_its_type() -> None:
    (key,) = read(document(rsa_dict(alg=...))).find("k1")
    assert [key.takes(a) for a in ("RS256", "RS384", "RS512", "ES256", "HS256", "PS256")] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"},
        {"kty": "OKP", "kid": "k1", "crv": "Ed25519", "x": "AA"},
        rsa_dict(use="enc"),
        rsa_dict(use=None),
        rsa_dict(key_ops=["encrypt"]),
        rsa_dict(key_ops="verify"),
        rsa_dict(kid=...),
        rsa_dict(kid=""),
        rsa_dict(kid=7),
        rsa_dict(n=...),
        rsa_dict(n="!!"),
        rsa_dict(n="A"),
        rsa_dict(n="A" * 342),
        rsa_dict(alg=["RS256"]),
        rsa_dict(kty=["RSA"]),
        {**ec().as_dict(private=False), "crv": "secp256k1"},
        {**ec().as_dict(private=False), "x": 7},
        "k1",
        None,
    ],
)
def test_what_no_signature_may_be_checked_with_is_left_out(key: Any) -> None:
    assert len(read(document(key))) == 0
    assert len(read(document(key, ec().as_dict(private=False)))) == 1


def test_short_keys_of_rsa_are_left_out(recwarn: pytest.WarningsRecorder) -> None:
    short = RSAKey.generate_key(1024, {"kid": "k1"}, auto_kid=False)
    assert len(read(public(short))) == 0
    recwarn.clear()


def test_only_public_numbers_are_kept() -> None:
    (key,) = read(document(rsa().as_dict(private=True))).find("k1")
    assert sorted(key.members) == ["e", "kty", "n"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"<html>", b"\xff", b'{"keys":' + b"[" * 9000],
)
def test_what_is_no_key_set_is_malformed(raw: bytes) -> None:
    with pytest.raises(NotUsable):
        read(raw)


def test_a_key_that_stays_keeps_its_standing_and_one_that_goes_loses_it() -> None:
    first = read(public(rsa("a"), rsa("b")))
    second = read(public(rsa("b"), rsa("c")), first)
    first.withdraw(but=second)
    assert second.find("b")[0].standing is first.find("b")[0].standing
    assert [keys[0].standing.valid for keys in (first.find("a"), first.find("b"), second.find("c"))] == [
        False,
        True,
        True,
    ]
    second.withdraw()
    assert not first.find("b")[0].standing.valid


def test_another_key_under_the_same_id_is_another_key() -> None:
    first = read(document({**rsa("a").as_dict(private=False), "kid": "k"}))
    second = read(document({**rsa("b").as_dict(private=False), "kid": "k"}), first)
    first.withdraw(but=second)
    assert (first.find("k")[0].standing.valid, second.find("k")[0].standing.valid) == (False, True)


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.sampled_from(["RSA", "EC", "P-256", "AQAB"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["keys", "kty", "kid", "n", "e", "crv", "x", "y", "use", "alg", "key_ops"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_any_document_is_read_or_malformed(value: Any) -> None:
    try:
        assert len(read(json.dumps({"keys": value}).encode())) >= 0
    except NotUsable:
        assert not isinstance(value, list)
