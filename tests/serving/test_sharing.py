"""Two listeners over one Redis, as programs start them: a session that one began goes on at the other."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux import Listener
from callmux.config.model import Config
from callmux.errors import CallmuxError, StoreUnavailable
from callmux.serving.sharing import shared_by
from tests.library.test_gateway import ENV, NOTES
from tests.redis_server import PATIENT, RedisServer, own_prefix
from tests.support import SECONDS, real_loop, until

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "tester", "version": "1"},
    },
}


async def ask(
    listener: Listener, message: Mapping[str, Any] | None, session: str = "", method: str = "POST"
) -> tuple[int, str, bytes]:
    """Status, session id and body."""

    def fetch() -> tuple[int, str, bytes]:
        headers = {**HEADERS, **({"mcp-session-id": session} if session else {})}
        data = None if message is None else json.dumps(message).encode()
        request = urllib.request.Request(listener.mcp_url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, answer.headers.get("mcp-session-id", ""), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "", error.read()

    return await asyncio.to_thread(fetch)


async def look(listener: Listener, path: str) -> Any:
    """What a page says."""

    def fetch() -> Any:
        with urllib.request.urlopen(listener.url + path, timeout=SECONDS) as answer:
            text = answer.read()
            return json.loads(text) if text[:1] == b"{" else text

    return await asyncio.to_thread(fetch)


def call(id: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def config(url: str, prefix: str, **more: Any) -> dict[str, Any]:
    state = {"url": url, "keyPrefix": prefix, "timeoutMs": 20_000, **more}
    return {"servers": {"notes": NOTES}, "state": state}


@real_loop()
async def test_a_session_goes_on_at_another_listener_and_ends_at_both(redis_url: str) -> None:
    given = config(redis_url, own_prefix())
    async with Listener(given, env=ENV) as first, Listener(given, env=ENV) as second:
        status, id, _ = await ask(first, GREETING)
        assert (status, bool(id)) == (200, True)
        status, _, body = await ask(second, call(3, "tools/call", name="notes__add", arguments={}), id)
        assert (status, b'"id":3' in body) == (200, True), body
        (shown,) = second.health()["runtime"]["sessions"]
        assert shown["client"] == "tester"
        assert (await ask(second, None, id, "DELETE"))[0] == 200
        for listener in (second, first):
            if listener is second:
                assert (await ask(listener, call(4, "ping"), id))[0] == 404
        async with Listener(given, env=ENV) as third:
            assert (await ask(third, call(5, "ping"), id))[0] == 404


@real_loop()
async def test_a_session_outlives_redis_and_the_listener_that_began_it(own_redis: RedisServer) -> None:
    given = config(own_redis.url, own_prefix(), key="env:KEY")
    env = {**ENV, "KEY": "a key that is long enough"}
    async with Listener(given, env=env) as first:
        _, id, _ = await ask(first, GREETING)
        assert (await look(first, "/ready"))["state"] == "connected"
        assert first.health()["runtime"]["state"]["connected"] is True
        own_redis.kill()
        assert (await ask(first, GREETING))[0] == 200
        assert (await ask(first, call(2, "ping"), id))[0] == 200
        ready = await look(first, "/ready")
        assert (ready["status"], ready["state"]) == ("ok", "unavailable")
        assert b"\ncallmux_state_up 0\n" in await look(first, "/metrics")
        assert first.health()["runtime"]["state"]["problem"]
    async with Listener(given, env=env) as second:
        assert (await ask(second, call(3, "ping"), id))[0] == 200
        own_redis.start()
        await until(lambda: second.health()["runtime"]["state"]["connected"], "Redis")
        async with Listener(given, env=env) as third:
            assert (await ask(third, call(4, "ping"), id))[0] == 200


@real_loop()
async def test_without_state_nothing_is_imported() -> None:
    assert await shared_by(Config(), Path(), {}) is None
    code = (
        "import sys; import callmux.cli.listen, callmux.serving.assembly; "
        "print([m for m in sys.modules if 'redis' in m and 'config' not in m])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert told.strip() == b"[]"


@real_loop()
async def test_a_listener_that_needs_redis_to_start_says_so(tmp_path: Path) -> None:
    listener = Listener(config(f"unix://{tmp_path}/none", "x:"), env=ENV)
    with pytest.raises(StoreUnavailable, match=r"state\.key"):
        await listener.start()
    assert listener.health()["state"] == "stopped"


@real_loop()
@pytest.mark.parametrize(("policy", "status"), [("closed", 503), ("open", 200)])
async def test_limits_hold_over_all_listeners_and_while_redis_is_away_as_the_configuration_says(
    own_redis: RedisServer, policy: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.stores.border.SECONDS", PATIENT)
    given = config(own_redis.url, own_prefix(), onUnavailable=policy)
    given["abuseControls"] = {"principalRequestsPerMinute": 3, "principalMaxInFlight": 2}
    async with Listener(given, env=ENV) as first, Listener(given, env=ENV) as second:
        found = [(await ask(one, GREETING))[0] for one in (first, second, first, second, first)]
        assert found == [200, 200, 200, 429, 429]
        own_redis.kill()
        assert (await ask(first, GREETING))[0] == status
        assert (await look(first, "/ready"))["state"] == "unavailable"
        assert b"callmux_state_up 0" in await look(first, "/metrics")
        own_redis.start()
        async with asyncio.timeout(SECONDS):
            while (await ask(first, GREETING))[0] != 200:
                await asyncio.sleep(0.05)


@real_loop()
async def test_while_redis_hangs_nobody_hangs_with_it(own_redis: RedisServer) -> None:
    given = config(own_redis.url, own_prefix(), timeoutMs=200, connectTimeoutMs=200, key="env:KEY")
    given["cacheTtlSeconds"] = 60
    async with Listener(given, env={**ENV, "KEY": "a key that is long enough"}) as listener:
        _, id, _ = await ask(listener, GREETING)
        own_redis.signal(signal.SIGSTOP)
        asked = [ask(listener, GREETING) for _ in range(5)]
        asked += [ask(listener, call(n, "tools/call", name="notes__add", arguments={}), id) for n in range(5)]
        assert [status for status, _, _ in await asyncio.gather(*asked)] == [200] * 10
        assert (await look(listener, "/ready"))["state"] == "unavailable"
        own_redis.signal(signal.SIGCONT)
        await until(lambda: listener.health()["runtime"]["state"]["connected"], "Redis")
        assert (await ask(listener, call(9, "ping"), id))[0] == 200


@real_loop()
async def test_listeners_say_whether_they_have_the_newest_configuration(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callmux.serving.sharing.COMPARED_SECONDS", 0.01)
    given = config(redis_url, own_prefix())

    def newest(listener: Listener) -> bool | None:
        shown = listener.health()["runtime"]["state"].get("configuration")
        return None if shown is None else shown["isNewest"]

    async with Listener(given, env=ENV) as first, Listener(given, env=ENV) as second:
        await until(lambda: newest(first) and newest(second), "the comparison")
        other = {**given, "maxConcurrency": 7}
        await second.reload(other)
        await until(lambda: newest(first) is False, "the newer one")
        assert newest(second)
        await first.reload(other)
        await until(lambda: newest(first), "the same one")
        assert "next start" not in caplog.text
        await first.reload({**other, "state": {**given["state"], "timeoutMs": 1}})
        assert "takes effect with the next start" in caplog.text


@real_loop()
async def test_nodes_are_compared_whatever_they_are_called_and_wherever_they_are(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.serving.sharing.COMPARED_SECONDS", 0.01)
    monkeypatch.setattr("callmux.serving.clustering.GRACE_SECONDS", 0.0)
    given, env = config(redis_url, own_prefix(), key="env:KEY"), {**ENV, "KEY": "a key that is long enough"}

    def node(**more: str) -> dict[str, Any]:
        return {**given, "state": {**given["state"], "node": {"listen": "127.0.0.1:0", **more}}}

    def newest(listener: Listener) -> bool | None:
        shown = listener.health()["runtime"]["state"].get("configuration")
        return None if shown is None else shown["isNewest"]

    named = node(name="first", address="http://node.example:4870")
    async with Listener(named, env=env) as first, Listener(node(), env=env) as second:
        for _ in range(3):
            await until(lambda: newest(first) and newest(second), "the comparison")
            await asyncio.sleep(0.05)
        await second.reload({**node(), "maxConcurrency": 7})
        await until(lambda: newest(first) is False, "the newer one")
        assert newest(second)
        await first.reload({**named, "maxConcurrency": 8})
        await until(lambda: newest(second) is False, "the newer one")
        async with Listener({**given, "maxConcurrency": 8}, env=env):
            await until(lambda: newest(first) is False, "one that is no node has another one")


@real_loop()
async def test_what_was_opened_is_closed_where_a_listener_cannot_be_made(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object, **more: object) -> None:
        raise CallmuxError("no host")

    monkeypatch.setattr("callmux.library.listener.Host", fails)
    before = asyncio.all_tasks()
    with pytest.raises(CallmuxError, match="no host"):
        await Listener(config(redis_url, own_prefix()), env=ENV).start()
    await until(lambda: asyncio.all_tasks() <= before, "that no task is left")
