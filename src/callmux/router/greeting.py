"""What callmux says of itself, in the answers to `initialize` and `server/discover`: capabilities,
instructions, identity. Pure.

Called by `callmux.process.portraits`. The servers' capabilities are joined and their instructions merged.
While some are still starting, everything is declared that any of them may turn out to have: a list that
stays empty harms nobody, a capability that was not declared is lost for the session. What is declared is
answered: with several servers, requests that only a server knows reach none of them, so its capabilities
for these are not declared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from callmux import __version__
from callmux.protocol import extensions
from callmux.protocol.params import members
from callmux.upstream.inventory.offer import Offer

SERVER_INFO = {"name": "callmux", "title": "callmux", "version": __version__}

OWN_INSTRUCTIONS = (
    "callmux puts several MCP servers behind one. Several independent calls: callmux_parallel. One tool, "
    "many arguments: callmux_batch. Calls that feed each other: callmux_pipeline. Tools by task: "
    "callmux_search_tools."
)

APPROVAL_INSTRUCTIONS = (
    "Some calls wait until a person has approved them. After approval_denied, ask the person what to do "
    "instead of trying the same in another way; never run callmux approve yourself."
)

INDEX_INSTRUCTIONS = (
    "The description of callmux_call holds an index of the servers' tools with their parameters, which goes "
    "on in others where it is long: call a tool that stands there without a search."
)
SHORTEST = 120
"""Characters of a server's instructions that are still worth a heading."""

_EVERYTHING: dict[str, Any] = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}
_OURS = frozenset(_EVERYTHING)
_OF_SESSIONS = frozenset({"tasks"})
"""Capabilities of earlier revisions, for requests that 2026-07-28 does not have."""
_OF_SEVERAL = frozenset({"experimental", "tasks"})
"""Capabilities beside ours that several servers may have: of tasks callmux knows whose each is, and
experimental ones are notifications as a rule, which pass to and from all."""
_EXTENSIONS = {row.key: row.whole for row in extensions.TABLE if row.whole is not None}
"""Extensions that some server may turn out to have, with all that it may have of them."""


def greeting(
    version: str,
    offers: Mapping[str, Offer],
    *,
    complete: bool,
    own: bool,
    experimental: Collection[str] = (),
    told: str | None = None,
    several: bool = False,
    asks: bool = False,
) -> bytes:
    """The result of `initialize`.

    Args:
        version: The MCP revision.
        offers: What the servers that are up offer, by name.
        complete: Whether no server is still starting.
        own: Whether the meta-tools are listed, so they are worth a word.
        experimental: Names of what the way to the client can do beyond MCP.
        told: The servers and the number of their tools, where an index of these stands in descriptions.
        several: Whether there are several servers, up or not.
        asks: Whether a person is asked about some calls.
    """
    joined = _joined(offers, several=several or len(offers) > 1)
    capabilities = joined if complete else _everything(joined)
    _declare(capabilities, experimental)
    answer: dict[str, Any] = {
        "protocolVersion": version,
        "capabilities": capabilities,
        "serverInfo": SERVER_INFO,
    }
    if text := _instructions(offers, own, asks) if told is None else _bounded(told, offers, asks):
        answer["instructions"] = text
    return msgspec.json.encode(answer)


def transparent_greeting(version: str, offer: Offer, experimental: Collection[str] = ()) -> bytes:
    """The result of `initialize` as the only server gives it, but for the revision."""
    capabilities: dict[str, Any] = dict(offer.capabilities)
    _declare(capabilities, experimental)
    answer: dict[str, Any] = {"protocolVersion": version, "capabilities": capabilities}
    answer["serverInfo"] = Raw(offer.server_info) if offer.server_info is not None else SERVER_INFO
    if offer.instructions is not None:
        answer["instructions"] = offer.instructions
    answer.update({name: Raw(raw) for name, raw in offer.others.items()})
    return msgspec.json.encode(answer)


class Portrait(msgspec.Struct, frozen=True):
    """What callmux says of itself to a client without a handshake.

    Attributes:
        capabilities: What is answered.
        info: Who answers, as JSON.
        instructions: For the model; empty for none.
        complete: Whether nothing of it is a guess: every server has said what it has.
    """

    capabilities: Mapping[str, Any]
    info: bytes
    instructions: str
    complete: bool


