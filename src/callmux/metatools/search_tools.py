"""`callmux_search_tools`: the tools that fit a task.

Called through `callmux.metatools.table`; ranks the catalogue with `callmux.metatools.scoring`, with one index
for each catalogue, built when it is first searched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import ServerNotFound
from callmux.fields import Fields
from callmux.metatools.definitions import (
    DESCRIPTION_LENGTH,
    OUTPUT_FORMAT,
    READ_ONLY,
    TEXT,
    closed,
    definition,
)
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success
from callmux.upstream.catalogue import Catalogue, CatalogueEntry

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine
    from callmux.metatools.scoring import Document, Index

NAME = "callmux_search_tools"
DEFAULT_LIMIT = 10
MAX_LIMIT = 50

DESCRIPTION_CHARS = 64 * 1024
"""What the descriptions in one answer may take together; where they take more, each gets an equal share."""
SCHEMA_BYTES = 32 * 1024
"""What the input schemas in one answer may take together."""
LONE_SCHEMA_BYTES = 128 * 1024
"""The same for the best match alone: without its schema an agent cannot call it."""

DEFINITION = definition(
    NAME,
    "Find tools of the connected servers by words of the task. Start here when the tool you need is not "
    "listed, then use callmux_call.",
    closed(
        {
            "query": {"type": "string", "description": "Words of the task or tool; empty lists all"},
            "server": TEXT,
            "includeInputSchema": {"type": "boolean"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "Default 10"},
            "descriptionMaxLength": DESCRIPTION_LENGTH,
            "outputFormat": OUTPUT_FORMAT,
        }
    ),
    READ_ONLY,
)


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        description_length: Characters of a description; 0 means all, None what the configuration says.
        with_schema: Whether to show the input schema of each tool.
    """

    query: str
    server: str | None
    limit: int
    description_length: int | None
    with_schema: bool


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    query = fields.any_text("query")
    server = fields.optional_text("server")
    limit = fields.integer("limit", 1, MAX_LIMIT)
    search = Search(
        query=query or "",
        server=server,
        limit=DEFAULT_LIMIT if limit is None else limit,
        description_length=fields.integer("descriptionMaxLength", 0),
        with_schema=fields.boolean("includeInputSchema", False),
    )
    return Plan(name=NAME, output_format=output_format(fields), options=search)


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Searches.

    Raises:
        ServerNotFound: The server is unknown, or has not listed its tools yet.
        AuthorizationDenied: Rules leave the client no tool at all.
    """
    search: Search = plan.options
    if engine.sight is not None:
        engine.sight.refuse_nothing(context)
    catalogue = engine.seen_by(context)
    connected = sorted(key for key, s in catalogue.servers.items() if s.listed and not s.disabled)
    if search.server is not None and search.server not in connected:
        raise ServerNotFound(
            f'server "{search.server}" has no tools to search; there is {", ".join(connected) or "none"}',
            server=search.server,
            availableServers=connected,
        )
    ranking = await rank(catalogue, search.query, search.server, search.limit)
    length = cut_length(search.description_length, engine)
    payload: dict[str, Any] = {"query": search.query}
    if search.server is not None:
        payload["server"] = search.server
    shown = ranking.best
    if sum(len(entry.tool.description or "") for _, entry in shown) > DESCRIPTION_CHARS:
        length = min(length or DESCRIPTION_CHARS, DESCRIPTION_CHARS // len(shown))
    results = [_shown(entry, score, length) for score, entry in shown]
    counts = {"totalTools": ranking.scope, "found": ranking.found, "limit": search.limit}
    payload |= {**counts, "results": results}
    if search.with_schema and (left_out := add_schemas(results, [entry for _, entry in shown])):
        payload["schemasOmitted"] = left_out
        payload["hint"] = "too large together: search for the tool's name with limit 1"
    return success(payload)


class Ranking(msgspec.Struct, frozen=True):
    """What a search found.

    Attributes:
        best: The best tools and their scores, best first.
        found: How many tools match.
        scope: How many tools were looked at.
    """

    best: list[tuple[float, CatalogueEntry]]
    found: int
    scope: int


_indexes: WeakKeyDictionary[Catalogue, tuple[Index, list[CatalogueEntry]]] = WeakKeyDictionary()


async def rank(catalogue: Catalogue, query: str, server: str | None, most: int) -> Ranking:
    """The tools that match.

    A query without a usable word matches every tool with a score of 0. Equal tools come by server and name.

    Args:
        server: Only tools of this server.
        most: How many are wanted.
    """
    index, entries = await _index_of(catalogue)
    scores = index.scores(query)
    if not scores and not any(character.isalnum() for character in query):
        scores = dict.fromkeys(range(len(entries)), 0.0)
    if server is not None:
        scores = {n: score for n, score in scores.items() if entries[n].server == server}
    best = [(round(score, 3), entries[n]) for n, score in index.spread(query, scores, most)]
    return Ranking(best, len(scores), len(entries) if server is None else len(catalogue.offered(server)))


async def _index_of(catalogue: Catalogue) -> tuple[Index, list[CatalogueEntry]]:
    """The index of a catalogue and the tools by position; a new one leaves others their turns."""
    known = _indexes.get(catalogue)
    if known is not None:
        return known
    from callmux.metatools.scoring import Index  # its tables of words, for those who search

    index = Index()
    entries = sorted(catalogue.offered(), key=lambda entry: (entry.server, entry.tool.name))
    for _ in index.fill(map(_document, entries)):
        await asyncio.sleep(0)
    _indexes[catalogue] = index, entries
    return index, entries


class _Property(msgspec.Struct):
    description: str = ""


class _Parameters(msgspec.Struct):
    properties: dict[str, _Property] = {}


_PARAMETERS = msgspec.json.Decoder(_Parameters)


def _document(entry: CatalogueEntry) -> Document:
    tool = entry.tool
    try:
        # Decoded for this only: the schemas of thousands of tools would stay in memory otherwise.
        about = _PARAMETERS.decode(tool.members.get("inputSchema", b"{}")).properties
        names, descriptions = sorted(about), [about[name].description for name in sorted(about)]
    except msgspec.MsgspecError:
        names, descriptions = input_fields(entry), []
    # The same for all tools of a server, also where a long name had to be cut.
    prefix = entry.emitted.removesuffix(tool.name) if entry.emitted.endswith(tool.name) else ""
    return {
        "name": tool.name,
        "title": tool.title or "",
        "server": f"{entry.server} {prefix}",
        "description": tool.description or "",
        "parameters": " ".join(names),
        "parameter descriptions": " ".join(descriptions),
    }


def add_schemas(results: list[dict[str, Any]], entries: Sequence[CatalogueEntry]) -> list[str]:
    """Adds `inputSchema` to the results of these entries, the best first, as far as there is room.

    Returns:
        The emitted names of the tools whose schema was left out.
    """
    left_out = []
    room = SCHEMA_BYTES
    for n, (result, entry) in enumerate(zip(results, entries, strict=True)):
        schema = bytes(entry.tool.members.get("inputSchema", b"{}"))
        if len(schema) <= (LONE_SCHEMA_BYTES if n == 0 else room):
            result["inputSchema"] = Raw(schema)
            room -= len(schema)
        else:
            left_out.append(entry.emitted)
    return left_out


def input_fields(entry: CatalogueEntry) -> list[str]:
    """The names of the arguments a tool declares, sorted."""
    properties = entry.tool.input_schema.get("properties")
    return sorted(properties) if isinstance(properties, dict) else []


def cut_length(asked: int | None, engine: Engine) -> int | None:
    """Characters a description may have: what the call asks for (0 means all), else the configuration."""
    return engine.description_limit if asked is None else asked or None


def shortened(text: str, length: int | None) -> str:
    """`text`, cut to `length` characters and "..." where it is longer."""
    return text if length is None or len(text) <= length else text[:length] + "..."


def _shown(entry: CatalogueEntry, score: float, length: int | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "tool": entry.emitted,
        "name": entry.tool.name,
        "server": entry.server,
        "score": score,
    }
    if entry.tool.description:
        shown["description"] = shortened(entry.tool.description, length)
    if names := input_fields(entry):
        shown["inputFields"] = names
    return shown
