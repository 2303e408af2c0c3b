"""Several clients at one set of servers: what belongs to one never reaches another."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.support import SECONDS

from .bench import Bench, Client, bench, interaction, over_carriers
from .raw_server import Call, Json, RawServer, text

ASKING: Json = {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}}
UPDATED = "notifications/resources/updated"
EVERYTHING: Json = {"tools": {}, "resources": {"subscribe": True}, "logging": {}}


async def ask_who(call: Call) -> Json:
    """Asks whoever calls for its name, three ways, and says it."""
    who = call.params["arguments"]["who"]
    names = []
    for method in ("sampling/createMessage", "elicitation/create", "roots/list"):
        answer = await call.ask(method, {"for": who, "_meta": {}})
        names.append(answer.get("result", {}).get("who", answer.get("error")))
    return text(json.dumps(names))


async def named(b: Bench, who: str, capabilities: Json | None = None) -> Client:
    """A client that answers every question with its name."""
    client = await b.greeted(capabilities=ASKING if capabilities is None else capabilities)
    for method in ("sampling/createMessage", "elicitation/create", "roots/list"):
        client.answers[method] = {"who": who}
    return client


@over_carriers
@interaction("sessions.questions")
async def test_questions_reach_who_called(carrier: str, tmp_path: Path) -> None:
    server = RawServer(version="2025-11-25").has(a=ask_who)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        clients = {who: await named(b, who) for who in ("ann", "bob", "cy")}
        for who, client in clients.items():
            assert await client.call("a", {"who": who}) == text(json.dumps([who] * 3))
        results = await asyncio.gather(
            *(client.call("a", {"who": who}) for who, client in list(clients.items()) * 5)
        )
        assert results == [text(json.dumps([who] * 3)) for who in list(clients) * 5]
        for who, client in clients.items():
            assert {question["params"]["for"] for question in client.asked} == {who}


@over_carriers
@interaction("sessions.questions")
async def test_a_question_that_could_be_anybodys_is_nobodys(carrier: str, tmp_path: Path) -> None:
    """The first time that a server asks, calls of several clients may be on its one connection."""
    both_here = asyncio.Event()
    here: list[Call] = []

    async def ask(call: Call) -> Json:
        here.append(call)
        if len(here) == 2:
            both_here.set()
        await both_here.wait()
        return await ask_who(call)

    server = RawServer().has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        ann, bob = await named(b, "ann"), await named(b, "bob")
        async with asyncio.timeout(SECONDS):
            results = await asyncio.gather(ann.call("a", {"who": "ann"}), bob.call("a", {"who": "bob"}))
        for who, client, result in (("ann", ann, results[0]), ("bob", bob, results[1])):
            assert {question["params"]["for"] for question in client.asked} <= {who}
            for name in json.loads(result["content"][0]["text"]):
                assert name == who or "call again" in name["message"]
        # From then on each has a connection of its own.
        for who, client in (("ann", ann), ("bob", bob)):
            assert await client.call("a", {"who": who}) == text(json.dumps([who] * 3))


@over_carriers
@interaction("sessions.progress")
async def test_progress_reaches_who_called_though_tokens_and_ids_are_the_same(
    carrier: str, tmp_path: Path
) -> None:
    both_here = asyncio.Event()
    here: list[Call] = []

    async def work(call: Call) -> Json:
        here.append(call)
        if len(here) == 2:
            both_here.set()
        await both_here.wait()
        who = call.params["arguments"]["who"]
        for n in range(3):
            call.tell("notifications/progress", {"progressToken": call.token, "progress": n, "message": who})
        return text(who)

    server = RawServer().has(a=work)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        clients = {who: await b.greeted() for who in ("ann", "bob")}
        await asyncio.gather(
            *(c.call("a", {"who": who}, _meta={"progressToken": 1}) for who, c in clients.items())
        )
        for who, client in clients.items():
            await client.told("notifications/progress", 3)
            expected = [{"progressToken": 1, "progress": n, "message": who} for n in range(3)]
            assert client.heard("notifications/progress") == expected
        assert here[0].token != here[1].token or here[0].peer is not here[1].peer


@over_carriers
@interaction("sessions.logs")
async def test_logs_reach_who_they_are_about(carrier: str, tmp_path: Path) -> None:
    """Clients that set a level have a connection each, with their own level."""

    def work(call: Call) -> Json:
        for level in ("debug", "error"):
            call.tell("notifications/message", {"level": level, "data": call.params["arguments"]["who"]})
        return text("done")

    server = RawServer(capabilities=EVERYTHING).has(a=work)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        ann, bob, cy = [await b.greeted() for _ in range(3)]
        await ann.request("logging/setLevel", {"level": "debug"})
        await bob.request("logging/setLevel", {"level": "error"})
        for who, client in (("ann", ann), ("bob", bob), ("cy", cy)):
            await client.call("a", {"who": who})
        await ann.told("notifications/message", 2)
        await bob.told("notifications/message", 1)
        assert ann.heard("notifications/message") == [
            {"level": "debug", "data": "ann"},
            {"level": "error", "data": "ann"},
        ]
        assert bob.heard("notifications/message") == [{"level": "error", "data": "bob"}]
        assert {params["data"] for params in cy.heard("notifications/message")} <= {"cy"}
        levels = [peer.calls["logging/setLevel"][0].params["level"] for peer in server.peers[1:]]
        assert sorted(levels) == ["debug", "error"]
        assert "logging/setLevel" not in server.peers[0].calls


@over_carriers
@interaction("sessions.updates")
async def test_updates_reach_who_subscribed(carrier: str, tmp_path: Path) -> None:
    server = RawServer(capabilities=EVERYTHING).answers("resources/subscribe", {})
    server.answers("resources/unsubscribe", {})
    server.lists("resources", *({"uri": f"x:{n}", "name": "x"} for n in range(3))).lists("resourceTemplates")
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        ann, bob, cy = [await b.greeted() for _ in range(3)]
        await ann.request("resources/subscribe", {"uri": "x:1"})
        await bob.request("resources/subscribe", {"uri": "x:1"})
        await bob.request("resources/subscribe", {"uri": "x:2"})
        peer = server.peers[0]
        assert [call.params["uri"] for call in peer.calls["resources/subscribe"]] == ["x:1", "x:2"]
        for uri in ("x:1", "x:2", "x:0"):
            peer.tell(UPDATED, {"uri": uri})
        await bob.told(UPDATED, 2)
        assert ann.heard(UPDATED) == [{"uri": "x:1"}]
        assert bob.heard(UPDATED) == [{"uri": "x:1"}, {"uri": "x:2"}]
        await ann.request("resources/unsubscribe", {"uri": "x:1"})
        assert "resources/unsubscribe" not in peer.calls
        peer.tell(UPDATED, {"uri": "x:1"})
        await bob.told(UPDATED, 3)
        await bob.leave()
        ended = {(await peer.asked("resources/unsubscribe", n)).params["uri"] for n in (1, 2)}
        assert ended == {"x:1", "x:2"}
        assert len(ann.heard(UPDATED)) == 1
        assert cy.heard(UPDATED) == []


@over_carriers
@interaction("sessions.capabilities", "initialize.capabilities-up")
async def test_who_declares_something_else_has_another_connection(carrier: str, tmp_path: Path) -> None:
    server = RawServer().has(a=lambda call: text(json.dumps(call.peer.greeting["capabilities"])))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        declared: list[Json] = [{}, ASKING, {"roots": {}}, {}, ASKING]
        clients = [await b.greeted(capabilities=capabilities) for capabilities in declared]
        for client, capabilities in zip(clients, declared, strict=True):
            assert await client.call("a") == text(json.dumps(capabilities, sort_keys=True))
        assert len(server.peers) == 3


@over_carriers
@interaction("sessions.capabilities")
async def test_a_connection_that_nobody_used_is_not_kept_beside_that_of_the_clients(
    carrier: str, tmp_path: Path
) -> None:
    """A listener connects its servers before it knows what its clients declare."""
    server = RawServer().has(a=lambda call: text(json.dumps(call.peer.greeting["capabilities"])))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        b.host.start(None)
        await b.host.runtime.settled()
        for client in [await b.greeted(capabilities=ASKING) for _ in range(3)]:
            assert await client.call("a") == text(json.dumps(ASKING, sort_keys=True))
        assert len(server.peers) == 2
        await server.peers[0].until(lambda peer: not peer.open)


@over_carriers
@interaction("sessions.capabilities", "tools.list-changed")
async def test_tools_for_clients_that_can_be_asked_are_listed_before_any_call(
    carrier: str, tmp_path: Path
) -> None:
    """A listener connects a server before it knows whether its clients can be asked."""

    def tools(call: Call) -> Json:
        names = ["a", "ask"] if "sampling" in call.peer.greeting["capabilities"] else ["a"]
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}

    server = RawServer().has(a=text("1"), ask=ask_who).answers("tools/list", tools)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False, exposeMetaTools=False) as b:
        b.host.start(None)
        await b.host.runtime.settled()
        ann = await named(b, "ann")
        listed = await ann.request("tools/list")
        if len(listed["tools"]) == 1:
            await ann.told("notifications/tools/list_changed")
            listed = await ann.request("tools/list")
        assert [tool["name"] for tool in listed["tools"]] == ["a", "ask"]
        assert await ann.call("ask", {"who": "ann"}) == text(json.dumps(["ann"] * 3))


@over_carriers
@interaction("sessions.gone")
async def test_a_session_that_leaves_takes_its_connection_along(carrier: str, tmp_path: Path) -> None:
    server = RawServer().has(a=ask_who, b=text("1"))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        ann, bob = await named(b, "ann"), await named(b, "bob")
        await ann.call("a", {"who": "ann"})
        await bob.call("a", {"who": "bob"})
        assert len(server.peers) == 2
        await bob.leave()
        await server.peers[1].until(lambda peer: not peer.open)
        assert await ann.call("b") == text("1")
        cy = await named(b, "cy")
        assert await cy.call("a", {"who": "cy"}) == text(json.dumps(["cy"] * 3))
        assert {question["params"]["for"] for question in ann.asked} == {"ann"}


@interaction("sessions.gone", "cancel.client")
async def test_a_session_that_leaves_gives_its_calls_and_questions_up() -> None:
    server = RawServer().has(a=ask_who, b=lambda call: None)
    async with bench(server, single=False) as b:
        ann, bob = await named(b, "ann"), await named(b, "bob")
        bob.answers.clear()
        pending = ann.send("tools/call", {"name": "b"})
        await server.peer.asked("tools/call")
        bob.send("tools/call", {"name": "a", "arguments": {"who": "bob"}})
        calls = [await server.peers[0].asked("tools/call", n) for n in (1, 2)]
        assert not pending.done()
        await bob.leave()
        await calls[1].cancelled.wait()
        assert not calls[0].cancelled.is_set()
        assert ann.asked == []


@pytest.mark.parametrize("carrier", ["memory", "stdio"])
@interaction(
    "sessions.ten-thousand",
    "sessions.questions",
    "sessions.progress",
    "sessions.updates",
    "sessions.logs",
    seconds=60,
)
async def test_ten_thousand_interleaved_calls(carrier: str, tmp_path: Path) -> None:
    """Two clients, the same ids, tokens and tools; some calls ask, some tell; answers come in any order."""
    chance = random.Random(7)
    total = 10_000

    async def work(call: Call) -> Json:
        given = call.params["arguments"]
        for _ in range(given["turns"]):
            await asyncio.sleep(0)
        if given["tells"]:
            call.tell(
                "notifications/progress",
                {"progressToken": call.token, "progress": 1, "message": given["who"]},
            )
            call.peer.tell("notifications/resources/updated", {"uri": f"x:{given['who']}"})
        if given["asks"]:
            call.tell("notifications/message", {"level": "info", "data": given["who"]})
            answer = await call.ask("elicitation/create", {"for": given["who"]})
            return text(answer["result"]["who"] + str(given["n"]))
        return text(given["who"] + str(given["n"]))

    asks = RawServer("asks", capabilities=EVERYTHING).has(do=work)
    plain = RawServer("plain", capabilities=EVERYTHING).has(do=work)
    for server in (asks, plain):
        server.answers("resources/subscribe", {}).lists("resourceTemplates")
        server.lists("resources", {"uri": f"x:{server.name}", "name": "x"})
    async with bench(asks, plain, carrier=carrier, tmp_path=tmp_path, single=False, maxConcurrency=64) as b:
        clients = {who: await named(b, who) for who in ("ann", "bob")}
        for who, client in clients.items():
            client.answers["elicitation/create"] = {"who": who}
            await client.request("resources/subscribe", {"uri": f"callmux://plain/x:{who}"})
            # The first question shows that this server asks: from then on nobody shares its connections.
            await client.call("asks__do", {"n": 0, "who": who, "turns": 0, "tells": False, "asks": True})

        async def one(who: str, n: int) -> None:
            asking = n % 10 == 0
            tells = n % 7 == 0
            arguments = {"n": n, "who": who, "turns": chance.randrange(4), "tells": tells, "asks": asking}
            params = {
                "name": "asks__do" if asking else "plain__do",
                "arguments": arguments,
                "_meta": {"progressToken": n},
            }
            answer = await clients[who].send("tools/call", params, id=n)
            assert answer["result"] == text(f"{who}{n}")

        order = [(who, n) for who in clients for n in range(1, total // 2 + 1)]
        chance.shuffle(order)
        for at in range(0, len(order), 500):
            await asyncio.gather(*(one(who, n) for who, n in order[at : at + 500]))

        other = {"ann": b"bob", "bob": b"ann"}
        told = {n for n in range(1, total // 2 + 1) if n % 7 == 0}
        for who, client in clients.items():
            assert not [line for line in client.lines if other[who] in line]
            progress = client.heard("notifications/progress")
            assert sorted(params["progressToken"] for params in progress) == sorted(told)
            assert {question["params"]["for"] for question in client.asked} == {who}
            assert len(client.asked) == total // 20 + 1
            assert {params["uri"] for params in client.heard(UPDATED)} == {f"callmux://plain/x:{who}"}
            assert {params["data"] for params in client.heard("notifications/message")} == {who}


def by_capabilities(call: Call) -> Json:
    """Tools that a server lists only to clients that can be asked."""
    names = ["ask", "plain"] if "elicitation" in call.peer.greeting["capabilities"] else ["plain"]
    return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}


@over_carriers
@pytest.mark.parametrize("order", ["able last", "able first", "able first, both call"])
@interaction("sessions.listings")
async def test_each_client_is_listed_what_the_server_lists_to_it_whoever_came_first(
    carrier: str, order: str, tmp_path: Path
) -> None:
    """Clients need not hear of changes: the first listing is right."""
    server = (
        RawServer()
        .has(plain=text("1"), ask=lambda call: ask_who(call))
        .answers("tools/list", by_capabilities)
    )
    declared: list[Json] = [{}, ASKING] if order == "able last" else [ASKING, {}]
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        seen = []
        for capabilities in declared:
            client = await named(b, "ann" if capabilities else "bob", capabilities)
            tools = [tool["name"] for tool in (await client.request("tools/list"))["tools"]]
            own = [name for name in tools if not name.startswith("callmux_")]
            assert own == (["ask", "plain"] if capabilities else ["plain"])
            found = await client.call("callmux_search_tools", {"query": "ask"})
            assert ('"tool":"ask"' in json.dumps(found["structuredContent"], separators=(",", ":"))) == bool(
                capabilities
            )
            seen.append((client, tools))
            if order.endswith("call"):
                assert await client.call("plain") == text("1")
        for client, tools in seen:
            assert [tool["name"] for tool in (await client.request("tools/list"))["tools"]] == tools
        able = seen[declared.index(ASKING)][0]
        assert await able.call("ask", {"who": "ann"}) == text(json.dumps(["ann"] * 3))
