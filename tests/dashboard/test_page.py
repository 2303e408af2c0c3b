"""The page is one document that asks nobody for anything."""

from __future__ import annotations

import re

from callmux.dashboard.page import HEADERS, PAGE


def test_it_loads_nothing_and_may_not() -> None:
    text = PAGE.decode()
    assert text.startswith("<!doctype html>")
    assert "<title>callmux dashboard</title>" in text
    assert not re.search(r"<script|\ssrc=|\shref=|@import|url\(", text)
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert HEADERS["cache-control"] == "no-cache, no-store, must-revalidate"
