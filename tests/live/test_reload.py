"""The configuration and what it refers to change under real clients of real processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import real_loop

from .harness import (
    Client,
    Json,
    callmux,
    environment,
    error_of,
    marked,
    text_of,
    until,
    write_config,
)
from .test_stdio_session import Scripted, tool


def _reloaded(client: Client, times: int) -> bool:
    return client.said.count("Reloaded config") == times


@pytest.fixture
def one(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path, "one").has(tool("a"), tool("b"))


@pytest.fixture
def two(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path, "two").has(tool("d"))


def configured(tmp_path: Path, *servers: Scripted, **more: Any) -> Path:
    return write_config(tmp_path / "callmux.json", {s.name: s.entry for s in servers}, **more)


async def pid(client: Client, tool: str) -> str:
    """The process that answers a call of this tool."""
    return text_of(await client.call(tool)).split()[1]


async def status(client: Client) -> Json:
    result = await client.call("callmux_status")
    facts: Json = json.loads(text_of(result))
    return facts


@real_loop()
async def test_a_changed_secret_restarts_the_server_that_has_it_and_no_other(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    """Also where the file stays the same but for its value, and calls in flight finish with the old one."""
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    one.entry["envRefs"] = {"TOKEN": "file:secret"}
    one.has(tool("a"), tool("b"), delays={"b": 1200})
    config = configured(tmp_path, one, two)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        await client.tools()
        before, bystander = await pid(client, "one__a"), await pid(client, "two__d")
        in_flight = client.send("tools/call", {"name": "one__b"})
        await until("the call begins", lambda: one.calls("b"))
        secret.write_text("second\n")
        await until("the new process is there", lambda: len(one.pids()) == 2)
        await until("it serves", lambda: f"Reloaded config from {config} (secret change)" in client.said)
        assert text_of((await in_flight)["result"]) == f"b {before}"
        after = await pid(client, "one__a")
        assert after != before
        assert await pid(client, "two__d") == bystander
        assert client.changes() == 0
        # Written anew with what it said before: read, and nothing restarts.
        secret.write_text("second\n")
        os.utime(secret, ns=(1, 1))
        await until("it is read", lambda: client.said.count("(secret change)") == 2)
        assert await pid(client, "one__a") == after
        assert "first" not in client.said
        assert "second" not in client.said


@real_loop()
async def test_a_bad_file_leaves_the_old_configuration_serving_and_says_why(
    one: Scripted, tmp_path: Path
) -> None:
    config = configured(tmp_path, one)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        before = await pid(client, "a")
        assert "configReload" not in await status(client)
        config.write_text('{"servers": {"one": {"command": 7}}}')
        await until("the log has it", lambda: "Config reload failed" in client.said)
        told = (await status(client))["configReload"]["lastReloadError"]
        assert "servers.one" in told
        assert told.splitlines()[0] in client.said
        assert await pid(client, "a") == before
        configured(tmp_path, one)
        await until("the mend is taken", lambda: "Reloaded config from" in client.said)
        assert "lastReloadError" not in (await status(client))["configReload"]
        assert await pid(client, "a") == before


@real_loop()
async def test_sighup_reloads_what_no_file_tells_of(one: Scripted, tmp_path: Path) -> None:
    """Nothing has changed, so nothing restarts; what was down is tried."""
    script = one.script.read_text()
    one.script.unlink()
    config = configured(tmp_path, one, reconnectPolicy={"initialDelayMs": 3_600_000})

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        assert await client.names() == set()
        one.script.write_text(script)
        os.kill(client.process.pid, signal.SIGHUP)
        await until("it reloads", lambda: "(SIGHUP)" in client.said)
        await until("the client is told", lambda: client.changes() == 1)
        assert await client.names() == {"a", "b"}
        before = await pid(client, "a")
        os.kill(client.process.pid, signal.SIGHUP)
        await until("it reloads again", lambda: client.said.count("(SIGHUP)") == 2)
        assert await pid(client, "a") == before
        assert client.changes() == 1


@real_loop()
async def test_a_change_that_concerns_no_server_restarts_none_and_keeps_the_cache(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    """Other limits, another metrics path, other delays: the view is the same.

    Weak spot L36 of callmux (npm).
    """
    one.has(tool("a", annotations={"readOnlyHint": True}), tool("b"))
    config = configured(tmp_path, one, two, cacheTtlSeconds=600)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        await client.tools()
        pids = {await pid(client, "one__a"), await pid(client, "two__d")}
        changes: list[Json] = [
            {"callTimeoutMs": 9000, "cacheTtlSeconds": 500},
            {"metrics": {"persistencePath": "m.json"}, "maxConcurrency": 3},
            {"reconnectPolicy": {"maxDelayMs": 5000}},
        ]
        for n, more in enumerate(changes, 1):
            configured(tmp_path, one, two, **{"cacheTtlSeconds": 600, **more})
            await until("it reloads", partial(_reloaded, client, n))
        assert {await pid(client, "one__a"), await pid(client, "two__d")} == pids
        assert client.changes() == 0
        assert one.calls("a") == 1
        one.entry["tools"] = ["a"]
        configured(tmp_path, one, two)
        await until("the client is told", lambda: client.changes() == 1)
        assert {await pid(client, "one__a"), await pid(client, "two__d")} == pids


@real_loop()
async def test_calls_that_wait_for_their_turn_outlive_a_reload_of_their_server(
    one: Scripted, tmp_path: Path
) -> None:
    one.has(tool("a"), tool("b"), delays={"b": 150})
    one.entry["maxConcurrency"] = 1
    config = configured(tmp_path, one)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        before = await pid(client, "a")
        asked = [client.send("tools/call", {"name": "b"}) for _ in range(12)]
        await until("the first begins", lambda: one.calls("b"))
        one.entry["env"] = {"EDITED": "yes"}
        configured(tmp_path, one)
        await until("it reloads", lambda: "Reloaded config" in client.said)
        answers = await asyncio.gather(*asked)
        assert {text_of(answer["result"]) for answer in answers} == {f"b {before}"}
        await until("the old process ended", lambda: len(marked(client.mark)) == 2)


# ---- restarts ------------------------------------------------------------------------------------------


@real_loop()
async def test_a_rebuilt_server_starts_anew_under_its_sessions(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    """Its author saves, and the next call meets the new build; a call in flight ends in the old one."""
    built = tmp_path / "build"
    (built / "deep").mkdir(parents=True)
    (built / "deep" / "main.js").write_text("1")
    one.entry["watch"] = ["build/**/*.js"]
    one.has(tool("a"), tool("b"), delays={"b": 2500})
    config = configured(tmp_path, one, two)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        await client.tools()
        before, bystander = await pid(client, "one__a"), await pid(client, "two__d")
        await until("its files are known", lambda: 'watching 1 files of "one"' in client.said)
        in_flight = client.send("tools/call", {"name": "one__b"})
        await until("the call begins", lambda: one.calls("b"))
        (built / "deep" / "main.js").write_text("22")
        await until("it restarts", lambda: 'restarting "one"' in client.said)
        after = await pid(client, "one__a")
        assert after != before
        assert text_of((await in_flight)["result"]) == f"b {before}"
        assert await pid(client, "two__d") == bystander
        assert client.changes() == 0
        # The directory is made anew by the next build, which has another tool.
        one.has(tool("a"), tool("b"), tool("c"))
        shutil.rmtree(built)
        await asyncio.to_thread(built.mkdir)
        (built / "other.js").write_text("3")
        await until("the client is told", lambda: client.changes() == 1)
        assert "one__c" in await client.names()


@real_loop()
async def test_the_command_restarts_one_server_in_every_process_of_the_configuration(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    """Weak spot L36 of callmux (npm)."""
    config = configured(tmp_path, one, two)

    async def command(*args: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callmux", "server", "restart", *args, "--config", str(config)),
            env=environment(tmp_path, ""),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    assert (await command("one"))[0] == 1
    async with (
        callmux(tmp_path, "--config", config) as ann,
        callmux(tmp_path, "--config", config) as ben,
    ):
        clients = (ann, ben)
        for client in clients:
            await client.initialize()
            await client.tools()
        before = [await pid(client, "one__a") for client in clients]
        bystanders = [await pid(client, "two__d") for client in clients]
        code, said = await command("one")
        assert (code, said.count('Restarted "one" in process')) == (0, 2)
        after = [await pid(client, "one__a") for client in clients]
        assert not {*before} & {*after}
        assert [await pid(client, "two__d") for client in clients] == bystanders
        assert [client.changes() for client in clients] == [0, 0]
        # A build that does not start is told, and tried again as any server is.
        script = one.script.read_text()
        one.script.unlink()
        code, said = await command("one")
        assert code == 1
        assert '"one" in process' in said
        assert error_of(await ann.call("one__a"))["code"] == "downstream_unavailable"
        assert "one__a" in await ann.names()
        one.script.write_text(script)
        assert (await command("one"))[0] == 0
        assert [client.changes() for client in clients] == [0, 0]
        await pid(ann, "one__a")
    assert (await command("one"))[0] == 1


@real_loop()
async def test_a_restarted_server_does_not_answer_from_the_cache(one: Scripted, tmp_path: Path) -> None:
    one.has(tool("a", annotations={"readOnlyHint": True}))
    watched = tmp_path / "main.js"
    watched.write_text("1")
    one.entry["watch"] = ["main.js"]
    config = configured(tmp_path, one, cacheTtlSeconds=600)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        before = await pid(client, "a")
        assert await pid(client, "a") == before
        assert one.calls("a") == 1
        await until("its files are known", lambda: "watching 1 files" in client.said)
        watched.write_text("22")
        await until("the new process is up", lambda: client.said.count('Connected to "one"') == 2)
        assert await pid(client, "a") != before