def portrait(
    offers: Mapping[str, Offer],
    *,
    complete: bool,
    own: bool,
    told: str | None = None,
    several: bool = False,
    asks: bool = False,
    transparent: bool = False,
) -> Portrait:
    """The same as `greeting` for a client without a handshake.

    Args:
        transparent: Whether the only server speaks for itself.
    """
    only = next(iter(offers.values()), None) if transparent else None
    if only is not None:
        joined = dict(only.capabilities)
        info = only.server_info if only.server_info is not None else msgspec.json.encode(SERVER_INFO)
        text = only.instructions or ""
    else:
        joined = _joined(offers, several=several or len(offers) > 1)
        if not complete:
            joined = _everything(joined)
        info = msgspec.json.encode(SERVER_INFO)
        text = _instructions(offers, own, asks) if told is None else _bounded(told, offers, asks)
    shown = {name: value for name, value in joined.items() if name not in _OF_SESSIONS}
    return Portrait(shown, bytes(info), text, complete)


def _declare(capabilities: dict[str, Any], experimental: Collection[str]) -> None:
    if experimental:
        declared = capabilities.get("experimental")
        others = members(declared) if isinstance(declared, Raw) else dict(declared or {})
        capabilities["experimental"] = {**others, **{name: {} for name in sorted(experimental)}}


def _joined(offers: Mapping[str, Offer], *, several: bool) -> dict[str, Any]:
    joined: dict[str, Any] = {"tools": {"listChanged": True}}
    for offer in offers.values():
        for name, raw in offer.capabilities.items():
            if name == "resources":
                joined[name] = _merged(_resources(raw), joined.get(name, {}))
            elif name in _OURS:
                # Lists can change at any time: a server may be added or come back different.
                joined[name] = _EVERYTHING[name]
            elif not several:
                joined[name] = raw
            elif name == "extensions":
                served = {key: _plain(value) for key, value in members(raw).items() if key in extensions.KEYS}
                if served:
                    joined[name] = _merged(joined.get(name, {}), served)
            elif name in extensions.CAPABILITIES:
                # What it says beside is of one server by itself.
                joined[name] = {}
            elif name in _OF_SEVERAL:
                joined[name] = _merged(joined.get(name, {}), _plain(raw))
    return joined


def _everything(joined: Mapping[str, Any]) -> dict[str, Any]:
    """What servers have, and whatever those may turn out to have that nobody knows yet."""
    given = joined.get("extensions", {})
    known = _plain(given) if isinstance(given, Raw) else given
    return {**joined, **_EVERYTHING, "extensions": _merged(known, _EXTENSIONS)}


def _resources(raw: Raw) -> dict[str, Any]:
    told = {"subscribe": True} if members(raw).get("subscribe") == Raw(b"true") else {}
    return {**told, "listChanged": True}


def _plain(raw: Raw) -> Any:
    return msgspec.json.decode(raw)


def _merged(one: Any, other: Any) -> Any:
    """What two servers declare under one name: members and list items of both; what one of them does; else
    the first one wins."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: _merged(value, other[name]) if name in other else value for name, value in one.items()}
        return both | {name: value for name, value in other.items() if name not in one}
    if isinstance(one, list) and isinstance(other, list):
        return one + [item for item in other if item not in one]
    return True if other is True and one is False else one


def _instructions(offers: Mapping[str, Offer], own: bool, asks: bool) -> str:
    told = [(name, offer.instructions) for name, offer in offers.items() if offer.instructions]
    parts = [OWN_INSTRUCTIONS] if own else []
    parts += [APPROVAL_INSTRUCTIONS] if asks else []
    if len(offers) == 1:
        parts.extend(text for _, text in told)
    else:
        parts.extend(f"## {name}\n{text}" for name, text in told)
    return "\n\n".join(parts)


def _bounded(told: str, offers: Mapping[str, Offer], asks: bool) -> str:
    """The same where an index stands in descriptions: as long at most as clients show, however many servers
    there are, whose instructions have equal shares of what is left, by name."""
    from callmux.router.compress import shortened
    from callmux.router.text_size import CUT, characters

    parts = [OWN_INSTRUCTIONS, *([APPROVAL_INSTRUCTIONS] if asks else [])]
    parts.append(
        f"{INDEX_INSTRUCTIONS} Servers with their number of tools: {told}." if told else INDEX_INSTRUCTIONS
    )
    theirs = [(name, offers[name].instructions or "") for name in sorted(offers) if offers[name].instructions]
    while theirs:
        share = (CUT - characters("\n\n".join(parts))) // len(theirs) - len("\n\n")
        if share < SHORTEST:
            theirs.pop()
            continue
        name, text = theirs.pop(0)
        heading = f"## {name}\n" if len(offers) > 1 else ""
        parts.append(heading + shortened(text.strip(), max(share - len(heading), 0)))
    return "\n\n".join(parts)
