"""What the dashboard keeps over reloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.config.sources import Sources
from tests.dashboard.tab import Tab
from tests.management.place import Place
from tests.support import real_loop, until

ON = {"enabled": True}


@real_loop()
async def test_changed_tools_are_known_after_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    tab = Tab(place)
    assert (await tab.get("/changes")).json == {"changes": []}
    place.links["a"].script["tools/list"] = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
    assert place.links["a"].listener is not None
    from callmux.protocol.jsonrpc import parse

    changed = parse(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    place.links["a"].listener.received(changed, None)
    suite = place.host.runtime.servers["a"]
    await until(lambda: len(suite.suite.tools) == 1, "the new list")
    place.write({**place.document, "dashboard": {"enabled": True, "maxEvents": 7}})
    await place.host.reload(lambda: place.reading.read(Sources()))
    (change,) = (await tab.get("/changes")).json["changes"]
    assert [tool["name"] for tool in change["removed"]] == ["u"]
    await place.close()
