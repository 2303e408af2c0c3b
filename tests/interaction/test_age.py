"""An agent that asks again for what callmux has kept is told how old the answer is, on every way.

What is kept, and for how long, is tested in `tests/rings/cache`.
"""

from __future__ import annotations

import json

from tests.support import FakeClock

from .bench import Client, bench
from .raw_server import Json, RawServer, text
from .requirements import requirement

AGE = "(kept by callmux for 40 s; callmux_call with forceReconnect: true asks anew)"


def clocks() -> RawServer:
    """A server whose two tools read what changes without it: a text, and JSON in a text."""
    server = RawServer("s").has(read=text("as it was"), row=text('{"state":"open"}'))
    hints = {"readOnlyHint": True}
    schema = {"type": "object"}
    return server.lists(
        "tools", *({"name": name, "inputSchema": schema, "annotations": hints} for name in ("read", "row"))
    )


async def texts(client: Client, tool: str, arguments: Json) -> list[str]:
    result = await client.call(tool, arguments)
    return [item["text"] for item in result["content"]]


@requirement("tools.call")
async def test_with_the_preset_an_answer_from_the_cache_tells_its_age_and_how_to_ask_anew() -> None:
    time, server = FakeClock(), clocks()
    async with bench(server, clock=time.clock, preset="lean") as at:
        client = await at.greeted()
        one: Json = {"tool": "read", "arguments": {}}
        both: Json = {"calls": [one, {"tool": "row", "arguments": {}}], "outputFormat": "json"}
        assert await texts(client, "callmux_call", one) == ["as it was"]
        await client.call("callmux_parallel", both)
        assert await texts(client, "callmux_call", one) == ["as it was"]
        # The agent changes the file with a tool of its own.
        server.tools["read"] = lambda call: text("as it is")
        time.advance(40)
        assert await texts(client, "callmux_call", one) == ["as it was", AGE]
        assert await texts(client, "read", {}) == ["as it was", AGE]
        results = (await client.call("callmux_parallel", both))["structuredContent"]["results"]
        assert [entry["result"] for entry in results] == ["as it was", {"state": "open"}]
        assert [entry["ageSeconds"] for entry in results] == [40, 40]
        (said, *_) = await texts(client, "callmux_parallel", {**both, "outputFormat": "plain"})
        whole = "\n".join(await texts(client, "callmux_parallel", {**both, "outputFormat": "plain"}))
        assert said.startswith("completed: 2 succeeded, 0 failed")
        assert whole.count("kept by callmux for 40 s") == 2
        assert await texts(client, "callmux_call", {**one, "forceReconnect": True}) == ["as it is"]


@requirement("tools.call")
async def test_nothing_of_an_age_gets_into_what_a_later_step_is_sent() -> None:
    time = FakeClock()
    async with bench(clocks(), clock=time.clock, preset="lean") as at:
        client = await at.greeted()
        step = {"tool": "row", "arguments": {}}
        mapped = {"tool": "read", "inputMapping": {"text": "$text", "state": "$json.state"}}
        steps: Json = {"steps": [step, mapped], "outputFormat": "json"}
        await client.call("callmux_call", step)
        time.advance(40)
        answer = (await client.call("callmux_pipeline", steps))["structuredContent"]["steps"]
        assert answer[0]["ageSeconds"] == 40
        assert answer[1]["mappedArguments"] == {"text": '{"state":"open"}', "state": "open"}


@requirement("tools.call")
async def test_without_the_key_an_answer_from_the_cache_is_the_same_to_the_byte() -> None:
    time = FakeClock()
    async with bench(clocks(), clock=time.clock, cacheTtlSeconds=60) as at:
        client = await at.greeted()
        one: Json = {"tool": "read", "arguments": {}}
        first = await client.call("callmux_call", one)
        time.advance(40)
        assert json.dumps(await client.call("callmux_call", one)) == json.dumps(first)
