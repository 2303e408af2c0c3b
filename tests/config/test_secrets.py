"""References: `env:NAME` and `file:PATH`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callmux.config.kinds import scrypt_hash
from callmux.config.secrets import MAX_BYTES, hash_in_memory, hash_token, resolve_reference
from callmux.errors import SecretError


def test_a_variable_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve_reference(" env:A ", tmp_path, {"A": " v\n"}) == " v\n"


@pytest.mark.parametrize(
    ("text", "value"), [(" v \n", " v "), ("v\r\n", "v"), ("v\n\n", "v\n"), ("v\r", "v\r")]
)
def test_a_file_loses_one_line_end(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "s").write_bytes(text.encode())
    assert resolve_reference("file:s", tmp_path, {}) == value
    assert resolve_reference(f"file:{tmp_path}/s", Path("/elsewhere"), {}) == value


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:NO", 'references missing or empty environment variable "NO"'),
        ("env:EMPTY", "references missing or empty environment variable"),
        ("file:none", "could not read secret file"),
        ("file:dir", "not a regular file"),
        ("file:big", "larger than 65536 bytes"),
        ("file:bytes", "not UTF-8"),
        ("file:zero", "zero byte"),
        ("file:empty", "empty file"),
        ("file:fifo", "not a regular file"),
        ("file:a\0b", "cannot be used"),
        ("vault:x", "must use supported secret refs: env:<NAME> or file:<PATH>"),
        ("file:", "must use supported secret refs"),
        ("plain-secret", "must use supported secret refs"),
    ],
)
def test_what_gives_no_value_says_why_without_the_value(tmp_path: Path, reference: str, message: str) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "big").write_bytes(b"s" * (MAX_BYTES + 1))
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "zero").write_bytes(b"s\0s")
    (tmp_path / "empty").write_bytes(b"\n")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SecretError) as caught:
        resolve_reference(reference, tmp_path, {"EMPTY": ""})
    assert message in str(caught.value)
    assert "plain-secret" not in str(caught.value)


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"s" * MAX_BYTES)
    assert len(resolve_reference("file:s", tmp_path, {})) == MAX_BYTES


def test_hashes_are_fresh_and_well_formed() -> None:
    one, other = hash_token("t"), hash_token("t")
    assert one != other
    assert scrypt_hash(one) == one
    assert len(one.split("$")[4]) == 22
    assert len(one.split("$")[5]) == 43


def test_a_hash_that_is_written_nowhere_is_the_same_for_the_same_token_and_its_own_otherwise() -> None:
    """So that a reload can tell a token that changed from one that did not."""
    assert hash_in_memory("t") == hash_in_memory("t") != hash_in_memory("u")
    assert scrypt_hash(hash_in_memory("t")) != hash_token("t")
    salts = {hash_in_memory(token).split("$")[4] for token in ("t", "u", "v")}
    assert len(salts) == 3
