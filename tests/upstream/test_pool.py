"""Servers live as long as their connection settings stay the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.config.traffic import ReconnectPolicy
from callmux.observe.bus import Bus
from callmux.observe.facts import (
    ConnectFailed,
    ListsChanged,
    ServerDown,
    ServerRemoved,
    ServerUp,
    ToolSuiteChanged,
)
from callmux.upstream import pool as pool_module
from callmux.upstream.failures import lost
from callmux.upstream.guardian import Guardian
from callmux.upstream.links.identity import fingerprint
from callmux.upstream.links.opening import Surroundings
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.pool import Pool
from tests.support import FakeClient, loop_clock, settle
from tests.upstream.fake_link import SILENCE, FakeLink

TIMING = Timing(5, ReconnectPolicy())


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[FakeLink]:
    """The links that servers open, in order; the answer to `x` is silence."""
    made: list[FakeLink] = []

    def open_link(name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        made.append(FakeLink(x=SILENCE))
        return made[-1]

    monkeypatch.setattr(pool_module, "open_link", open_link)
    return made


def pool(bus: Bus | None = None) -> Pool:
    around = Surroundings(env={}, base_dir=Path("/"), guardian=Guardian(), show=lambda name, line: None)
    return Pool(around, {"name": "callmux", "version": "0"}, loop_clock(), None, bus)


def stdio(**more: Any) -> StdioServer:
    return StdioServer(command="x", **more)


async def test_unchanged_settings_lease_the_same_server(links: list[FakeLink]) -> None:
    """What is no matter of the connection may change. Its timing stays until a configuration is in force."""

    servers = pool()
    first = servers.lease("a", stdio(), TIMING)
    later = Timing(9, ReconnectPolicy())
    assert servers.lease("a", stdio(tools=("t",), call_timeout_ms=5), later) is first
    assert first.timing is TIMING
    assert servers.lease("b", stdio(), TIMING) is not first
    assert servers.lease("a", stdio(env={"A": "1"}), TIMING) is not first
    assert repr(servers).count("Server(") == 3


@pytest.mark.parametrize(
    "other",
    [
        stdio(args=("y",)),
        stdio(env={"A": "1"}),
        stdio(env_refs={"A": "env:B"}),
        stdio(cwd="/tmp"),
        StdioServer(command="y"),
        HttpServer(url="http://x"),
    ],
)
def test_what_makes_another_connection(other: Any) -> None:
    assert fingerprint(other) != fingerprint(stdio())


def test_what_makes_another_connection_over_http() -> None:
    plain = fingerprint(HttpServer(url="http://x"))
    assert fingerprint(HttpServer(url="http://y")) != plain
    assert fingerprint(HttpServer(url="http://x", headers={"A": "1"})) != plain
    assert fingerprint(HttpServer(url="http://x", transport="sse")) != plain


async def test_a_server_that_is_not_kept_ends_once_its_calls_are_done(links: list[FakeLink]) -> None:
    servers = pool()
    kept, leaving = servers.lease("a", stdio(), TIMING), servers.lease("b", stdio(), TIMING)
    await asyncio.gather(kept.settled(), leaving.settled())
    connection = await leaving.acquire("t", FakeClient())
    call = asyncio.create_task(connection.request("x", None, 60))
    await settle()
    servers.retain([kept], 30)
    await settle()
    assert [link.closed for link in links] == [0, 0]
    links[1].answers("x", {})
    await call
    await settle()
    assert [link.closed for link in links] == [0, 1]
    await servers.close()
    assert [link.closed for link in links] == [1, 1]


async def test_calls_may_not_keep_a_server_for_ever(links: list[FakeLink]) -> None:
    servers = pool()
    leaving = servers.lease("b", stdio(), TIMING)
    connection = await leaving.acquire("t", FakeClient())
    call = asyncio.create_task(connection.request("x", None, 600))
    await settle()
    servers.retain([], 30)
    await asyncio.sleep(29)
    assert links[0].closed == 0
    await asyncio.sleep(2)
    assert links[0].closed == 1
    await asyncio.gather(call, return_exceptions=True)
    await servers.close()


async def test_the_generation_rises_with_each_change_of_names(links: list[FakeLink]) -> None:
    bus = Bus()
    servers = pool(bus)
    changed: list[str] = []
    suites: list[ToolSuiteChanged] = []
    bus.subscribe(ListsChanged, lambda change: changed.append(change.server))
    bus.subscribe(ToolSuiteChanged, suites.append)
    a, b = servers.lease("a", stdio(), TIMING), servers.lease("b", stdio(), TIMING)
    assert (servers.generation, servers.changed_at) == (0, None)
    await asyncio.gather(a.settled(), b.settled())
    assert servers.generation == 2
    assert servers.changed_at is not None
    links[0].script["tools/list"] = {"tools": [{"name": "t", "description": "new words"}]}
    links[0].says({"method": "notifications/tools/list_changed"})
    await settle()
    assert servers.generation == 2
    assert sorted(changed) == ["a", "a", "b"]
    links[0].script["tools/list"] = {"tools": [{"name": "u"}]}
    links[0].says({"method": "notifications/tools/list_changed"})
    await settle()
    assert [s.generation for s in suites] == [1, 2, 3]
    assert suites[2] == ToolSuiteChanged(server="a", generation=3, added=("u",), removed=("t",))
    await servers.close()


async def test_notices_pass_to_whoever_listens(links: list[FakeLink]) -> None:
    servers = pool()
    told: list[Any] = []
    servers.told = lambda server, method, params, client: told.append((server.name, method))
    await servers.lease("a", stdio(), TIMING).settled()
    links[0].says({"method": "notifications/message"})
    assert told == [("a", "notifications/message")]
    servers.forget(FakeClient())
    await servers.close()


async def test_what_a_server_says_at_each_failed_start_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_link(name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        link = FakeLink()
        for line in ("Traceback", "no key"):
            around.show(name, line)
        link.opening = lost("it ended", started=False)
        return link

    monkeypatch.setattr(pool_module, "open_link", open_link)
    shown: list[tuple[str, str]] = []
    around = Surroundings(
        env={},
        base_dir=Path("/"),
        guardian=Guardian(),
        show=lambda name, line: shown.append((name, line)),
    )
    servers = Pool(around, {"name": "callmux", "version": "0"}, loop_clock())
    server = servers.lease("a", stdio(), TIMING)
    await server.settled()
    await asyncio.sleep(60)
    assert server.health.attempts > 3
    assert shown == [("a", "Traceback"), ("a", "no key")]
    await servers.close()


async def test_who_listens_hears_how_servers_are_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up, lost, an attempt that fails, up again, and removed by a reload."""

    made: list[FakeLink] = []

    def open_link(name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        if len(made) == 1:
            made.append(FakeLink())
            raise lost("no such command", started=False)
        made.append(FakeLink())
        return made[-1]

    monkeypatch.setattr(pool_module, "open_link", open_link)
    bus = Bus()
    heard: list[Any] = []
    for kind in (ServerUp, ServerDown, ConnectFailed, ServerRemoved):
        bus.subscribe(kind, heard.append)
    servers = pool(bus)
    server = servers.lease("a", stdio(), TIMING)
    await server.settled()
    made[0].dies("it crashed")
    await asyncio.sleep(60)
    servers.retain([], 0)
    await settle()
    assert [type(fact) for fact in heard] == [
        ServerUp,
        ServerDown,
        ConnectFailed,
        ServerUp,
        ServerRemoved,
    ]
    first, down, failed, again, removed = heard
    assert (first.again, first.tools, again.again) == (False, 1, True)
    assert (down.server, down.reason) == ("a", "it crashed")
    assert (failed.reason, failed.attempt, failed.next_seconds is not None) == (
        "no such command",
        1,
        True,
    )
    assert removed.server == "a"
    await servers.close()


async def test_a_server_that_leaves_as_the_pool_closes_is_ended(links: list[FakeLink]) -> None:
    servers = pool()
    leaving = servers.lease("a", stdio(), TIMING)
    await leaving.settled()
    servers.retain([], 30)
    await servers.close()
    assert [link.closed for link in links] == [1]


async def test_a_pool_ends_its_guardian_also_where_whoever_closes_it_gives_up(links: list[FakeLink]) -> None:
    servers = pool()
    hanging, other = servers.lease("a", stdio(), TIMING), servers.lease("b", stdio(), TIMING)
    await asyncio.gather(hanging.settled(), other.settled())
    ended: list[str] = []

    async def end() -> None:
        ended.append("guardian")

    async def hangs() -> None:
        await asyncio.Event().wait()

    servers._surroundings.guardian.end = end  # type: ignore[method-assign]
    hanging.main_line.close = hangs  # type: ignore[method-assign]
    closing = asyncio.ensure_future(servers.close())
    await settle()
    closing.cancel()
    await settle()
    assert closing.cancelled()
    assert [link.closed for link in links] == [0, 1]
    assert ended == ["guardian"]
