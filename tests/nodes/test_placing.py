"""Any node takes any request: it is answered by the one that serves the session, and by another where that is
lost."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callmux.errors import StoreUnavailable
from callmux.nodes import placing
from callmux.nodes.placing import session_of
from callmux.transport.http.listener import Listener
from callmux.transport.http.repeats import ONCE
from tests.live.harness import python_server, stdio
from tests.nodes.pair import HEADERS, Pair, nodes
from tests.redis_server import RedisServer
from tests.support import SECONDS, real_loop, until
from tests.transport.http.asgi import Call


@asynccontextmanager
async def two(redis_url: str, folder: Path, **config: Any) -> AsyncIterator[Pair]:
    """Two nodes with a server that writes down what it does."""
    server = stdio(python_server("ledger_server.py", folder / "ledger"), cwdMode="global")
    (folder / "ledger").touch()
    async with nodes(redis_url, 2, {"s": server}, **config) as pair:
        yield pair


def rows(folder: Path, token: str) -> list[str]:
    """What the server has done with a token."""
    fields = [line.split() for line in (folder / "ledger").read_text().splitlines()]
    return [row[0] for row in fields if row[1] == token]


def call(tool: str, token: str, ms: int = 0) -> dict[str, Any]:
    return {"name": tool, "arguments": {"token": token, "ms": ms}}


async def lose(pair: Pair, n: int) -> None:
    """A node is gone as if it had been killed: nobody listens there, and it answers nothing any more."""
    node = pair.nodes[n]._running().node
    assert node is not None
    await node.cluster._tasks.cancel()
    await node._server.stop_accepting()
    for connection in list(node._server._server.server_state.connections):
        connection.transport.abort()
    node._listening.close()


@real_loop()
async def test_a_request_goes_to_the_node_that_serves_its_session(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        own = await pair.ask(0, 2, "tools/call", id, **call("read", "a"))
        other = await pair.ask(1, 3, "tools/call", id, **call("read", "b"))
        assert (own.status, other.status, other.session) == (200, 200, id)
        assert other.kind == "application/json"
        pids = {json.loads(a.result()["content"][0]["text"])["pid"] for a in (own, other)}
        assert len(pids) == 1, "one node's server did both"
        assert pair.cluster(1).placing.counts["passedOn"] == 1
        assert len(pair.cluster(0).owners) == 1
        assert len(pair.cluster(1).owners) == 0


@real_loop()
async def test_a_session_ends_wherever_its_client_ends_it(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        assert (await pair.send(1, "DELETE", id)).status == 200
        for n in (0, 1):
            assert (await pair.ask(n, 2, "ping", id)).status == 404
        assert all(len(pair.cluster(n).owners) == 0 for n in (0, 1))


@real_loop()
async def test_a_slow_answer_is_a_stream_that_goes_on_at_any_node(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": call("slow", "a", 1200)}
        ).encode()
        headers = {**HEADERS, "mcp-session-id": id}
        url = pair.nodes[1].mcp_url
        async with pair.http.post(url, data=body, headers=headers) as answer:
            first = await answer.content.readuntil(b"\n\n")
            assert first.startswith(b"id: r5_0\n")
        # The client has left: the call goes on, and its answer is fetched elsewhere.
        got = await pair.send(0, "GET", id, headers={"last-event-id": "r5_0", "accept": "text/event-stream"})
        assert '"id":5' in got.text
        assert rows(tmp_path, "a") == ["begin", "done"]


@real_loop()
async def test_what_was_asked_for_in_time_is_answered_through_another_node_however_long_it_takes(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        # As where the credential ends meanwhile.
        monkeypatch.setattr(Listener, "is_let_in", lambda listener, exchange: False)
        answer = await pair.ask(1, 5, "tools/call", id, **call("slow", "a", 600))
        assert answer.kind == "text/event-stream"
        assert '"id":5' in answer.text


@real_loop()
async def test_what_a_node_hands_over_is_taken_by_one_that_remembers_it_as_the_owner(
    redis_url: str, tmp_path: Path
) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        assert (await pair.ask(1, 2, "ping", id)).status == 200
        pair.cluster(0)._listener.leaving = True
        await pair.cluster(0).leave()
        answer = await asyncio.wait_for(pair.ask(0, 3, "ping", id), SECONDS)
        assert answer.status == 200
        assert pair.cluster(0).placing.counts["passedOn"] == 1
        assert len(pair.cluster(1).owners) == 1


@real_loop()
async def test_what_a_client_cancels_at_another_node_is_cancelled(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        waiting = asyncio.get_running_loop().create_task(
            pair.ask(1, 5, "tools/call", id, **call("slow", "a", 20_000))
        )
        await until(lambda: rows(tmp_path, "a") == ["begin"], "the call begins")
        assert (await pair.ask(0, None, "notifications/cancelled", id, requestId=5)).status == 202
        answer = await waiting
        assert '"id":5' not in answer.text


@real_loop()
async def test_a_session_goes_on_at_another_node_when_its_own_is_lost(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        await lose(pair, 0)
        answer = await pair.ask(1, 3, "tools/call", id, **call("write", "a"))
        assert not answer.result().get("isError"), answer.text
        assert rows(tmp_path, "a") == ["begin", "done"]
        assert pair.cluster(1).placing.counts["takenOver"] == 1
        sessions = pair.nodes[1]._running().sessions
        assert sessions is not None
        (seat,) = sessions.table
        assert seat.session.facts.client_name == "tester", "what the client said of itself is known here, too"


@real_loop()
async def test_what_was_in_flight_is_made_again_where_that_is_safe(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        loop = asyncio.get_running_loop()
        safe = loop.create_task(pair.ask(1, 5, "tools/call", id, **call("slow_read", "safe", 2500)))
        other = loop.create_task(pair.ask(1, 6, "tools/call", id, **call("slow", "other", 20_000)))
        quick = loop.create_task(
            pair.ask(
                1,
                7,
                "tools/call",
                id,
                headers={"accept": "application/json"},
                **call("slow", "quick", 20_000),
            )
        )
        await until(
            lambda: all(rows(tmp_path, t) == ["begin"] for t in ("safe", "other", "quick")), "they begin"
        )
        await asyncio.sleep(0.4)
        await lose(pair, 0)
        assert not (await safe).result().get("isError"), (await safe).text
        for lost in (other, quick):
            error = (await lost).result()["structuredContent"]["error"]
            assert error["code"] == "outcome_unknown"
            assert error["details"]["safeToRetry"] is False
        assert rows(tmp_path, "safe").count("begin") == 2
        assert rows(tmp_path, "other").count("begin") == rows(tmp_path, "quick").count("begin") == 1
        counts = pair.cluster(1).placing.counts
        assert (counts["repeated"], counts["unknown"]) == (1, 2)


@real_loop()
@pytest.mark.parametrize(("tool", "begun", "ms"), [("slow_read", 2, 2500), ("slow", 1, 20_000)])
async def test_a_client_whose_node_is_lost_resumes_its_stream_elsewhere(
    redis_url: str, tmp_path: Path, tool: str, begun: int, ms: int
) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": call(tool, "a", ms)}
        ).encode()
        headers = {**HEADERS, "mcp-session-id": id}
        async with pair.http.post(pair.nodes[0].mcp_url, data=body, headers=headers) as answer:
            assert (await answer.content.readuntil(b"\n\n")).startswith(b"id: r5_0\n")
            await lose(pair, 0)
            resume = {"last-event-id": "r5_0", "accept": "text/event-stream"}
            got = await pair.send(1, "GET", id, headers=resume)
        assert ('"isError":true' in got.text) is (begun == 1), got.text
        assert ("outcome_unknown" in got.text) is (begun == 1)
        assert rows(tmp_path, "a").count("begin") == begun
        again = await pair.send(1, "GET", id, headers={**resume, "last-event-id": "r9_0"})
        assert again.status == 400


@real_loop()
@pytest.mark.parametrize("asked", [0, 1])
async def test_what_a_load_balancer_sends_again_has_its_effect_once(
    redis_url: str, tmp_path: Path, asked: int
) -> None:
    """One node is lost that has the requests: the owner itself, or the one that has passed them on."""
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        names = {token: {ONCE: f"{token}-0123456789abcdef"} for token in ("safe", "other")}
        calls = {"safe": (5, call("slow_read", "safe", 600)), "other": (6, call("slow", "other", 600))}

        async def ask(n: int, token: str) -> Any:
            number, params = calls[token]
            return await pair.ask(n, number, "tools/call", id, headers=names[token], **params)

        first = [asyncio.ensure_future(ask(asked, token)) for token in calls]
        await until(lambda: all(rows(tmp_path, token) == ["begin"] for token in calls), "they begin")
        await lose(pair, asked)
        for one in first:
            one.cancel("its connection is lost")
        safe, other = await asyncio.gather(*(ask(1 - asked, token) for token in calls))
        assert not safe.result().get("isError"), safe.text
        assert rows(tmp_path, "other").count("begin") == 1
        if asked:
            # Who serves the session is there, and so is what it has begun.
            assert not other.result().get("isError"), other.text
            assert rows(tmp_path, "safe").count("begin") == 1
        else:
            assert other.result()["structuredContent"]["error"]["code"] == "outcome_unknown"
            assert rows(tmp_path, "safe").count("begin") == 2


@real_loop()
@pytest.mark.parametrize("lost", ["who serves it", "which names were begun"])
async def test_of_what_was_begun_nobody_says_that_it_was_not_or_begins_it_anew(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Redis is lost together with the node."""
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        named = {ONCE: "other-0123456789abcdef"}
        asking = asyncio.ensure_future(
            pair.ask(1, 6, "tools/call", id, headers=named, **call("slow", "other", 2500))
        )
        await until(lambda: rows(tmp_path, "other") == ["begin"], "it begins")
        cluster = pair.cluster(1)

        async def beat() -> None:
            cluster.membership.known_since = math.inf

        async def find(session: str, *, absent: bool) -> None:
            raise StoreUnavailable("it is away")

        if lost == "who serves it":
            monkeypatch.setattr(placing, "AWAY_SECONDS", 0.0)
            monkeypatch.setattr(cluster.owners, "find", find)
        else:
            monkeypatch.setattr(cluster.membership, "beat", beat)
        await lose(pair, 0)
        told = await asking
        assert told.result()["structuredContent"]["error"]["code"] == "outcome_unknown", told.text
        assert rows(tmp_path, "other").count("begin") == 1
        assert cluster.placing.counts["unknown"] == 1


