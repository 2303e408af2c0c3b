"""What a command has seen a server list is there for the first session with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.config.traffic import ReconnectPolicy
from callmux.observe.bus import Bus
from callmux.process.kept import keep
from callmux.process.servers import supply
from callmux.protocol.shapes import Tool
from callmux.upstream.inventory.offer import RESOURCES, Item, Offer
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.probe import Seen
from tests.support import loop_clock, real_loop

SEEN = Seen(
    (Tool(json.dumps({"name": "t"}).encode()),), Offer(items={RESOURCES: (Item("a:b", b'{"uri":"a:b"}'),)})
)


@real_loop()
@pytest.mark.parametrize(
    ("entry", "resources"),
    [
        (StdioServer(command="x"), False),
        (StdioServer(command="x", cwd="/"), True),
        (StdioServer(command="x", cwd_mode="global"), True),
        (HttpServer(url="http://x.invalid/mcp"), True),
    ],
)
async def test_the_next_process_lists_it_without_starting_it(
    tmp_path: Path, entry: StdioServer | HttpServer, resources: bool
) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path), "TOKEN": "a"}
    await keep(entry, SEEN, env, tmp_path)
    made = supply(env, tmp_path, lambda name, line: None, loop_clock(), Bus())
    timing = Timing(1.0, ReconnectPolicy(), lazy=True)
    server = made.pool.lease("s", entry, timing, keep=True)
    server.start(b'{"roots":{}}')
    assert [tool.name for tool in server.suite.tools] == ["t"]
    assert (RESOURCES in server.offer.items, server.asleep) == (resources, True)
    other = made.pool.lease("s", StdioServer(command="y"), timing, keep=True)
    other.recall(b"{}")
    assert other.suite.tools == ()
    await made.close()


async def test_without_a_place_for_state_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await keep(StdioServer(command="x"), SEEN, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
