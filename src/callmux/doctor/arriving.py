"""What reaches the model of one kind of client, after what that client cuts off and puts aside. Pure.

Called by `callmux.cli.doctor_client`, with what callmux answered such a client. What each client does is in
`callmux.router.personas`; tokens are estimated by `callmux.tokens`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from callmux.router.listing import ALWAYS_LOAD
from callmux.router.personas import Citation, Persona
from callmux.tokens import estimate

_SEEN = ("name", "description", "inputSchema")
"""What a client gives its model of a tool; the rest is for the client."""


class Arrival(msgspec.Struct, frozen=True, rename="camel"):
    """A text, or a tool, on its way to a model.

    Attributes:
        name: The tool; `instructions` for these.
        state: `whole`, `cut`, or `aside` where the model sees no more than the name until it searches.
        sent: Characters that callmux gives.
        arrived: Characters of them that reach the model.
        tokens: What these come to.
    """

    name: str
    state: str
    sent: int
    arrived: int
    tokens: int


class Portion(msgspec.Struct, frozen=True, rename="camel"):
    """What reaches the model of a client at every turn.

    Attributes:
        client: The name of the persona.
        title: What people call it.
        instructions: The instructions.
        tools: Each listed tool.
        tokens: All of it.
        sources: Where the client's rules come from.
    """

    client: str
    title: str
    instructions: Arrival
    tools: Sequence[Arrival]
    tokens: int
    sources: Sequence[Citation]


def arrivals(persona: Persona, instructions: str, tools: Iterable[Mapping[str, Any]]) -> Portion:
    """What reaches the model of this client.

    Args:
        persona: The client.
        instructions: What callmux tells it in `initialize`.
        tools: What it is listed.
    """
    told = _instructions(persona, instructions)
    shown = [_tool(persona, tool) for tool in tools]
    total = told.tokens + sum(one.tokens for one in shown)
    return Portion(persona.name, persona.title, told, shown, total, persona.sources)


def lines(found: Portion) -> list[str]:
    """The same for people."""
    at_once = [tool for tool in found.tools if tool.state != "aside"]
    aside = [tool for tool in found.tools if tool.state == "aside"]
    said = [
        f"What reaches the model of {found.title}, at every turn:",
        f"  instructions: {_amount(found.instructions)}",
        f"  tools: {len(at_once)}, {sum(tool.tokens for tool in at_once)} tokens",
    ]
    said += [f"    {tool.name}: {_amount(tool)}" for tool in at_once]
    if aside:
        names = ", ".join(tool.name for tool in aside)
        said.append(
            f"  by name only, until it searches: {len(aside)}, {sum(t.tokens for t in aside)} tokens: {names}"
        )
    said += [f"  together: about {found.tokens} tokens (estimated)", "", "How that is known:"]
    said += [
        f"  {source.what} ({source.where}, {source.date}{'' if source.recorded else '; not recorded'})"
        for source in found.sources
    ] or [
        f'  A client counts as one of this kind where the configuration has "persona": "{found.client}"',
        "  What such clients cut off is not recorded: nothing is taken off here",
    ]
    return said


def _instructions(persona: Persona, text: str) -> Arrival:
    kept = text if persona.instructions is None else text[: persona.instructions]
    return Arrival(
        "instructions",
        "whole" if kept == text else "cut",
        len(text),
        len(kept),
        estimate(kept) if kept else 0,
    )


def _tool(persona: Persona, tool: Mapping[str, Any]) -> Arrival:
    name, whole = str(tool["name"]), _text(_given(tool))
    if is_aside(persona, tool):
        return Arrival(name, "aside", len(whole), len(name), estimate(name))
    seen = _text(reaching(persona, tool))
    return Arrival(name, "whole" if seen == whole else "cut", len(whole), len(seen), estimate(seen))


def is_aside(persona: Persona, tool: Mapping[str, Any]) -> bool:
    """Whether the client puts a tool aside: its model sees the name alone until it searches."""
    meta = tool.get("_meta")
    return persona.defers and not (isinstance(meta, Mapping) and meta.get(ALWAYS_LOAD) is True)


def reaching(persona: Persona, tool: Mapping[str, Any]) -> dict[str, Any]:
    """What reaches the model of a tool that its client does not put aside."""
    seen = _given(tool)
    if "description" in seen:
        seen["description"] = str(seen["description"])[: persona.description]
    if persona.schema is not None and len(msgspec.json.encode(seen.get("inputSchema"))) > persona.schema:
        seen["inputSchema"] = _bare(seen["inputSchema"])
    return seen


def descriptions(schema: Any) -> Iterator[str]:
    """Every description in a schema, or in a whole definition."""
    if isinstance(schema, Mapping):
        for key, inner in schema.items():
            if key == "description" and isinstance(inner, str):
                yield inner
            else:
                yield from descriptions(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from descriptions(inner)


def _bare(schema: Any) -> Any:
    """A schema without descriptions; a property may have that name."""
    if isinstance(schema, Mapping):
        return {
            key: _bare(inner)
            for key, inner in schema.items()
            if not (key == "description" and isinstance(inner, str))
        }
    return [_bare(inner) for inner in schema] if isinstance(schema, list) else schema


def _given(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tool[key] for key in _SEEN if key in tool}


def _text(definition: Mapping[str, Any]) -> str:
    return msgspec.json.encode(definition).decode()


def _amount(one: Arrival) -> str:
    cut = "" if one.state == "whole" else f" of {one.sent}: the rest is cut off"
    return f"{one.tokens} tokens, {one.arrived} characters{cut}"
