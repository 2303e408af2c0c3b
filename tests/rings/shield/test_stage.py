"""Which results are looked at, and under whose policy."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callmux import names
from callmux.config.results import ResponseShield, ServerShield
from callmux.context import CallContext
from callmux.metatools.meta_tool import META_TOOLS
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result, Told, Tool
from callmux.rings.envelope import success
from callmux.rings.route import Route
from callmux.rings.shield import stage as module
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import names_of, own_route, run, through

ROWS = [{"id": n, "text": "lorem ipsum dolor sit amet"} for n in range(200)]
LARGE = Result(msgspec.json.encode({"content": [{"type": "text", "text": json.dumps(ROWS)}]}))
TOOL = {"name": "rows", "outputSchema": {"type": "object"}}


def catalogue(server: str = "my__srv", prefix: str | None = "bb") -> Catalogue:
    tools = [Tool(json.dumps(TOOL).encode())]
    return Catalogue(
        [
            ServerTools(server=server, prefix=prefix, tools=tools, listed=True),
            ServerTools(server="other", tools=[Tool(b'{"name":"x"}')], listed=True),
        ]
    )


def test_pictures_alone_shorten_no_answer_that_may_be_shown_plainly() -> None:
    """They cost no text there. With a text that is over the limits the answer is shortened as any other."""
    image = {"type": "image", "data": "A" * 60_000, "mimeType": "image/png"}

    def answer(text: str) -> Result:
        whole = Result(msgspec.json.encode({"content": [{"type": "text", "text": text}, image]}))
        entry = {"call": {"tool": "x"}, "ok": True, "result": msgspec.Raw(whole.raw), "durationMs": 1}
        counts = {"totalDurationMs": 1, "succeeded": 1, "failed": 0, "failedIndexes": []}
        payload = {"status": "completed", "results": [entry], **counts}
        made = success(payload)
        made.told = Told(payload, [whole], made.raw)
        return made

    small, large = answer("see"), answer("word " * 20_000)
    assert shield("callmux_parallel", result=small) is small
    cut = shield("callmux_parallel", result=large)
    assert len(cut.raw) < len(large.raw) / 2
    assert cut.told is large.told
    small.told = None
    assert shield("callmux_parallel", result=small) is not small


def shield(
    name: str,
    call: ToolCall | None = None,
    result: Result = LARGE,
    general: ResponseShield | None = None,
    again: int | None = None,
    **servers: ServerShield,
) -> Result:
    """What a client gets for `result`."""

    async def proceed(plan: Plan, context: CallContext) -> Result:
        return result

    async def scenario() -> Result:
        shelf = Shelf()
        policies = Policies(general or ResponseShield(), servers)
        known = names_of(catalogue())

        def find(tool: str, server: str | None) -> Route:
            route = known.find(tool, server)
            spelled = names.spellings(route.server, route.bare, "bb")
            return msgspec.structs.replace(route, limits=policies.limits(route.server, spelled))

        stage = Shielding(policies, shelf, find, again=lambda client: again)
        plan = Plan(name=name, calls=() if call is None else (call,))
        own = own_route(name, policies.limits(None, [name]))
        found = await through(stage, plan, CallContext(client=None), proceed, own)  # type: ignore[arg-type]
        await shelf.close()
        return found

    return run(scenario())


def note(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.loads(result.raw)["content"][0]["text"])["_callmux"]
    return found


def test_what_a_turn_of_the_client_would_read_again_decides_whether_a_rest_waits() -> None:
    beginning = ResponseShield(preview="beginning")
    long = Result(json.dumps({"content": [{"type": "text", "text": "x" * 30_000}]}).encode())
    call = ToolCall(spelling="rows", server="my__srv")
    assert shield("callmux_call", call, long, beginning) is long
    assert shield("callmux_call", call, long, beginning, again=0) is not long
    assert shield("callmux_call", call, long, beginning, again=14_000) is long
    # Samples are no beginnings: there the rule is another one.
    assert shield("callmux_call", call, long, again=10**9) is not long


@pytest.mark.parametrize("spelled", ["bb__rows", "my__srv__rows", "rows"])
def test_a_direct_call_counts_by_the_server_it_reached(spelled: str) -> None:
    """Weak spot W16 of callmux (npm)."""
    found = note(shield(spelled, ToolCall(spelling=spelled)))
    assert (found["tool"], found["server"]) == ("rows", "my__srv")
    off = ServerShield(enabled=False)
    assert shield(spelled, ToolCall(spelling=spelled), my__srv=off) is LARGE


def test_callmux_call_counts_as_the_tool_it_calls() -> None:
    call = ToolCall(spelling="rows", server="my__srv")
    found = note(shield("callmux_call", call))
    assert (found["tool"], found["server"]) == ("rows", "my__srv")
    assert shield("callmux_call", call, general=ResponseShield(deny_tools=("my__srv__r*",))) is LARGE


@pytest.mark.parametrize(
    "name", ["callmux_parallel", "callmux_batch", "callmux_pipeline", "callmux_recipe_run"]
)
def test_a_fan_out_counts_under_its_own_name(name: str) -> None:
    found = note(shield(name))
    assert found["tool"] == name
    assert "server" not in found
    assert shield(name, general=ResponseShield(deny_tools=(name,))) is LARGE


@pytest.mark.parametrize("name", [tool.name for tool in META_TOOLS.values() if not tool.traits.shielded])
def test_answers_that_were_asked_for_in_their_size_pass(name: str) -> None:
    assert shield(name) is LARGE


def test_the_output_schema_counts_only_for_who_knows_it() -> None:
    """Weak spot W5 of callmux (npm)."""
    value = {"rows": ROWS}
    result = Result(msgspec.json.encode({"content": [], "structuredContent": value}))
    direct = json.loads(shield("bb__rows", ToolCall(spelling="bb__rows"), result).raw)
    assert direct["structuredContent"]["_callmux"]["truncated"] is True
    through = json.loads(shield("callmux_call", ToolCall(spelling="bb__rows"), result).raw)
    assert "structuredContent" not in through


def test_an_answer_about_an_unknown_name_is_bounded_too() -> None:
    assert "server" not in note(shield("nothing", ToolCall(spelling="nothing")))


def test_a_small_result_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Result(msgspec.json.encode({"content": [{"type": "text", "text": "x" * 1000}]}))

    def look(*_: Any) -> Any:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(module.Shielding, "_order", look)
    assert shield("bb__rows", ToolCall(spelling="bb__rows"), small) is small


def test_switched_off_nothing_is_looked_at() -> None:
    assert shield("bb__rows", ToolCall(spelling="bb__rows"), general=ResponseShield(enabled=False)) is LARGE
