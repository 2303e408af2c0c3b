"""Noise is told, and is no flood."""

from __future__ import annotations

import pytest

from callmux.upstream.noise import Noise


def test_noise_is_told_at_growing_intervals(caplog: pytest.LogCaptureFixture) -> None:
    noise = Noise("a")
    with caplog.at_level("WARNING", logger="callmux"):
        for _ in range(20_000):
            noise.heard(None, "not JSON")
    said = '"a" wrote something to stdout that is not an MCP message'
    times = ["", *(f", for the {n}th time" for n in (10, 100, 1_000, 10_000))]
    assert caplog.messages == [f"{said}{time} (not JSON)" for time in times]
