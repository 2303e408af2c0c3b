"""Whoever makes a server says who hears of it."""

from __future__ import annotations

from typing import Any

from callmux.upstream.events import Events


def test_whoever_makes_a_server_hears_of_its_lists_and_of_what_it_tells() -> None:
    heard: list[Any] = []
    events = Events(changed=lambda: heard.append("changed"), told=lambda *what: heard.append(what))
    events.changed()
    events.told("notifications/x", None, None)
    assert heard == ["changed", ("notifications/x", None, None)]
