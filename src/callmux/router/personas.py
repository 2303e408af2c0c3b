"""What clients show their models: which meta-tools fit each, what they cut off and what they put aside. Pure.

Called by the router for what a client is listed, by `callmux.clients.instructions` and
`callmux.doctor.arriving` for what is said of it. It counts only where the configuration has `persona`, by
itself or by a preset. A row only shortens what is listed: every client can call every meta-tool.

A row without a name in `clients` is for a configuration that names it. Each fact has a source and a date;
one that was not seen with the real client (`benchmarks/sight.py`) says so. It imports nothing but the
standard library and the table of meta-tools, because a command that only prints reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from callmux.metatools.table import names, traits

AUTO, NONE = "auto", "none"
"""The persona by the client's own name; none at all."""


RELAYS = "callmux_call"
TAKES = {name: own.takes for name in names() if (own := traits(name)) is not None and own.takes}
"""What it takes as the arguments of other meta-tools, for clients that are not listed these."""


class Citation(NamedTuple):
    """Where a fact comes from.

    Attributes:
        what: The fact.
        where: The page, or what was run.
        date: When it said so.
        recorded: Whether a real client was seen to do it.
    """

    what: str
    where: str
    date: str
    recorded: bool = False


class Persona(NamedTuple):
    """One kind of client.

    Attributes:
        name: What it is called in a configuration.
        title: What people call it.
        entered_as: What `callmux client` and `callmux instructions` call it, where that is another name.
        clients: What it calls itself in `clientInfo`.
        declares: Experimental capabilities that only such a client declares, whatever it calls itself.
        basic: Whether it is listed those meta-tools only through which it reaches everything else.
        sparing: Whether only meta-tools with room for an index ask it not to be put aside; else all do.
        searches: Whether it has a search of its own for the tools it is listed: where the servers' tools are
            listed, too, it needs no second one.
        defers: Whether it puts tools aside that do not ask not to be: its model sees their names only.
        instructions: Characters of `instructions` that reach its model; all where None.
        description: The same of a tool's description.
        schema: Bytes that one tool's input schema may have, as compact JSON: of a larger one no description
            of a parameter reaches it. Any where None.
        sources: Where all this comes from; empty for a row of which no one client is meant.
    """

    name: str
    title: str
    entered_as: str = ""
    clients: tuple[str, ...] = ()
    declares: tuple[str, ...] = ()
    basic: bool = False
    sparing: bool = False
    searches: bool = False
    defers: bool = False
    instructions: int | None = None
    description: int | None = None
    schema: int | None = None
    sources: tuple[Citation, ...] = ()

    def lists(self, tool: str, *, proxied: bool) -> bool:
        """Whether it is listed a meta-tool.

        Args:
            proxied: Whether it is listed the servers' tools as well.
        """
        known = traits(tool)
        assert known is not None, tool
        return not (self.searches and proxied and known.lists) and (known.basic or not self.basic)

    def shown(self, tools: Sequence[Mapping[str, Any]], *, proxied: bool) -> list[dict[str, Any]]:
        """The meta-tools as it is listed them. Where it is listed few, one of these says how it has others.

        Args:
            tools: The definitions of those that it may call.
            proxied: Whether it is listed the servers' tools as well.
        """
        listed = [dict(tool) for tool in tools if self.lists(tool["name"], proxied=proxied)]
        left = {tool["name"] for tool in tools} - {tool["name"] for tool in listed}
        others = [f"{name} {takes}" for name, takes in TAKES.items() if name in left]
        for tool in listed:
            if tool["name"] == RELAYS and others:
                tool["description"] = f"{tool['description'].removesuffix('.')}: {'; '.join(others)}."
        return listed

    def loads(self, tool: str) -> bool:
        """Whether a meta-tool that it is listed asks not to be put aside."""
        known = traits(tool)
        return not self.sparing or (known is not None and known.page > 0)


_SEEN = "2026-11-30"
_BY = "benchmarks/sight.py, against a model on the same machine"

