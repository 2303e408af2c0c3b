"""Where the page was not built, a document says how to build it, and asks nobody for anything."""

from __future__ import annotations

import re

from callmux.dashboard.page import UNBUILT


def test_it_says_what_to_run_and_loads_nothing() -> None:
    assert UNBUILT.startswith("<!doctype html>")
    assert "<title>callmux dashboard</title>" in UNBUILT
    assert "scripts/dashboard" in UNBUILT
    assert not re.search(r"<script|<style|\ssrc=|\shref=|\sstyle=|@import|url\(", UNBUILT)
