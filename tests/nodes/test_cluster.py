"""One node among others: what it keeps for them, and what status shows."""

from __future__ import annotations

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
async def test_a_server_that_a_person_restarts_is_restarted_at_every_node(redis_url: str) -> None:
    async with nodes(redis_url, 2) as pair:
        hosts = [node._running().host for node in pair.nodes]
        before = [host.server_records()[0] for host in hosts]
        await hosts[0].restart("notes", "asked for by command")
        await until(lambda: pair.cluster(0)._orders._known == {"notes": 1}, "it is ordered")
        await pair.cluster(1)._orders.look()
        await until(lambda: hosts[1].server_records()[0] != before[1], "it is another process")
        await hosts[0].restart("notes", "a file changed")
        await pair.cluster(0)._orders.look()
        assert pair.cluster(0)._orders._known == {"notes": 1}, "that is each node's own business"


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
