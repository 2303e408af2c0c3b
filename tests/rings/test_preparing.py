"""Arguments reach a tool in the shape its schema asks for, or as the bytes that came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import ArgumentResolutionFailed
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.preparing import Preparing
from tests.support import context, planned, play, through

COUNTING = Tool(
    b'{"name":"t","inputSchema":{"type":"object","properties":{"n":{"type":"integer"},"s":{"type":"string"}}}}'
)


def sent(stage: Preparing, arguments: bytes | None, tool: Tool | None) -> Call:
    """The call as the next stage sees it."""
    seen: list[Call] = []

    async def proceed(call: Call, around: Any) -> Result:
        seen.append(call)
        return Result(b"{}")

    raw = None if arguments is None else Raw(arguments)
    call = planned(
        server="s",
        method="tools/call",
        target="t",
        asked=ToolCall(spelling="t", arguments=raw),
        arguments=raw,
        tool=tool,
        seconds=1,
        deadline=1,
    )
    play(through(stage, call, context(), proceed))
    return seen[0]


def test_arguments_are_shaped_to_the_schema() -> None:
    """What the caller wrote stays beside it."""
    call = sent(Preparing(), b'{"n":"5"}', COUNTING)
    assert call.arguments is not None
    assert json.loads(bytes(call.arguments)) == {"n": 5}
    assert call.asked.arguments is not None
    assert bytes(call.asked.arguments) == b'{"n":"5"}'


@pytest.mark.parametrize(
    ("arguments", "tool"),
    [
        (b'{ "n" : 5 }', COUNTING),
        (b'{ "n" : "5" }', None),
        (None, COUNTING),
        (b'{ "n" : "5" }', Tool(b'{"name":"t"}')),
        (b'{ "n" : "5" }', Tool(b'{"name":"t","inputSchema":{"type":"object"}}')),
    ],
)
def test_arguments_that_fit_leave_as_they_came(arguments: bytes | None, tool: Tool | None) -> None:
    """As do those of a tool nobody knows."""
    call = sent(Preparing(), arguments, tool)
    assert (call.arguments and bytes(call.arguments)) == arguments


def test_references_are_resolved_before_anything_else() -> None:
    """What is in an envelope, and what the schema wants converted, may come from a reference."""
    call = sent(Preparing(), b'{"params":{"n":{"$text":"5"},"s":{"$text":{"lines":["a","b"]}}}}', COUNTING)
    assert call.arguments is not None
    assert json.loads(bytes(call.arguments)) == {"n": 5, "s": "a\nb"}


def test_a_reference_that_does_not_work_sends_nothing() -> None:
    with pytest.raises(ArgumentResolutionFailed):
        sent(Preparing(), b'{"n":{"$text":5}}', None)


def test_a_preview_prepares_without_sending() -> None:
    call = planned(
        server="s", method="tools/call", target="t", asked=ToolCall(spelling="t"), seconds=1, deadline=1
    )
    assert play(Preparing().prepare(call)) is call
    given = planned(arguments=Raw(b'{"s":{"$text":"x"}}'))
    prepared = play(Preparing().prepare(given))
    assert prepared.arguments is not None
    assert bytes(prepared.arguments) == b'{"s":"x"}'


def test_in_the_transparent_mode_arguments_go_on_as_they_came() -> None:
    """Neither shaped nor resolved, whether sent or previewed."""
    stage = Preparing(plain=True)
    for arguments in (b'{"n":"5"}', b'{"n":{"$text":"5"}}', b'{"n":{"$file":"nowhere"}}'):
        call = sent(stage, arguments, COUNTING)
        assert bytes(call.arguments or b"") == arguments
        assert play(stage.prepare(call)) is call
