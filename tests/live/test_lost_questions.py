"""A listener that is killed between a question and its answer, and the session behind the bridge.

Clients of both eras, servers of both eras. Whoever waits for the call gets its result or an error that says
what became of it: what only reads is asked anew and done; what changes something is not run a second time in
silence. The next call is served as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, free_port

from .harness import (
    Client,
    Json,
    Refused,
    callmux,
    error_of,
    python_server,
    run,
    stdio,
    text_of,
    until,
    write_config,
)
from .modern import meta
from .test_listener import run_listener

META = meta(elicitation={})
SAID: Json = {"action": "accept", "content": {"one": "this"}}
ERAS = ("handshake", "modern")
Break = Callable[[], Awaitable[None]]


def rows(tmp_path: Path) -> list[str]:
    """What the server's log says."""
    return (tmp_path / "rows").read_text().splitlines()


async def greeted_call(client: Client, tool: str, between: Break, late: bool) -> Any:
    """A call of a client with a session. While it is asked something, `between` happens.

    Args:
        late: It answers after that; else before the listener is back.
    """
    client.answers = lambda message: None
    before = len(client.asked)
    waiting = client.send("tools/call", {"name": tool, "arguments": {}})
    await until("the question", lambda: len(client.asked) > before)
    (question,) = client.asked[before:]
    # From here on it answers at once: whatever is asked anew is asked of somebody who knows.
    client.answers = lambda message: {"result": SAID}
    done = asyncio.ensure_future(between())
    if late:
        await done
    client.write({"jsonrpc": "2.0", "id": question["id"], "result": SAID})
    await done
    async with asyncio.timeout(SECONDS):
        message = await waiting
    assert "result" in message, message
    return message["result"]


async def plain_call(client: Client, tool: str, between: Break, late: bool) -> Any:
    """The same of a client without a session, which comes again with its answer."""
    params: Json = {"name": tool, "arguments": {}, "_meta": META}
    asked = await client.request("tools/call", params)
    ((key, _),) = asked["inputRequests"].items()
    again = {**params, "requestState": asked["requestState"], "inputResponses": {key: SAID}}
    done = asyncio.ensure_future(between())
    if late:
        await done
    try:
        return await client.request("tools/call", again, 40)
    finally:
        await done


async def outcome(call: Awaitable[Any]) -> Any:
    """The result of a call, or the error that it was refused with."""
    try:
        return await call
    except Refused as refused:
        return refused


def judge(era: str, tool: str, came: Any) -> None:
    """Whoever waited knows what became of the call."""
    if isinstance(came, Refused):
        # The state of a call that is gone: the error says to make the call again.
        assert era == "modern", came
        assert "requestState" in str(came)
    elif came.get("isError"):
        assert tool == "change", "what only reads is done again"
        assert error_of(came)["details"]["executionState"] == "unknown"
    else:
        assert "this" in text_of(came)


CALLS = {"handshake": greeted_call, "modern": plain_call}


@pytest.mark.parametrize("server", ERAS)
@pytest.mark.parametrize("era", ERAS)
def test_a_listener_that_is_killed_under_a_question_costs_no_session_and_no_silence(
    era: str, server: str, tmp_path: Path
) -> None:
    port = free_port()
    command = python_server("asking_server.py", server, tmp_path / "rows")
    config = write_config(tmp_path / "callmux.json", {"asking": stdio(command)}, exposeMetaTools=False)

    async def scene(stack: ExitStack) -> None:
        process = stack.enter_context(run_listener(tmp_path, config, port))

        async def between() -> None:
            nonlocal process
            process.kill()
            await asyncio.to_thread(process.wait, SECONDS)
            process = await asyncio.to_thread(stack.enter_context, run_listener(tmp_path, config, port))

        async def nothing() -> None: ...

        call = CALLS[era]
        async with callmux(tmp_path, "bridge", "--url", f"http://127.0.0.1:{port}/mcp") as client:
            if era == "handshake":
                await client.initialize(capabilities={"elicitation": {}})
                await client.tools()
            for tool, late in (("change", False), ("look", True)):
                judge(era, tool, await outcome(call(client, tool, between, late)))
                assert rows(tmp_path).count("begin change") == 1, "nothing is changed twice in silence"
            assert "this" in text_of(await call(client, "look", nothing, False))

    with ExitStack() as stack:
        run(scene(stack), 100)
