"""Params are changed in the one place they must be; the rest stays as it came."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.protocol.params import (
    exchange,
    members,
    names_revision,
    optional_text,
    present,
    progress_token,
    with_progress_token,
)


def test_members_stay_raw_and_in_order() -> None:
    read = members(b'{"z": 1.50, "a": {"x" : 1}}')
    assert [(k, bytes(v)) for k, v in read.items()] == [("z", b"1.50"), ("a", b'{"x" : 1}')]


@pytest.mark.parametrize("params", [None, b"null", b"[1]", b'"x"', b"5", b"{broken", b""])
def test_what_is_no_object_has_no_members(params: bytes | None) -> None:
    assert members(params) == {}


@pytest.mark.parametrize(
    ("meta", "token"),
    [
        (b'{"progressToken":"a"}', b'"a"'),
        (b'{"progressToken":0}', b"0"),
        (b'{"progressToken": 12345678901234567890123 }', b"12345678901234567890123"),
        (b'{"progressToken":null}', None),
        (b'{"progressToken":1.5}', None),
        (b'{"progressToken":true}', None),
        (b'{"progressToken":["a"]}', None),
        (b"{}", None),
        (b"null", None),
    ],
)
def test_a_token_is_a_string_or_an_integer(meta: bytes, token: bytes | None) -> None:
    read = progress_token(Raw(meta))
    assert (read and bytes(read)) == token
    assert progress_token(None) is None


@pytest.mark.parametrize(
    ("params", "token", "expected"),
    [
        (None, 7, b'{"_meta":{"progressToken":7}}'),
        (b'{"a":1.50}', 7, b'{"a":1.50,"_meta":{"progressToken":7}}'),
        (
            b'{"_meta":{"progressToken":"c","k":[ 1]},"a":1}',
            7,
            b'{"_meta":{"progressToken":7,"k":[ 1]},"a":1}',
        ),
        (b'{"_meta":null,"a":1}', 7, b'{"_meta":{"progressToken":7},"a":1}'),
        (b'{"_meta":{"progressToken":"c","k":2},"a":1}', None, b'{"_meta":{"k":2},"a":1}'),
        (b'{"_meta":{"progressToken":"c"},"a":1}', None, b'{"a":1}'),
        (b'{"a":1}', None, b'{"a":1}'),
        (None, None, b"{}"),
    ],
)
def test_the_token_is_set_or_taken_away(params: bytes | None, token: int | None, expected: bytes) -> None:
    """A client's own token never reaches a server."""
    assert with_progress_token(params, token) == expected


@pytest.mark.parametrize(
    ("raw", "text"), [(b'"a\\u00e4"', "aä"), (b"7", None), (b"null", None), (b"{", None)]
)
def test_a_member_may_be_a_text(raw: bytes, text: str | None) -> None:
    assert optional_text(Raw(raw)) == text


def test_a_text_among_members_is_exchanged_and_all_else_stays() -> None:
    given = {"a": Raw(b'"x"'), "b": Raw(b"7")}
    assert exchange(given, "a", str.upper)
    assert given == {"a": Raw(b'"X"'), "b": Raw(b"7")}
    for name in ("a", "b", "c"):
        assert not exchange(given, name, str.upper)
    assert given == {"a": Raw(b'"X"'), "b": Raw(b"7")}


@pytest.mark.parametrize(
    ("meta", "named"),
    [
        (None, False),
        (b"null", False),
        (b"{}", False),
        (rb'{"other":"a\nb"}', False),
        (b'{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}', True),
        (rb'{"io\u002emodelcontextprotocol\/protocolVersion":"2026-07-28"}', True),
        (b'{"other":"io.modelcontextprotocol/protocolVersion"}', False),
    ],
)
def test_a_revision_is_named_by_a_member_however_it_is_written(meta: bytes | None, named: bool) -> None:
    assert names_revision(meta) is named


def test_params_that_are_null_are_not_there() -> None:
    given = Raw(b"{}")
    assert present(given) is given
    assert present(Raw(b"null")) is None
    assert present(None) is None
