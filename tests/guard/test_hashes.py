"""Hashes of the documented format fit their token and no other."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.config.kinds import Refused, scrypt_hash
from callmux.config.secrets import hash_token
from callmux.guard.hashes import ScryptHash

WRITTEN = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"


def test_a_hash_made_by_the_original_fits_its_token() -> None:
    made = ScryptHash.of(WRITTEN)
    assert (made.cost, made.block, made.parallel, made.salt) == (1024, 8, 1, b"ops-secret012345")
    assert made.fits(b"ops-secret")
    for wrong in (b"", b"ops-secre", b"ops-secret ", b"Ops-secret"):
        assert not made.fits(wrong)


def test_our_own_hash_fits_what_it_was_made_of() -> None:
    made = ScryptHash.of(scrypt_hash(hash_token("tökens may be any text")))
    assert made.fits("tökens may be any text".encode())
    assert (made.cost, made.block, made.parallel, len(made.salt), len(made.key)) == (16384, 8, 1, 16, 32)


@given(
    st.binary(max_size=70),
    st.integers(1, 70),
    st.sampled_from([2, 1024]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_parameters_salt_and_length_are_those_of_the_hash(
    token: bytes, length: int, cost: int, block: int, parallel: int
) -> None:
    key = hashlib.scrypt(token, salt=b"s", n=cost, r=block, p=parallel, dklen=length)
    assert ScryptHash(cost, block, parallel, b"s", key).fits(token)
    assert not ScryptHash(cost, block, parallel, b"s", bytes([key[0] ^ 1]) + key[1:]).fits(token)
    assert not ScryptHash(cost, block, parallel + 1, b"s", key + b"more").fits(token)


@pytest.mark.parametrize("block", ["16", "32"])
def test_a_hash_that_no_machine_compares_is_refused_with_the_configuration(block: str) -> None:
    with pytest.raises(Refused, match="more than 2 GB"):
        scrypt_hash(WRITTEN.replace("1024$8", f"1048576${block}"))
