"""A whole callmux in front of a server that wants a sign-in: who is told, and what a sign-in changes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.stores.tokens import TokenStore, token_directory
from tests.live.harness import Client, callmux, error_of, run, text_of, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.oauth.scene import Guarded, guarded
from tests.support import SECONDS, free_port


@pytest.fixture
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


WHOAMI = {"name": "callmux_call", "arguments": {"server": "guarded", "tool": "whoami"}}


def state(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def store(tmp_path: Path) -> TokenStore:
    return TokenStore(token_directory(state(tmp_path)))


def config(tmp_path: Path, server: Guarded, **more: Any) -> Path:
    return write_config(
        tmp_path / "callmux.json", {"guarded": {"url": server.url}}, keepListings=True, **more
    )


async def call(client: Client, tool: str) -> Any:
    arguments = {"tool": tool, "server": "guarded"}
    return await client.request("tools/call", {"name": "callmux_call", "arguments": arguments})


async def worked(client: Client, tool: str) -> str:
    """What a call gives once it works."""
    async with asyncio.timeout(SECONDS):
        while (result := await call(client, tool)).get("isError"):
            await asyncio.sleep(0.05)
    return text_of(result)


def test_calls_fail_at_once_until_somebody_signs_in_and_then_work(server: Guarded, tmp_path: Path) -> None:
    # A call that waited for the server would outlast the test.
    file = config(tmp_path, server, connectTimeoutMs=600_000)

    async def scenario() -> None:
        async with callmux(tmp_path, "--config", file, env=state(tmp_path)) as client:
            await client.initialize()
            refused = error_of(await call(client, "whoami"))
            assert refused["code"] == "sign_in_needed"
            assert "callmux login guarded" in refused["message"]
            before = server.control()["unauthorized"]
            assert error_of(await call(client, "whoami"))["code"] == "sign_in_needed"
            assert server.control()["unauthorized"] == before
            await server.sign_in(store(tmp_path))
            assert await worked(client, "whoami") == "ann"
            assert "whoami" in await client.names()

    run(scenario())


def test_eight_sessions_in_three_processes_cost_one_renewal_each_time(
    server: Guarded, tmp_path: Path
) -> None:
    """The token lives for seconds, and everybody calls all the time; no refresh token is used twice."""
    store_ = store(tmp_path)
    file = config(tmp_path, server)
    done = threading.Event()
    failed: list[Any] = []

    def session(port: int) -> None:
        _, _, id = post(port, request(1, "initialize", HELLO))
        while not done.is_set():
            _, answer, _ = post(port, request(2, "tools/call", WHOAMI), id)
            if answer.get("error") or answer["result"].get("isError"):
                failed.append(answer)
                return

    async def stdio_session() -> None:
        async with callmux(tmp_path, "--config", file, env=state(tmp_path)) as client:
            await client.initialize()
            while not done.is_set():
                result = await client.request("tools/call", WHOAMI)
                if result.get("isError"):
                    failed.append(result)
                    return

    async def scenario() -> None:
        server.control(lifetime=4)
        await server.sign_in(store_)
        port = free_port()
        with run_listener(tmp_path, file, port, env=state(tmp_path)):
            threads = [threading.Thread(target=session, args=(port,)) for _ in range(6)]
            for thread in threads:
                thread.start()
            clients = [asyncio.ensure_future(stdio_session()) for _ in range(2)]
            try:
                async with asyncio.timeout(SECONDS):
                    while not failed and store_.read(server.account()).generation < 4:
                        await asyncio.sleep(0.05)
            finally:
                done.set()
                await asyncio.gather(*clients)
                for thread in threads:
                    await asyncio.to_thread(thread.join)

    run(scenario())
    assert failed == []
    counts = server.control()
    assert counts["refresh"] == store_.read(server.account()).generation - 1
    assert counts.get("replay", 0) == 0
    assert counts["call"] > 20


@contextlib.asynccontextmanager
async def as_ann(server: Guarded, tmp_path: Path) -> AsyncIterator[Client]:
    """callmux after a sign-in, whose calls are those of the person who signed in."""
    await server.sign_in(store(tmp_path))
    async with callmux(tmp_path, "--config", config(tmp_path, server), env=state(tmp_path)) as client:
        await client.initialize()
        assert await worked(client, "whoami") == "ann"
        yield client


def test_a_token_that_was_taken_back_is_renewed_and_a_sign_in_that_was_is_needed_again(
    server: Guarded, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with as_ann(server, tmp_path) as client:
            server.control(revokeAccess=True)
            assert text_of(await call(client, "whoami")) == "ann"
            assert server.control()["refresh"] == 1
            server.control(revokeAll=True)
            refused = error_of(await call(client, "whoami"))
            assert refused["code"] == "sign_in_needed"
            assert error_of(await call(client, "whoami"))["code"] == "sign_in_needed"
            await server.sign_in(store(tmp_path))
            assert await worked(client, "whoami") == "ann"

    run(scenario())


def test_too_narrow_a_sign_in_fails_the_calls_that_want_more_and_no_others(
    server: Guarded, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with as_ann(server, tmp_path) as client:
            refused = error_of(await call(client, "write"))
            assert refused["code"] == "sign_in_needed"
            assert "write" in refused["details"]["rootCause"]
            assert text_of(await call(client, "whoami")) == "ann"
            signed_in = await server.sign_in(store(tmp_path))
            assert signed_in.asked == ("read", "write")
            assert await worked(client, "write") == "ann"

    run(scenario())


def test_an_authorization_server_that_is_away_costs_calls_and_no_sign_in(
    server: Guarded, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with as_ann(server, tmp_path) as client:
            server.control(fail=503, revokeAccess=True)
            for _ in range(5):
                refused = error_of(await call(client, "whoami"))
                assert refused["code"] in ("tool_call_failed", "downstream_unavailable")
                assert "cannot be renewed now" in refused["message"]
                assert refused["details"]["safeToRetry"]
            before = server.control(fail=0)["token"]
            assert before == 2
            assert await worked(client, "whoami") == "ann"
            assert server.control()["refresh"] == 1

    run(scenario())


def test_a_restart_in_the_middle_of_a_renewal_keeps_what_can_be_kept(server: Guarded, tmp_path: Path) -> None:
    """The answer never comes, the process is killed, and the refresh token is used up: the token that is
    still good is used to its end, and then a person is needed."""

    async def scenario() -> None:
        server.control(lifetime=8)
        await server.sign_in(store(tmp_path))
        file = config(tmp_path, server)
        async with callmux(tmp_path, "--config", file, env=state(tmp_path)) as client:
            await client.initialize()
            assert await worked(client, "whoami") == "ann"
            server.control(die_after_refresh=True)
            async with asyncio.timeout(SECONDS):
                while not server.control().get("unheard"):
                    await call(client, "whoami")
            client.ps.kill()
        # On a busy machine some tokens were renewed before.
        renewed = server.control(die_after_refresh=False)["refresh"]
        async with callmux(tmp_path, "--config", file, env=state(tmp_path)) as client:
            await client.initialize()
            async with asyncio.timeout(SECONDS):
                while "sign_in_needed" not in str(await call(client, "whoami")):
                    await asyncio.sleep(0.05)
            assert "died before it could keep" in client.said
        counts = server.control()
        assert counts["refresh"] == counts["replay"] + renewed

    run(scenario())


def test_no_token_is_ever_shown(server: Guarded, tmp_path: Path) -> None:
    """The server repeats them wherever it can, and everything is logged."""

    async def scenario() -> list[str]:
        server.control(leak=True)
        await server.sign_in(store(tmp_path))
        seen = []
        file = config(tmp_path, server)
        async with callmux(
            tmp_path, "--config", file, env=state(tmp_path) | {"CALLMUX_LOG_LEVEL": "debug"}
        ) as client:
            await client.initialize()
            async with asyncio.timeout(SECONDS):
                while "leak" not in await client.names():
                    await asyncio.sleep(0.05)
            server.control(revokeAccess=True)
            seen.append(str(await client.tools()))
            seen.append(str(await call(client, "whoami")))
            seen.append(str(await client.request("tools/call", {"name": "callmux_status", "arguments": {}})))
            for process in (client.ps, *client.ps.children(recursive=True)):
                seen.append(str(process.cmdline()) + str(process.environ()))
            seen.append(client.said)
        server.control(revokeAll=True)
        async with callmux(tmp_path, "--config", file, env=state(tmp_path)) as client:
            await client.initialize()
            seen.append(str(await call(client, "whoami")))
            seen.append(client.said)
        return seen

    seen: list[str] = []

    async def whole() -> None:
        seen.extend(await scenario())

    run(whole())
    tokens = server.control()["issued"]
    assert len(tokens) >= 4
    kept = token_directory(state(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and kept not in path.parents]
    assert any("listings" in str(path) for path in files)
    texts = [*seen, *(path.read_text(errors="replace") for path in files)]
    for token in tokens:
        assert not [text for text in texts if token in text]
