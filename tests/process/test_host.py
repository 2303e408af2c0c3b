"""One process: sessions see one set of servers, and a reload they hardly notice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.errors import StartupFailed
from callmux.observe.facts import CallEnded, Configured, RequestEnded, ServerUp, SessionEnded
from callmux.observe.telemetry import Telemetry
from callmux.process.host import Host
from callmux.process.runtime import Runtime
from callmux.protocol.jsonrpc import parse
from callmux.session.session import Session
from callmux.upstream import pool as pool_module
from callmux.upstream.failures import lost
from tests.support import loop_clock, settle
from tests.upstream.fake_link import SILENCE, FakeLink

INITIALIZE = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def config(*servers: str, **more: Any) -> Config:
    entries = {name: {"command": name} for name in servers}
    checked = check_document({"servers": entries, **more})
    assert checked.errors == []
    return checked.config


class House:
    """A host whose servers are scripted: one link a name, a failure for `bad`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, given: Config) -> None:
        self.links: dict[str, FakeLink] = {}
        self.unlisted: set[str] = set()
        self.listed: dict[str, Any] = {}
        monkeypatch.setattr(pool_module, "open_link", self.open_link)
        self.host = Host(given, Path("/"), {}, lambda name, line: None, single=True, clock=loop_clock())
        self.sent: list[Any] = []
        self.session = Session(self.host.dispatch, lambda line: self.sent.append(json.loads(line)))
        self.host.add(self.session)

    def open_link(self, name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        if name == "bad":
            raise lost("no such command", started=False)
        answer = {"content": [{"type": "text", "text": f"from {name}"}]}
        listed = {"tools__list": ValueError("not now")} if name in self.unlisted else self.listed
        self.links[name] = FakeLink(tools__call=answer, **listed)
        return self.links[name]

    async def asks(self, method: str, params: Any = None, id: int = 1) -> Any:
        message = {"id": id, "method": method, **({} if params is None else {"params": params})}
        self.session.receive(parse(json.dumps(message).encode()))
        await self.session.quiet.wait()
        await settle()
        answer = next(m for m in reversed(self.sent) if m.get("id") == id)
        return answer.get("result", answer.get("error"))

    async def greets(self) -> House:
        await self.asks("initialize", INITIALIZE["params"], id=0)
        self.session.receive(parse(b'{"method":"notifications/initialized"}'))
        return self

    async def tools(self) -> list[str]:
        listed = await self.asks("tools/list")
        return [t["name"] for t in listed["tools"] if not t["name"].startswith("callmux")]

    @property
    def notes(self) -> list[str]:
        return [m["method"] for m in self.sent if "method" in m]


async def test_a_client_sees_the_tools_of_all_servers_and_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a", "b")).greets()
    assert await house.tools() == ["a__t", "b__t"]
    result = await house.asks("tools/call", {"name": "b__t", "arguments": {}})
    assert result["content"][0]["text"] == "from b"
    await house.host.close()
    assert [link.closed for link in house.links.values()] == [1, 1]


async def test_a_reload_keeps_what_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told once that its tools are others now."""

    house = await House(monkeypatch, config("a", "b")).greets()
    await house.tools()
    a, b = house.links["a"], house.links["b"]
    await house.host.reload(config("a", "c"))
    await settle()
    assert house.notes == ["notifications/tools/list_changed"]
    assert await house.tools() == ["a__t", "c__t"]
    assert house.links["a"] is a
    assert (a.closed, b.closed) == (0, 1)
    await house.host.reload(config("a", "c"))
    await settle()
    assert len(house.notes) == 1
    await house.host.close()


ROUTES: list[dict[str, Any]] = [
    {"name": "a__t"},
    {"name": "t"},
    {"name": "x__t"},
    {"name": "callmux_call", "arguments": {"tool": "a__t"}},
    {"name": "callmux_call", "arguments": {"tool": "t", "server": "a"}},
    {"name": "callmux_call", "arguments": {"tool": "x__t", "server": "a"}},
    {"name": "callmux_call", "arguments": {"tool": "a__t", "server": "a"}},
    {"name": "callmux_parallel", "arguments": {"calls": [{"tool": "a__t"}]}},
    {"name": "callmux_batch", "arguments": {"tool": "a__t", "items": [{}]}},
    {"name": "callmux_pipeline", "arguments": {"steps": [{"tool": "t", "server": "a"}]}},
    {"name": "callmux_recipe_run", "arguments": {"recipe": "r"}},
    {"name": "callmux_dry_run", "arguments": {"mode": "call", "tool": "a__t"}},
    {"name": "callmux_recipe_dry_run", "arguments": {"recipe": "r"}},
]


@pytest.mark.parametrize("params", ROUTES)
@pytest.mark.parametrize("listed", [True, False])
async def test_a_denied_tool_is_reached_by_no_route(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], listed: bool
) -> None:
    """Not by its names, not through a meta-tool, not by a recipe, not while its server has not listed it."""

    entries = {"a": {"command": "a", "prefix": "x", "denyTools": ["t"]}, "b": {"command": "b"}}
    recipes = {"r": {"mode": "call", "tool": "t", "server": "a"}}
    settings = config(servers=entries, recipes=recipes)
    house = House(monkeypatch, settings)
    if not listed:
        house.unlisted = {"a"}
    await house.greets()
    assert await house.tools() == ["b__t"]
    found = await house.asks("tools/call", {"name": "callmux_search_tools", "arguments": {"query": ""}})
    assert "x__t" not in json.dumps(found)
    if params["name"] == "t":
        # The name alone means the one that there is.
        assert (await house.asks("tools/call", params))["content"][0]["text"] == "from b"
    else:
        answer = json.dumps(await house.asks("tools/call", {"arguments": {}, **params}))
        assert "denyTools" in answer
        assert "from a" not in answer
    assert not [m for m, _ in house.links["a"].heard if m == "tools/call"]
    await house.host.close()


async def test_a_tool_that_a_reload_denies_is_gone_and_nothing_restarts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = await House(monkeypatch, config("a", "b")).greets()
    assert await house.tools() == ["a__t", "b__t"]
    links = dict(house.links)
    entries = {"a": {"command": "a", "denyTools": ["t"]}, "b": {"command": "b"}}
    await house.host.reload(config(servers=entries))
    await settle()
    assert await house.tools() == ["b__t"]
    assert house.notes == ["notifications/tools/list_changed"]
    assert house.links == links
    await house.host.close()


async def test_a_server_may_have_its_own_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"a": {"command": "a", "connectTimeoutMs": 90000}, "b": {"command": "b"}}
    settings = config(servers=entries, connectTimeoutMs=4000)
    assert settings.longest_connect_milliseconds == 90000
    house = await House(monkeypatch, settings).greets()
    servers = house.host.runtime.servers
    assert [servers[name].timing.connect_seconds for name in "ab"] == [90, 4]
    await house.host.reload(config("a", "b", connectTimeoutMs=4000))
    assert [servers[name].timing.connect_seconds for name in "ab"] == [4, 4]
    await house.host.close()


async def test_a_reload_that_strict_startup_forbids_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    await house.tools()
    with pytest.raises(StartupFailed, match="bad: no such command"):
        await house.host.reload(config("a", "bad", strictStartup=True))
    assert await house.tools() == ["t"]
    assert house.links["a"].closed == 0
    assert house.notes == []
    await house.host.close()


async def test_timing_changes_with_the_configuration_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused reload leaves the servers that it would have kept as they were."""

    house = await House(monkeypatch, config("a", connectTimeoutMs=4000)).greets()
    server = house.host.runtime.servers["a"]
    with pytest.raises(StartupFailed):
        await house.host.reload(config("a", "bad", strictStartup=True, connectTimeoutMs=9000))
    assert server.timing.connect_seconds == 4
    await house.host.reload(config("a", connectTimeoutMs=9000))
    assert house.host.runtime.servers["a"] is server
    assert server.timing.connect_seconds == 9
    await house.host.close()


async def test_a_request_that_is_not_on_the_wire_yet_finishes_where_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls that wait for their turn, and a pipeline between two steps, outlive a reload of their server."""

    one_at_a_time = {"servers": {"a": {"command": "a", "maxConcurrency": 1}}}
    house = await House(monkeypatch, config(**one_at_a_time)).greets()
    await house.tools()
    old = house.links["a"]
    old.script["tools/call"] = SILENCE
    step = {"tool": "t", "arguments": {}}
    pipeline = {"name": "callmux_pipeline", "arguments": {"steps": [step, step]}}
    for id, params in ((7, {"name": "t"}), (8, {"name": "t"}), (9, pipeline)):
        message = {"id": id, "method": "tools/call", "params": params}
        house.session.receive(parse(json.dumps(message).encode()))
    await settle()
    await house.host.reload(config(servers={"a": {"command": "a", "args": ["changed"]}}))
    await settle()
    assert house.links["a"] is not old
    for _ in range(4):
        assert old.closed == 0
        old.answers("tools/call", {"content": [{"type": "text", "text": "old"}]})
        await settle()
    answers = {m["id"]: m for m in house.sent if m.get("id") in (7, 8, 9)}
    assert sorted(answers) == [7, 8, 9]
    assert not any(answer["result"].get("isError") for answer in answers.values())
    assert "from a" not in json.dumps(answers)
    await settle()
    assert old.closed == 1
    await house.host.close()


async def test_a_replaced_server_tells_of_the_resources_clients_want_to_hear_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = await House(monkeypatch, config("a")).greets()
    await house.tools()
    house.links["a"].script["resources/subscribe"] = {}
    house.host.runtime.servers["a"].subscribe({"file:///x"})
    house.host.runtime.servers["a"].questions.apart = True
    await house.host.reload(config(servers={"a": {"command": "a", "args": ["changed"]}}))
    await settle()
    # Nor need it ask a second time before each client has a connection of its own.
    assert house.host.runtime.servers["a"].questions.apart
    assert ("resources/subscribe", {"uri": "file:///x"}) in house.links["a"].heard
    await house.host.close()


async def test_reloads_come_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    await asyncio.gather(*(house.host.reload(config("a", name)) for name in ("b", "c", "d")))
    await settle()
    assert await house.tools() == ["a__t", "d__t"]
    assert [house.links[name].closed for name in "abcd"] == [0, 1, 1, 0]
    await house.host.close()


async def test_a_reload_that_fails_half_way_leaves_no_server_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    await house.tools()

    async def broken(runtime: Runtime) -> None:
        raise KeyError("of ours")

    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "settled", broken)
        with pytest.raises(KeyError):
            await house.host.reload(config("a", "b"))
    await settle()
    assert house.links["b"].closed == 1
    assert await house.tools() == ["t"]
    await house.host.close()


async def test_a_reload_tries_at_once_what_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has mended a server and reloads need not wait for the next attempt."""

    house = House(monkeypatch, config("a", "bad", reconnectPolicy={"initialDelayMs": 3_600_000}))
    await house.greets()
    tried: list[str] = []

    def open_link(name: str, *rest: Any) -> FakeLink:
        tried.append(name)
        return FakeLink()

    monkeypatch.setattr(pool_module, "open_link", open_link)
    await house.host.reload(house.host.runtime.config)
    await settle()
    assert tried == ["bad"]
    assert await house.tools() == ["a__t", "bad__t"]
    await house.host.close()


async def test_a_strict_start_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a", "bad", strictStartup=True))
    house.host.start(None)
    failure = await house.host.strict_failure
    assert failure.message == "downstream startup failed: bad: no such command"
    await house.host.close()


async def test_a_server_that_is_down_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a", "bad")).greets()
    assert await house.tools() == ["a__t"]
    await house.host.close()


async def test_the_calls_of_a_batch_are_known_by_their_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the limits of each server hold for batches, too. Weak spot L35 of callmux (npm)."""

    house = await House(monkeypatch, config("a", "b")).greets()
    await house.tools()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    calls = [call | {"params": {"name": f"{server}__t"}} for server in "ab"]
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert house.host.addressed(json.dumps(calls[0]).encode()) == ["a"]
    assert house.host.addressed(json.dumps([*calls, ping]).encode()) == ["a", "b"]
    assert house.host.addressed(json.dumps(ping).encode()) == []
    await house.host.close()


async def test_a_changed_list_is_told_to_clients_that_have_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    link = house.links["a"]
    link.script["tools/list"] = {"tools": [{"name": "new"}]}
    link.says({"method": "notifications/tools/list_changed"})
    await settle()
    assert house.notes == []
    assert await house.tools() == ["new"]
    link.script["tools/list"] = {"tools": [{"name": "newer"}]}
    link.says({"method": "notifications/tools/list_changed"})
    await settle()
    assert house.notes == ["notifications/tools/list_changed"]
    await house.host.close()


async def test_who_listens_hears_of_each_call_of_a_fan_out_and_of_its_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Listening may begin and end while calls are made; names that were used before count as well."""

    house = await House(monkeypatch, config("a", "b")).greets()
    await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    calls: list[CallEnded] = []
    requests: list[RequestEnded] = []
    leave = (
        house.host.bus.subscribe(CallEnded, calls.append),
        house.host.bus.subscribe(RequestEnded, requests.append),
    )
    both = [{"tool": "a__t"}, {"tool": "b__t"}, {"tool": "nowhere"}]
    await house.asks("tools/call", {"name": "callmux_parallel", "arguments": {"calls": both}})
    await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    await house.asks("tools/call", {"name": "nowhere", "arguments": {}})
    for one in leave:
        one()
    await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    parallel = "callmux_parallel"
    assert sorted((c.server, c.target, c.within, c.outcome, c.attempts) for c in calls) == [
        ("a", "t", "", "ok", 1),
        ("a", "t", parallel, "ok", 1),
        ("b", "t", parallel, "ok", 1),
    ]
    assert [(r.name, r.calls, r.outcome, r.code) for r in requests] == [
        (parallel, 3, "ok", ""),
        ("a__t", 1, "ok", ""),
        ("nowhere", 1, "failed", "tool_not_found"),
    ]
    await house.host.close()


async def test_a_call_of_which_nobody_hears_passes_no_further_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a", "b")).greets()
    await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    route = house.host.runtime.find("a__t", None)
    assert "Observing" not in repr(route.direct) + repr(route.stages)
    assert house.session.observer is None
    house.host.bus.subscribe(CallEnded, lambda call: None)
    assert "Observing" in repr(house.host.runtime.find("a__t", None).direct)
    await house.host.close()


async def test_a_configuration_that_takes_effect_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    told: list[Configured] = []
    house.host.bus.subscribe(Configured, told.append)
    await house.host.reload(new := config("b"))
    assert [fact.config for fact in told] == [new]
    await house.host.close()


async def test_a_fan_out_is_one_trace_from_the_client_to_each_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans with the SDK's own exporter; the servers are told which of them is theirs."""

    house = await House(monkeypatch, config("a", "b")).greets()
    spans = InMemorySpanExporter()
    telemetry = Telemetry("callmux", [SimpleSpanProcessor(spans)], [], house.host.bus, loop_clock().monotonic)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    both = {"calls": [{"tool": "a__t"}, {"tool": "b__t"}]}
    meta = {"traceparent": parent, "baggage": "user=alice", "own": 1}
    await house.asks("tools/call", {"name": "callmux_parallel", "arguments": both, "_meta": meta})
    await house.asks("tools/call", {"name": "a__t", "arguments": {}, "_meta": meta})
    await house.asks("tools/call", {"name": "nowhere", "arguments": {}})
    telemetry.leave()
    await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    done = spans.get_finished_spans()
    assert [(span.name, span.kind.name) for span in done] == [
        ("tools/call t", "CLIENT"),
        ("tools/call t", "CLIENT"),
        ("tools/call callmux_parallel", "SERVER"),
        ("tools/call t", "CLIENT"),
        ("tools/call a__t", "SERVER"),
        ("tools/call", "SERVER"),
    ]
    one, two, parallel, call, direct, unknown = done
    assert {span.parent.span_id for span in (one, two) if span.parent} == {parallel.context.span_id}
    assert call.parent is not None
    assert call.parent.span_id == direct.context.span_id
    assert {f"{span.context.trace_id:032x}" for span in done[:5]} == {parent[3:35]}
    assert unknown.parent is None
    assert unknown.attributes is not None
    assert unknown.attributes["error.type"] == "tool_error"
    sent = [params for method, params in house.links["a"].heard if method == "tools/call"]
    assert sent[0]["_meta"] == {
        "traceparent": f"00-{parent[3:35]}-{one.context.span_id:016x}-01",
        "baggage": "user=alice",
    }
    assert sent[1]["_meta"]["traceparent"] == f"00-{parent[3:35]}-{call.context.span_id:016x}-01"
    assert sent[1]["_meta"]["own"] == 1
    assert "_meta" not in sent[2]
    await house.host.close()


async def test_a_session_that_ends_is_told_with_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await House(monkeypatch, config("a")).greets()
    ended: list[SessionEnded] = []
    house.host.bus.subscribe(SessionEnded, ended.append)
    await asyncio.sleep(5)
    await house.host.remove(house.session)
    await house.host.close()
    assert [(fact.transport, round(fact.seconds), fact.version) for fact in ended] == [
        ("stdio", 5, "2025-11-25")
    ]


@pytest.mark.parametrize("way", ["left", "host"])
async def test_a_session_that_fails_to_end_is_told_and_holds_nothing_up(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await House(monkeypatch, config("a")).greets()
    ended: list[SessionEnded] = []
    house.host.bus.subscribe(SessionEnded, ended.append)
    other = Session(house.host.dispatch, lambda line: None)
    house.host.add(other)
    forgotten: list[Session] = []
    monkeypatch.setattr(house.host._pool, "forget", forgotten.append)

    async def fail() -> None:
        raise OSError("gone")

    monkeypatch.setattr(house.session, "close", fail)
    if way == "left":
        with pytest.raises(OSError, match="gone"):
            await house.host.remove(house.session)
        assert forgotten == [house.session]
        await house.host.close()
    else:
        with pytest.raises(OSError, match="gone"):
            await house.host.close()
    assert len(ended) == 2
    assert house.host.sessions == {}
    assert house.links["a"].closed


async def test_a_restarted_server_answers_nothing_from_before_as_soon_as_it_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(monkeypatch, config("a", cacheTtlSeconds=600))
    house.listed = {"tools__list": {"tools": [{"name": "t", "annotations": {"readOnlyHint": True}}]}}
    await house.greets()
    call = {"name": "a__t", "arguments": {}}
    for id in (1, 2):
        await house.asks("tools/call", call, id=id)
    assert house.links["a"].methods().count("tools/call") == 1
    message = json.dumps({"id": 3, "method": "tools/call", "params": call}).encode()
    house.host.bus.subscribe(ServerUp, lambda fact: house.session.receive(parse(message)))
    await house.host.restart("a", "somebody asked")
    await house.session.quiet.wait()
    assert house.links["a"].methods().count("tools/call") == 1
    await house.host.close()
