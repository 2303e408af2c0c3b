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
