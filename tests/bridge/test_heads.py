"""The heads of requests, and where an answer sends them on."""

from __future__ import annotations

import pytest

from callmux.bridge.endpoint import read_endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.heads import Heads, Way

HERE = read_endpoint("http://h.example/mcp?a=%2F")


def test_a_head_names_what_is_known_of_the_session() -> None:
    heads = Heads(HERE, {"X-Own": "1"})
    assert heads.post == (
        b"POST /mcp?a=%2F HTTP/1.1\r\nHost: h.example\r\n"
        b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nX-Own: 1\r\n"
    )
    heads.session_id, heads.version = "s", "2025-11-25"
    heads.renew()
    assert heads.post.endswith(b"Mcp-Session-Id: s\r\nMCP-Protocol-Version: 2025-11-25\r\nX-Own: 1\r\n")
    assert b"Last-Event-ID: e1\r\n" in heads.of(b"GET", last_event_id="e1")
    there = read_endpoint("https://h.example/x")
    assert heads.of(b"POST", there).startswith(b"POST /x HTTP/1.1\r\nHost: h.example\r\n")


@pytest.mark.parametrize(
    ("status", "location", "to"),
    [
        (307, "/x", "http://h.example/x"),
        (308, "https://h.example/x", "https://h.example/x"),
        (302, "/x", None),
        (307, "http://other.example/x", None),
        (307, None, None),
        (307, "/\xfc", None),
        (None, "/x", None),
    ],
)
def test_a_request_is_sent_on_within_its_origin(
    status: int | None, location: str | None, to: str | None
) -> None:
    way = Way(HERE)
    follows = way.follows(LinkFailure(Reason.REFUSED, "", status=status, location=location))
    assert follows is (to is not None)
    assert way.to == (None if to is None else read_endpoint(to))


def test_credentials_are_hidden_in_what_the_listener_says() -> None:
    headers = {"authorization": "Bearer s3ntinel", "x-key": "other-one", "x-callmux-client": "bridge"}
    heads = Heads(read_endpoint("http://h/mcp"), headers)
    said = heads.without_credentials(b"no: Bearer s3ntinel, other-one of the bridge \xff")
    assert said.decode() == "no: [redacted], [redacted] of the bridge \ufffd"
