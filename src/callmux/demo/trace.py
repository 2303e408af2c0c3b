"""What passed between the agent and callmux, and the figures computed from it. Pure.

Written by `callmux.demo.agent`, read by `callmux.demo.report` and printed by `callmux demo --json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

BYTES_PER_TOKEN = 4
"""The rule of thumb behind every token figure: English and JSON take about four bytes a token."""


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line the agent sent or received.

    Attributes:
        kind: `sent` or `received`.
        method: The method of the request, also on its answer.
        tool: The tool, where the method is `tools/call`.
        part: The part of the task it belongs to; None for setting up and looking round.
        way: `one by one` or `callmux`; None where `part` is.
        ms: Milliseconds since the trace began.
        bytes: Length of the line.
        context_bytes: What of it stands in the model's context: of a call the tool's name and its arguments,
            of an answer the text of its content, of a listing the definitions of the tools.
        own_bytes: Of a listing's `context_bytes`, the definitions of callmux's own tools.
    """

    kind: str
    method: str
    tool: str | None
    part: str | None
    way: str | None
    ms: float
    bytes: int
    context_bytes: int
    own_bytes: int = 0


class Figures(msgspec.Struct, frozen=True, rename="camel"):
    """What one way of doing one part cost the agent."""

    calls: int
    ms: float
    bytes: int
    tokens: int


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One line of the table; `tool` is the meta-tool that replaced the single calls."""

    part: str
    tool: str
    one_by_one: Figures
    callmux: Figures


ONE_BY_ONE = "one by one"
CALLMUX = "callmux"


def tokens(size: int) -> int:
    """Estimated tokens of `size` bytes, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


def figures(messages: Iterable[Message]) -> Figures:
    """The sum over `messages`: an agent waits from each call to its answer, one at a time."""
    calls, waited, size, began = 0, 0.0, 0, 0.0
    for message in messages:
        size += message.context_bytes
        if message.kind == "sent":
            calls += 1
            began = message.ms
        else:
            waited += message.ms - began
    return Figures(calls, round(waited, 1), size, tokens(size))


def rows(trace: Sequence[Message]) -> list[Row]:
    """A row a part, in the order they were done, and the total."""
    parts = list(dict.fromkeys(m.part for m in trace if m.part is not None))
    table = [_row(part, [m for m in trace if m.part == part]) for part in parts]
    done = [m for m in trace if m.part is not None]
    return [*table, Row("total", "", _of(done, ONE_BY_ONE), _of(done, CALLMUX))]


def _row(part: str, messages: list[Message]) -> Row:
    tool = next((m.tool for m in messages if m.way == CALLMUX and m.tool), "")
    return Row(part, tool, _of(messages, ONE_BY_ONE), _of(messages, CALLMUX))


def _of(messages: list[Message], way: str) -> Figures:
    return figures(m for m in messages if m.way == way)


def tokens_read(trace: Sequence[Message], way: str) -> int:
    """Estimated tokens the model reads over all its turns.

    Each call is a turn, and each turn reads the tool listing and the conversation so far again; a last turn
    reads the last answer. One call at a time needs no callmux, so callmux's tools count only for its own way.
    A client's prompt caching is left out: it makes the repetition cheaper and not shorter.
    """
    listings = [m for m in trace if m.method == "tools/list" and m.kind == "received"]
    own = sum(m.own_bytes for m in listings)
    context = sum(m.context_bytes for m in listings) - (own if way == ONE_BY_ONE else 0)
    total = 0
    for message in trace:
        if message.way != way:
            continue
        if message.kind == "sent":
            total += context
        context += message.context_bytes
    return tokens(total + context)
