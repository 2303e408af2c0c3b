"""What is said first on a new connection."""

from __future__ import annotations

import json

import pytest

from callmux.protocol.upstream_peer import UpstreamPeer
from callmux.upstream.failures import CallFailure
from callmux.upstream.opening.first_words import FirstWords
from tests.upstream.fake_link import INITIALIZE
from tests.upstream.modern_link import HttpModernLink, modern
from tests.upstream.test_connection import opened


async def test_the_question_has_headers_where_there_are_any() -> None:
    _, link, _ = await modern(HttpModernLink())
    assert list(link.heads.values()) == [
        {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover"}
    ]


async def test_a_greeting_that_cannot_be_read_is_refused() -> None:
    connection, link, _ = await opened()
    words = FirstWords(connection, UpstreamPeer(), b'{"name":"c"}', b"{}")
    assert repr(words) == "FirstWords(UpstreamPeer(new, 0 waiting))"
    with pytest.raises(CallFailure, match="1999"):
        words.greeted(json.dumps({**INITIALIZE, "protocolVersion": "1999-01-01"}).encode())
    assert words.live
    assert link.methods().count("notifications/initialized") == 1
