"""What makes a request plain: its head is known, whole, and nothing in it asks for more."""

from __future__ import annotations

import pytest

from callmux.transport.http.plain import KnownHead, PlainHead, can_be_learned, known_head

FIELDS = [(b"host", b"localhost"), (b"content-length", b"12"), (b"accept", b"application/json")]
READ = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\nAccept: application/json\r\n\r\n"


def _known() -> KnownHead:
    found = known_head(READ, FIELDS)
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 9, 12, 65536])
def test_the_same_head_is_known_with_any_length(size: int) -> None:
    data = READ.replace(b"12", b"%d" % size) + b"x" * size
    assert _known().body(data) == b"x" * size


@pytest.mark.parametrize(
    "data",
    [
        READ + b"x" * 11,
        READ + b"x" * 13,
        READ.replace(b"12", b"") + b"x" * 12,
        READ.replace(b"12", b"+12") + b"x" * 12,
        READ.replace(b"12", b" 12") + b"x" * 12,
        READ.replace(b"12", b"12 ") + b"x" * 12,
        READ.replace(b"12", "¹²".encode()) + b"x" * 12,
        READ.replace(b"12", b"12\r\nContent-Length: 12") + b"x" * 12,
        READ.replace(b"12", b"1234567") + b"x" * 1234567,
        READ.replace(b"localhost", b"Localhost") + b"x" * 12,
        READ.replace(b"POST", b"PUT") + b"x" * 12,
        READ.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n") + b"x" * 12,
        READ[:-2] + b"x" * 14,
        READ[:40],
        b"",
    ],
)
def test_anything_else_is_another_request(data: bytes) -> None:
    assert _known().body(data) is None


@pytest.mark.parametrize(
    "read",
    [
        b"",
        READ[:-1],
        # The end of the head is elsewhere than it seems.
        READ.replace(b"json\r\n\r\n", b"json\n\nab\r\n\r\n"),
        # It was parsed otherwise.
        READ.replace(b"localhost", b"elsewhere"),
        READ.replace(b"Content-Length: 12", b"Content-Length:  12"),
        READ.replace(b"Content-Length: 12", b"Content-Length: 1234567"),
        READ.replace(b"Content-Length", b"Content-Lengte"),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_not_learned(read: bytes) -> None:
    assert known_head(read, FIELDS) is None


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"content-encoding",
        b"expect",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
        b"x-callmux-max-body-bytes",
        b"x-request-id",
    ],
)
def test_a_header_with_consequences_of_its_own_keeps_a_head_from_being_known(name: bytes) -> None:
    assert can_be_learned(FIELDS)
    assert not can_be_learned([*FIELDS, (name, b"x")])
    assert not can_be_learned([pair for pair in FIELDS if pair[0] != b"content-length"])


def test_only_the_length_may_differ_between_heads() -> None:
    known = PlainHead.__new__(PlainHead)
    known.url, known._place, known._before, known._after = b"/mcp", 1, FIELDS[:1], FIELDS[2:]
    assert known.fits(b"/mcp", [FIELDS[0], (b"content-length", b"99"), FIELDS[2]])
    assert not known.fits(b"/mcp/", FIELDS)
    assert not known.fits(b"/mcp", FIELDS[:2])
    assert not known.fits(b"/mcp", [*FIELDS, (b"x", b"y")])
    assert not known.fits(b"/mcp", [FIELDS[1], FIELDS[0], FIELDS[2]])
