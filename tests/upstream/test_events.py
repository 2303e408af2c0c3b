"""Whoever makes a server says who hears of it."""

from __future__ import annotations

from typing import Any

from callmux.upstream.events import Events


def test_each_is_called_with_the_server_first() -> None:
    heard: list[Any] = []
    events = Events(changed=heard.append, told=lambda *what: heard.append(what))
    server: Any = object()
    events.changed(server)
    events.told(server, "notifications/x", None, None)
    assert heard == [server, (server, "notifications/x", None, None)]
