"""A body is shown without secrets, cut where the configuration says, and never costs more than what is
shown."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.config.veil import EVERYWHERE, Veil
from callmux.observe.payload import shown
from tests.support import steps


def read(value: Any, most: int = 4096, keys: tuple[str, ...] = ()) -> Any:
    found = shown(json.dumps(value).encode(), most, keys)
    return None if found is None else json.loads(bytes(found))


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "secret",
        "password",
        "passwd",
        "api-key",
        "apikey",
        "authorization",
        "credential",
        "auth",
        "cookie",
        "authToken",
        "x-api-key",
        "API_KEY",
        "accessTokens",
        "authMode",
        "token_file",
        "Set-Cookie",
    ],
)
def test_the_value_of_a_secret_key_is_hidden_at_any_depth_whatever_it_is(key: str) -> None:
    for value in ("hunter2", 7, ["a"], {"b": 1}, None):
        assert read({"a": [{key: value}]}) == {"a": [{key: "[redacted]"}]}


@pytest.mark.parametrize("key", ["tokenizer", "name", "authors", "keyboard", "description"])
def test_a_key_that_only_looks_like_one_is_shown(key: str) -> None:
    assert read({key: "seen"}) == {key: "seen"}


def test_further_keys_are_hidden_by_any_part_of_them_in_any_case() -> None:
    assert read({"myPinCode": "4711", "other": 1}, keys=("pin",)) == {"myPinCode": "[redacted]", "other": 1}


def test_a_secret_in_any_text_is_hidden_also_in_keys() -> None:
    EVERYWHERE.learn(Veil(["s3cr3t-of-a-server-0001"]))
    shown_body = read(
        {
            "note": "it is s3cr3t-of-a-server-0001!",
            "url": "https://u:pw@x/?token=abcdef",
            "k s3cr3t-of-a-server-0001": 1,
            "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abc",
            "text": 'Authorization: Bearer abcdefgh12345 "quoted\\',
        }
    )
    text = json.dumps(shown_body)
    for secret in ("s3cr3t", "u:pw", "abcdef", "eyJ"):
        assert secret not in text


def test_more_than_is_to_be_shown_is_cut_and_said_to_be() -> None:
    assert read({"a": "x" * 100}, most=20) == {"truncated": True, "preview": '{"a":"' + "x" * 14}
    assert read({"a": 1}, most=7) == {"a": 1}
    assert read({"a": 1}, most=6) == {"truncated": True, "preview": '{"a":1'}
    assert read({"a": 1}, most=0) is None


def test_a_secret_that_begins_before_the_cut_does_not_show_in_part() -> None:
    EVERYWHERE.learn(Veil(["another-long-secret-9999-zzzz"]))
    found = read({"a": "x" * 30 + "another-long-secret-9999-zzzz"}, most=40)
    assert "another" not in found["preview"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":NaN}'])
def test_what_is_no_json_is_not_shown(body: bytes) -> None:
    assert shown(body, 4096) is None


def test_the_work_depends_on_what_is_shown_and_not_on_what_came() -> None:
    small = json.dumps(["word"] * 1_000).encode()
    large = json.dumps(["word"] * 100_000).encode()
    shown(small, 100)
    assert steps(lambda: shown(large, 100)) <= steps(lambda: shown(small, 100)) * 1.2


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(_json, st.integers(0, 200))
def test_whatever_comes_is_json_on_one_line_within_its_bound(value: Any, most: int) -> None:
    found = shown(json.dumps(value).encode(), most)
    if found is not None:
        text = bytes(found).decode()
        json.loads(text)
        assert "\n" not in text
        assert "\r" not in text


def test_a_body_of_any_depth_is_shown_whole_or_not_at_all() -> None:
    """How deep may be read, and how deep written, depends on the version of Python."""

    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    def is_read(depth: int) -> bool:
        try:
            msgspec.json.decode(nested(depth))
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True

    deepest = next(depth for depth in range(10_000) if not is_read(depth + 1))
    assert bytes(shown(nested(9), 100_000, ()) or b"") == nested(9)
    for depth in range(deepest - 5, deepest + 3):
        found = shown(nested(depth), 100_000, ())
        assert found is None or bytes(found) == nested(depth)
    assert shown(nested(100_000), 100_000, ()) is None
