"""What makes a request plain: its head is known, whole, and nothing in it asks for more."""

from __future__ import annotations

import pytest

from callmux.config.model import Config
from callmux.session.facts import NOTHING
from callmux.transport.http.heads import (
    ALIKE,
    KnownHead,
    PlainHead,
    StatelessHead,
    can_be_learned,
    known_head,
)
from callmux.transport.http.intake import BodyLimits
from tests.transport.http.asgi import Call

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
        READ.replace(b"HTTP/1.1", b"HTTP/1.0"),
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


@pytest.mark.parametrize(
    ("value", "learned"),
    [
        (b"keep-alive", True),
        (b"Keep-Alive", True),
        (b"close", False),
        (b"upgrade", False),
        (b"keep-alive, upgrade", False),
        (b"", False),
    ],
)
def test_what_nearly_all_say_of_their_connection_is_learned(value: bytes, learned: bool) -> None:
    assert can_be_learned([*FIELDS, (b"connection", value)]) == learned


def test_only_the_length_may_differ_between_heads() -> None:
    known = PlainHead.__new__(PlainHead)
    known.url, known._place, known._before, known._after = b"/mcp", 1, FIELDS[:1], FIELDS[2:]
    assert known.fits(b"/mcp", [FIELDS[0], (b"content-length", b"99"), FIELDS[2]]) is ALIKE
    assert not known.fits(b"/mcp/", FIELDS)
    assert not known.fits(b"/mcp", FIELDS[:2])
    assert not known.fits(b"/mcp", [*FIELDS, (b"x", b"y")])
    assert not known.fits(b"/mcp", [FIELDS[1], FIELDS[0], FIELDS[2]])


STATELESS = [
    (b"host", b"localhost"),
    (b"mcp-protocol-version", b"2026-07-28"),
    (b"mcp-method", b"tools/call"),
    (b"mcp-name", b"t"),
    (b"content-length", b"12"),
]


def _stateless(fields: list[tuple[bytes, bytes]] = STATELESS) -> StatelessHead:
    headers = {name.decode(): value.decode() for name, value in fields}
    exchange = Call("POST", "/mcp", headers).exchange()
    return StatelessHead(b"/mcp", fields, exchange, NOTHING, BodyLimits(Config(), lambda b: ()), None, None)


def test_without_a_session_what_a_head_says_of_its_body_may_differ_too() -> None:
    head = _stateless()
    assert (head.version, head.own.calls, head.own.has_arguments) == ("2026-07-28", "t", False)
    assert head.fits(b"/mcp", STATELESS) is head.own
    other = [*STATELESS[:3], (b"content-length", b"9"), (b"mcp-name", b"u"), (b"mcp-param-x", b"y")]
    named = head.fits(b"/mcp", other)
    assert named is not None
    assert (named.calls, named.has_arguments) == ("u", True)
    whole = {name.decode(): value.decode() for name, value in other}
    assert head.headers(named) == {**whole, "content-length": "12"}
    assert head.headers(named) is head.headers(named)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"mcp-protocol-version", b"2025-11-25"), *STATELESS[2:]],
        [*STATELESS, (b"mcp-name", b"t")],
        [*STATELESS, (b"x", b"y")],
        STATELESS[:-1],
    ],
)
def test_without_a_session_nothing_else_may_differ(fields: list[tuple[bytes, bytes]]) -> None:
    assert _stateless().fits(b"/mcp", fields) is None
    assert _stateless().fits(b"/other", STATELESS) is None


@pytest.mark.parametrize(
    ("named", "calls"),
    [
        ([(b"mcp-method", b" tools/call"), (b"mcp-name", b"t ")], "t"),
        (
            [(b"mcp-method", b"tools/call"), (b"mcp-name", b"=?base64?w6k=?=")],
            "\u00e9",
        ),
        ([(b"mcp-method", b"tools/call"), (b"mcp-name", b"=?base64?w6k?=")], None),
        ([(b"mcp-method", b"prompts/get"), (b"mcp-name", b"t")], None),
        ([(b"mcp-method", b"tools/call")], None),
        ([(b"mcp-name", b"t")], None),
    ],
)
def test_a_head_says_which_tool_is_called(named: list[tuple[bytes, bytes]], calls: str | None) -> None:
    found = _stateless().fits(b"/mcp", [*STATELESS[:2], *named, STATELESS[-1]])
    assert found is not None
    assert found.calls == calls
