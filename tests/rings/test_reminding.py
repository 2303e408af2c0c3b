"""A call that its server refused for its arguments comes back with the tool's schema."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from callmux.errors import ToolCallFailed
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.converting import Reminded, alone
from callmux.rings.reminding import LARGEST, Reminding, is_broken, schema_of
from callmux.rings.stage import Stages
from tests.support import planned, route

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}


def tool(schema: Any = SCHEMA, name: str = "t") -> Tool:
    return Tool(json.dumps({"name": name, "inputSchema": schema}).encode())


def stage(*listed: Tool, kind: bytes | None = None) -> Reminding:
    """The stage before a server that lists these tools to clients of the caller's kind."""
    views: Any = SimpleNamespace(of={kind: listed}.__getitem__)
    server: Any = SimpleNamespace(kind_of=lambda client: kind, views=views)
    return Reminding({"s": server})


STAGE = stage()


def call(arguments: Any, schema: Any = SCHEMA) -> Call:
    raw = None if arguments is None else json.dumps(arguments).encode()
    return planned(tool=tool(schema), arguments=raw, stages=Stages(()))


def direct(arguments: Any) -> Call:
    made = call(arguments)
    made.stages = made.route.direct
    return made


def error(text: str, **more: Any) -> Result:
    return Result(json.dumps({"content": [{"type": "text", "text": text}], "isError": True, **more}).encode())


def refused(code: int) -> ToolCallFailed:
    failure = ToolCallFailed("no")
    failure.rpc = json.dumps({"code": code, "message": "no"}).encode()
    return failure


def texts(result: object) -> list[str]:
    assert isinstance(result, Result)
    return [item["text"] for item in json.loads(result.raw)["content"]]


def further(result: object) -> Any:
    """What the last text of an error result shows."""
    assert isinstance(result, Result)
    assert result.is_error
    return json.loads(texts(result)[-1])


@pytest.mark.parametrize("arguments", [{}, None, {"n": "x"}, {"n": 0}])
def test_an_error_of_arguments_that_break_the_schema_shows_it(arguments: Any) -> None:
    shown = STAGE.leave(made := direct(arguments), error("What?"))
    assert texts(shown)[0] == "What?"
    assert further(shown) == {"tool": "t", "inputSchema": SCHEMA}
    assert type(shown) is Result
    assert made.arguments is None or is_broken(tool(), made.arguments)


@pytest.mark.parametrize(
    "text",
    [
        "MCP error -32602: Invalid arguments for tool t",
        "Input validation error: 'n' is a required property",
        "1 validation error for tArguments\nn\n  Field required",
    ],
)
def test_what_a_server_says_of_its_own_check_counts_as_well(text: str) -> None:
    """Its check may say more than its schema."""
    assert further(STAGE.leave(direct({"n": 1}), error(text)))["inputSchema"] == SCHEMA


def test_a_json_rpc_error_of_invalid_params_becomes_a_result_with_it() -> None:
    shown = STAGE.leave(direct({"n": 1}), refused(-32602))
    assert further(shown)["inputSchema"] == SCHEMA
    assert isinstance(shown, Result)
    assert shown.code == "tool_call_failed"
    assert json.loads(texts(shown)[0])["error"]["code"] == "tool_call_failed"
    assert "structuredContent" not in json.loads(shown.raw), "clients would show it in place of the texts"


@pytest.mark.parametrize(
    "outcome",
    [
        Result(b'{"content":[{"type":"text","text":"-32602"}]}'),
        Result(b'{"content":[{"type":"text","text":"the word \\"isError\\""}]}'),
        error("The file is not there"),
        refused(-32603),
        ToolCallFailed("gone"),
        RuntimeError("anything"),
    ],
)
def test_whatever_else_comes_back_stays_as_it_is(outcome: Any) -> None:
    assert STAGE.leave(direct({"n": 1}), outcome) is outcome


def test_what_else_an_error_says_stays() -> None:
    shown = STAGE.leave(direct({}), error("What?", structuredContent={"why": 1}, _meta={"k": 2}))
    assert isinstance(shown, Result)
    members = json.loads(shown.raw)
    assert members["structuredContent"] == {"why": 1}
    assert members["_meta"] == {"k": 2}
    bare = STAGE.leave(direct({}), Result(b'{"isError":true}'))
    assert further(bare)["inputSchema"] == SCHEMA


def test_one_of_several_calls_can_be_shown_without_it() -> None:
    shown = STAGE.leave(call({}), error("What?"))
    assert type(shown) is Reminded
    assert shown.tool == ("s", "t")
    assert shown.plain.raw == error("What?").raw
    assert json.loads(bytes(shown.beside["inputSchema"])) == SCHEMA
    assert further(shown)["inputSchema"] == SCHEMA
    assert type(alone(shown)) is Result
    assert alone(shown).raw == shown.raw
    assert alone(shown.plain) is shown.plain


def test_for_a_very_large_schema_it_says_how_to_get_it() -> None:
    large = {**SCHEMA, "description": "x" * LARGEST}
    assert schema_of(tool(large)).keys() == {"hint"}
    assert "callmux_search_tools" in further(STAGE.leave(call({}, large), error("What?")))["hint"]


def test_arguments_that_are_no_json_are_not_judged() -> None:
    assert not is_broken(tool(), b"{")


@pytest.mark.parametrize("outcome", [error("What?"), error("-32602"), refused(-32602)])
def test_a_client_is_shown_the_schema_that_clients_of_its_kind_are_listed(outcome: Any) -> None:
    """A server may list each kind of clients, or each sign-in, something else."""
    own = {"type": "object", "required": ["m"]}
    seen = stage(tool(name="other"), tool(own), kind=b"one")
    assert further(seen.leave(direct({}), outcome))["inputSchema"] == own
    unseen = stage(tool(name="other"), kind=b"one")
    assert unseen.leave(direct({}), outcome) is outcome


def test_it_concerns_tools_whose_schema_is_known() -> None:
    assert STAGE.concerns(call({}).route)
    assert not STAGE.concerns(planned().route)
    assert not STAGE.concerns(route("s", tool(), method="resources/read"))