TABLE = (
    Persona(
        name="claude-code",
        title="Claude Code",
        entered_as="claude",
        clients=("claude-code",),
        sparing=True,
        searches=True,
        defers=True,
        instructions=2048,
        description=2048,
        sources=(
            Citation(
                'Claude Code 2.1.332 puts tools aside that do not have `_meta["anthropic/alwaysLoad"]`: its'
                " model sees their names, and searches for the rest",
                _BY,
                _SEEN,
                recorded=True,
            ),
            Citation(
                "It cuts instructions and descriptions of tools at 4,096 characters, and descriptions of"
                " parameters nowhere",
                _BY,
                _SEEN,
                recorded=True,
            ),
            Citation(
                "Earlier versions cut instructions and descriptions at 2 KB, which is what counts here",
                "its documentation, MCP, scale with MCP tool search",
                "2026-06-15",
            ),
        ),
    ),
    Persona(
        name="codex",
        title="Codex",
        clients=("codex-mcp-client",),
        declares=("codex/auth-change",),
        basic=True,
        searches=True,
        schema=4000,
        sources=(
            Citation(
                "Codex 0.171.0 shows instructions and descriptions of tools whole (20,000 characters)",
                _BY,
                _SEEN,
                recorded=True,
            ),
            Citation(
                "It drops the descriptions of a tool's parameters where they are long: 4,200 characters"
                " arrive, 6,000 do not",
                _BY,
                _SEEN,
                recorded=True,
            ),
            Citation(
                "It drops them where the input schema has more than 5,000 bytes",
                "github.com/openai/codex/pull/31497",
                "2026-07-07",
            ),
            Citation(
                "Earlier versions dropped them beyond 4,000 bytes, which is what counts here",
                "github.com/openai/codex/pull/31497",
                "2026-07-07",
            ),
            Citation(
                "With models that can, it keeps MCP tools behind a search of its own",
                "github.com/openai/codex/pull/29486",
                "2026-06-22",
            ),
            Citation(
                "In its code mode the model calls tools from code that it writes",
                "github.com/openai/codex/pull/17287",
                "2026-04-10",
            ),
        ),
    ),
    Persona(
        name="gemini",
        title="Gemini CLI",
        clients=("gemini-cli-mcp-client",),
        sources=(
            Citation(
                "Gemini CLI 0.61.0 shows instructions and all descriptions whole (20,000 characters)",
                _BY,
                _SEEN,
                recorded=True,
            ),
        ),
    ),
    Persona(
        name="code",
        title="a client that runs code over tools",
        basic=True,
    ),
    Persona(
        name="searching",
        title="a client with a tool search of its own",
        searches=True,
    ),
)
"""Every persona. A client that is in none is listed everything."""

_BY_NAME = {persona.name: persona for persona in TABLE}
_BY_CLIENT = {client: persona for persona in TABLE for client in persona.clients}
_BY_ENTRY = {persona.entered_as: persona for persona in TABLE if persona.entered_as}
_BY_CAPABILITY = {name: persona for persona in TABLE for name in persona.declares}


def persona_of(wanted: str | None, client: str | None, capabilities: bytes = b"{}") -> Persona | None:
    """The persona of a client; None where it is listed everything.

    Args:
        wanted: The key `persona`: `auto`, `none` or a name; None where the configuration has none.
        client: The name in its `clientInfo`.
        capabilities: What it declares, as JSON.
    """
    if wanted != AUTO:
        return _BY_NAME.get(wanted or NONE)
    if (found := _BY_CLIENT.get(client or "")) is not None or b'"experimental"' not in capabilities:
        return found
    experimental = json.loads(capabilities).get("experimental")
    names = experimental if isinstance(experimental, dict) else {}
    return next((_BY_CAPABILITY[name] for name in names if name in _BY_CAPABILITY), None)


def named(name: str) -> Persona | None:
    """A persona by its name, by what its clients call themselves, or by what other commands call them."""
    return _BY_NAME.get(name) or _BY_CLIENT.get(name) or _BY_ENTRY.get(name)