@real_loop()
async def test_a_node_that_is_stopped_loses_nothing(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        waiting = asyncio.get_running_loop().create_task(
            pair.ask(1, 5, "tools/call", id, **call("slow", "a", 700))
        )
        await until(lambda: rows(tmp_path, "a") == ["begin"], "the call begins")
        await pair.nodes[0].stop()
        assert not (await waiting).result().get("isError"), (await waiting).text
        answer = await pair.ask(1, 6, "tools/call", id, **call("write", "b"))
        assert not answer.result().get("isError"), answer.text
        assert pair.cluster(1).placing.counts["unknown"] == 0


@real_loop()
async def test_any_node_finds_whoever_has_a_session_while_redis_is_away(
    own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.nodes.placing.AWAY_SECONDS", 0.2)
    server = stdio(python_server("ledger_server.py", tmp_path / "ledger"), cwdMode="global")
    (tmp_path / "ledger").touch()
    async with nodes(own_redis.url, 3, {"s": server}) as pair:
        id, other = await pair.begin(0), await pair.begin(2)
        own_redis.kill()
        for n, (session, token) in ((1, (id, "a")), (2, (id, "b")), (0, (other, "c")), (1, (id, "d"))):
            answer = await pair.ask(n, 3, "tools/call", session, **call("write", token))
            assert answer.status == 200, answer.text
            assert rows(tmp_path, token) == ["begin", "done"]
        assert pair.cluster(1).placing.counts["passedOn"] <= 4, "it remembers whom it has found"
        assert (await pair.ask(1, 3, "ping", "made-up")).status in (404, 503)
        await lose(pair, 2)
        lost = await pair.ask(1, 4, "ping", other)
        assert lost.status == 503, "nobody may take it over"
        assert "nothing was begun" in lost.text


@real_loop()
async def test_any_node_finds_whoever_has_a_session_that_redis_has_forgotten(
    redis_url: str, tmp_path: Path
) -> None:
    async with two(redis_url, tmp_path) as pair:
        id = await pair.begin(0)
        connection = pair.cluster(0)._journal._connection
        keys = await connection.run("KEYS", connection.key("*"))
        await connection.run("DEL", *keys)
        await pair.cluster(1).membership.beat()
        answer = await pair.ask(1, 3, "tools/call", id, **call("write", "a"))
        assert answer.status == 200, answer.text
        assert rows(tmp_path, "a") == ["begin", "done"]
        assert pair.cluster(0).owners.holds(id)
        assert not pair.cluster(1).owners.holds(id)


@real_loop()
async def test_a_session_is_not_there_for_anybody_else_at_any_node(redis_url: str, tmp_path: Path) -> None:
    tokens = [{"id": who, "token": f"token-of-{who}-0123456789"} for who in ("ann", "ben")]
    auth = {"mode": "bearer", "tokens": tokens}
    async with two(redis_url, tmp_path, auth=auth) as pair:
        ann, ben = ({"authorization": f"Bearer token-of-{who}-0123456789"} for who in ("ann", "ben"))
        greeted = await pair.ask(
            0, 1, "initialize", headers=ann, protocolVersion="2025-11-25", capabilities={}, clientInfo={}
        )
        id = greeted.session
        assert (await pair.ask(1, 2, "ping", id, headers=ann)).status == 200
        for n in (0, 1):
            assert (await pair.ask(n, 3, "ping", id, headers=ben)).status == 404
            assert (await pair.ask(n, 3, "ping", id)).status == 401
        await lose(pair, 0)
        assert (await pair.ask(1, 4, "ping", id, headers=ben)).status == 404
        assert (await pair.ask(1, 5, "ping", id, headers=ann)).status == 200


@real_loop()
async def test_nobody_claims_what_is_no_session(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        assert (await pair.ask(0, 2, "ping", "invented")).status == 404
        assert (await pair.ask(0, 2, "ping")).status == 400
        assert len(pair.cluster(0).owners) == 0


@real_loop()
async def test_a_client_without_a_session_is_served_wherever_it_asks(redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as pair:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        for n in (0, 1):
            headers = {
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "tools/call",
                "mcp-name": "read",
            }
            answer = await pair.ask(n, 2, "tools/call", headers=headers, **call("read", f"m{n}"), _meta=meta)
            assert answer.status == 200, answer.text
            assert rows(tmp_path, f"m{n}") == ["begin", "done"]
            assert len(pair.cluster(n).owners) == pair.cluster(n).placing.counts["passedOn"] == 0
        connection = pair.cluster(0)._journal._connection
        keys = await connection.run("KEYS", connection.key("*"))
        assert not [key for key in keys if b":owner:" in key or b":session:" in key]


def test_the_session_of_a_request() -> None:
    def named(path: str, query: bytes = b"", **headers: str) -> str | None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return session_of(Call("POST", path, given, query=query).exchange())

    assert named("/mcp", mcp_session_id="s") == "s"
    assert named("/mcp") is None
    assert named("/mcp", mcp_session_id="s", mcp_protocol_version="2026-07-28") is None
    assert named("/messages/", b"sessionId=x") == "x"


@real_loop()
async def test_a_client_without_a_session_goes_on_at_any_node_with_what_waits_for_its_answer(
    redis_url: str, tmp_path: Path
) -> None:
    asker = stdio(python_server("asking_server.py", "handshake", tmp_path / "rows"), cwdMode="global")
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    }
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "change"}
    async with nodes(redis_url, 2, {"asker": asker}) as pair:
        params: dict[str, Any] = {"name": "change", "arguments": {}, "_meta": meta}
        asked = (await pair.ask(0, 2, "tools/call", headers=headers, **params)).result()
        assert asked["resultType"] == "input_required"
        said = {key: {"action": "accept", "content": {"one": "this"}} for key in asked["inputRequests"]}
        again = {**params, "requestState": asked["requestState"], "inputResponses": said}
        for number in (10, 11):
            # The head of its connection is known there, and the request goes to the other node all the same.
            status = {**headers, "mcp-name": "callmux_status"}
            await pair.ask(1, number, "tools/call", headers=status, name="callmux_status", _meta=meta)
        told = await pair.ask(1, 3, "tools/call", headers=headers, **again)
        assert "result" in json.loads(told.text), told.text
        assert (tmp_path / "rows").read_text().splitlines() == ["begin change", "done change"]
        assert pair.cluster(1).placing.counts["passedOn"] == 1
        used = await pair.ask(1, 4, "tools/call", headers=headers, **again)
        assert "requestState" in used.text, "it is good once"
        strange = {**again, "requestState": "f" * 16 + asked["requestState"][16:]}
        assert "requestState" in (await pair.ask(1, 5, "tools/call", headers=headers, **strange)).text
        asked = (await pair.ask(0, 6, "tools/call", headers=headers, **params)).result()
        await lose(pair, 0)
        late = {**params, "requestState": asked["requestState"], "inputResponses": said}
        lost = await pair.ask(1, 7, "tools/call", headers=headers, **late)
        assert "Make the request again" in lost.text, lost.text
