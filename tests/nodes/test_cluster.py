"""One node among others: what it keeps for them, and what status shows."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import InvalidArguments
from callmux.process.orders import give
from callmux.server_orders import Action, ServerOrder
from tests.nodes.pair import nodes
from tests.support import real_loop, until


@real_loop()
async def test_status_names_the_nodes_and_what_they_did(redis_url: str) -> None:
    async with nodes(redis_url, 2) as pair:
        id = await pair.begin(0)
        await pair.ask(1, 2, "ping", id)
        facts = pair.cluster(1).facts()
        assert [node["id"] for node in facts["nodes"] if node.get("self")] == [facts["id"]]
        assert len(facts["nodes"]) == 2
        assert (facts["passedOn"], facts["sessions"], facts["lost"]) == (1, 0, [])
        assert pair.cluster(0).facts()["sessions"] == 1
        await pair.cluster(1).leave()
        assert [node.get("leaving", False) for node in pair.cluster(1).facts()["nodes"]].count(True) == 1


@real_loop()
async def test_a_node_whose_lease_was_lost_gives_up_what_others_have_taken(redis_url: str) -> None:
    async with nodes(redis_url, 2) as pair:
        id = await pair.begin(0)
        first, second = pair.cluster(0), pair.cluster(1)
        await second.owners.gone(first.membership.id)
        assert (await pair.ask(1, 2, "ping", id)).status == 200
        assert second.owners.holds(id)
        await first.membership.beat()
        assert first.facts()["sessionsLost"] == 1
        sessions = pair.nodes[0]._running().sessions
        assert sessions is not None
        assert sessions.table.get(id) is None
        assert (await pair.ask(0, 3, "ping", id)).status == 200, "it is passed on now"
        assert first.placing.counts["passedOn"] == 1


@real_loop()
async def test_what_a_stream_answers_is_kept_until_its_client_has_it(redis_url: str) -> None:
    async with nodes(redis_url, 1) as pair:
        node = pair.cluster(0)
        await node.streaming("s", "r5", b'{"jsonrpc":"2.0","id":5,"method":"tools/list"}')
        await node.streaming(
            "s", "r6", b'{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"add"}}'
        )
        await node.streaming("s", "r7", b"[]")
        again = await node.resumed("s", "r5")
        assert again is not None
        assert (again[0].id, again[1]) == (5, None)
        told = await node.resumed("s", "r6")
        assert told is not None
        assert b"outcome_unknown" in (told[1] or b"")
        assert await node.resumed("s", "r7") is None
        await node.streaming("s", "r8", b'{"jsonrpc":"2.0","id":8,"method":"ping"}')
        node.streamed("s", "r8")
        await until(lambda: not len(node._tasks) - 1, "it is forgotten")
        assert await node.resumed("s", "r8") is None


@real_loop()
async def test_what_a_person_orders_at_one_node_is_done_at_all_or_at_the_one_that_it_names(
    redis_url: str,
) -> None:
    async with nodes(redis_url, 2) as pair:
        hosts = [node._running().host for node in pair.nodes]
        names = [pair.cluster(n).membership.facts.name for n in range(2)]

        def state(n: int) -> str:
            return str(hosts[n].server_records()[0]["state"])

        async def ordered(action: Action, node: str = "") -> dict[str, Any]:
            order = ServerOrder(action=action, server="notes", node=node)
            record = await give(hosts[0], order, "asked for by command")
            # Sooner than its next heartbeat.
            await pair.cluster(1)._orders.look()
            return record

        before = hosts[1].server_records()[0]
        assert (await ordered("restart"))["nodes"] == [names[1]]
        await until(lambda: hosts[1].server_records()[0] != before, "it is another process")
        await until(lambda: state(1) == "connected", "it is up")
        await ordered("stop")
        await until(lambda: (state(0), state(1)) == ("sleeping", "sleeping"), "both are stopped")
        assert (await ordered("start", names[1]))["nodes"] == [names[1]]
        await until(lambda: state(1) == "connected", "the one that was named is up")
        assert state(0) == "sleeping"
        assert (await ordered("start", pair.cluster(0).membership.id))["state"] == "connected"
        with pytest.raises(InvalidArguments, match="now: node must be one of"):
            await ordered("stop", "nobody")
        await hosts[0].restart("notes", "a file changed")
        assert (await pair.cluster(0)._orders._register.told())[0] == pair.cluster(1)._orders._place, (
            "that is each node's own business"
        )


@real_loop()
async def test_a_node_that_is_lost_is_shown_as_away_until_it_is_back(redis_url: str) -> None:
    async with nodes(redis_url, 2) as pair:
        first, second = pair.cluster(0), pair.cluster(1)
        await second.owners.gone(first.membership.id)
        (away,) = second.facts()["away"]
        assert (away["name"], away["state"]) == (first.membership.facts.name, "away")
        assert [node["state"] for node in second.facts()["nodes"]] == ["up"]
        await first.membership.beat()
        await second.membership.beat()
        assert second.facts()["away"] == []
        assert [node["state"] for node in second.facts()["nodes"]] == ["up", "up"]
        await first.close()
        await second.membership.beat()
        assert second.facts()["away"] == [], "it ended as it should"


@real_loop()
async def test_status_and_metrics_of_any_node_show_all(redis_url: str) -> None:
    async with nodes(redis_url, 2, metrics={"enabled": True}) as pair:
        await pair.begin(0)
        await pair.cluster(0).membership.beat()
        await pair.cluster(1).membership.beat()
        shown = pair.nodes[1].health()["runtime"]["cluster"]
        assert sorted(node["sessions"] for node in shown["nodes"]) == [0, 1]
        assert all(node["servers"] == {"notes": "connected"} for node in shown["nodes"]), shown
        url = pair.nodes[1].url + "/metrics"
        async with pair.http.get(url) as answer:
            text = await answer.text()
        assert f'callmux_node_info{{id="{shown["id"]}"' in text
        assert "callmux_nodes 2" in text, [ln for ln in text.splitlines() if "node" in ln]
        assert 'callmux_node_events_total{event="passedOn"} 0' in text


@real_loop()
async def test_a_body_of_any_size_is_passed_on_to_the_owner(redis_url: str) -> None:
    async with nodes(redis_url, 2, requestBodyMaxBytes=0) as pair:
        id = await pair.begin(0)
        answer = await pair.ask(1, 2, "ping", id, pad="x" * 2_000_000)
        assert answer.status == 200, answer.text
        assert pair.cluster(1).placing.counts["passedOn"] == 1
