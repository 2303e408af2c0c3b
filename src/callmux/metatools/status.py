"""`callmux_status`: what is connected, and how it is doing.

Called through `callmux.metatools.table`; takes the facts from `Engine.status` and the tools from the
catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

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
from callmux.metatools.search_tools import cut_length, shortened
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success
from callmux.upstream.catalogue import Catalogue

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_status"

DEFINITION = definition(
    NAME,
    "Health: servers and their tools, failures, recipes, cache, limits. For when calls fail.",
    closed(
        {
            "server": TEXT,
            "descriptions": {"type": "boolean", "description": "Show the tools' descriptions"},
            "descriptionMaxLength": DESCRIPTION_LENGTH,
            "recommendations": {"type": "boolean", "description": "Default true"},
            "sessions": {"type": "boolean", "description": "Show the sessions of a shared listener"},
            "outputFormat": OUTPUT_FORMAT,
        }
    ),
    READ_ONLY,
)

_BEFORE_TOTAL = (
    "mode",
    "namespace",
    "instanceId",
    "wrappedServers",
    "servers",
    "failedServers",
    "toolSuiteGeneration",
    "lastToolSuiteChangeAt",
)
_FINE = frozenset({"connected", "disabled", "sleeping"})


class StatusQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    server: str | None
    descriptions: bool
    description_length: int | None
    recommendations: bool
    sessions: bool


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    question = StatusQuestion(
        server=fields.optional_text("server"),
        descriptions=fields.boolean("descriptions", False),
        description_length=fields.integer("descriptionMaxLength", 0),
        recommendations=fields.boolean("recommendations", True),
        sessions=fields.boolean("sessions", False),
    )
    return Plan(name=NAME, output_format=output_format(fields), options=question)


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Puts the answer together.

    Raises:
        ServerNotFound: The server is unknown.
    """
    return success(payload(plan.options, engine, context))


def payload(question: StatusQuestion, engine: Engine, context: CallContext | None = None) -> dict[str, Any]:
    """The answer, its members in the order that clients know.

    Args:
        context: Whose request it is; None for the operator, who sees everything.
    """
    facts = engine.status()
    catalogue = engine.catalogue()
    if context is not None and (sight := engine.sight) is not None:
        from callmux.metatools.own_part import own_part

        catalogue = sight.seen_by(context)
        facts = own_part(facts, catalogue, sight.recipes(context).keys(), context.about)
    elif context is not None and context.principal is not None and "listener" in facts:
        from callmux.metatools.own_part import without_others

        facts = facts | {"listener": without_others(facts["listener"], context.about)}
    servers = _shown_servers(question, facts)
    tools = _Tools(catalogue, question, engine)
    shown = [server | tools.of(server["name"]) for server in servers]
    degraded = bool(facts.get("failedServers")) or any(s.get("state") not in _FINE for s in shown)
    answer: dict[str, Any] = {"status": "degraded" if degraded else "ok"}
    facts = facts | {"servers": shown}
    answer |= {key: facts[key] for key in _BEFORE_TOTAL if facts.get(key) is not None}
    answer["totalTools"] = sum(server["toolCount"] for server in shown)
    answer |= {key: value for key, value in facts.items() if key not in answer and value is not None}
    if not question.sessions:
        answer.pop("listener", None)
    if context is not None and (usage := engine.usage(context.client)) is not None:
        answer["usage"] = usage
    if question.recommendations:
        answer["recommendations"] = recommendations(facts, question.server, engine.index_tokens > 0)
    return answer


def _shown_servers(question: StatusQuestion, facts: dict[str, Any]) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = facts["servers"]
    if question.server is None:
        return servers
    chosen = [server for server in servers if server["name"] == question.server]
    known = {server["name"] for server in servers} | set(facts.get("wrappedServers", ()))
    if question.server not in known:
        raise ServerNotFound(
            f'server "{question.server}" was not found in this callmux instance',
            server=question.server,
            availableServers=sorted(known),
            namespace=facts.get("namespace"),
            instanceId=facts.get("instanceId"),
        )
    return chosen


class _Tools:
    """The tools of servers as the question wants them shown."""

    def __init__(self, catalogue: Catalogue, question: StatusQuestion, engine: Engine) -> None:
        self._catalogue = catalogue
        self._described = question.descriptions
        self._length = cut_length(question.description_length, engine)

    def of(self, server: str) -> dict[str, Any]:
        tools = sorted((e.tool for e in self._catalogue.offered(server)), key=lambda tool: tool.name)
        if not self._described:
            return {"tools": [tool.name for tool in tools], "toolCount": len(tools)}
        described = []
        for tool in tools:
            shown = {"name": tool.name}
            if tool.description:
                shown["description"] = shortened(tool.description, self._length)
            described.append(shown)
        return {"tools": described, "toolCount": len(tools)}


_META_ONLY = (
    ("callmux_search_tools", "you know the task but not the tool", "Search by words of the task."),
    ("callmux_call", "you know the tool", "Call it by server__tool, or by its name beside server."),
)
_INDEXED = (
    (
        "callmux_call",
        "an index in the descriptions of callmux_* tools shows the tool",
        "Call it at once; wrong arguments are answered with its input schema.",
    ),
    (
        "callmux_search_tools",
        "the index does not show the tool, or not its parameters",
        "Search by words of the task, with includeInputSchema.",
    ),
)
_ALWAYS = (
    ("callmux_get_result", "an answer has _callmux.ref", "Page, filter or search the whole result."),
    ("callmux_parallel", "several calls do not need each other", "Send them in one request."),
    ("callmux_batch", "one tool is called with many arguments", "Send the items in one request."),
    ("callmux_pipeline", "a call needs the result of another", "Map results into arguments."),
    ("callmux_dry_run", "you are unsure of names or arguments", "Check them without calling anything."),
)
_RECIPES = ("callmux_recipe_run", "a recipe fits the task", "Run it with its parameters.")
_SERVERS = (
    "server hint or qualified tool names",
    "servers have tools of the same name",
    "Set server, or write server__tool.",
)


def recommendations(facts: dict[str, Any], server: str | None, indexed: bool) -> list[dict[str, str]]:
    """Which meta-tool to use when, for what this callmux has.

    Args:
        server: The server that was asked about alone.
        indexed: Whether an index of tools stands in descriptions.
    """
    found = _INDEXED if indexed else _META_ONLY
    rows = [*(found if facts.get("mode") == "meta-only" else ()), *_ALWAYS]
    if facts.get("recipes"):
        rows.append(_RECIPES)
    if server is None and len(facts.get("wrappedServers", ())) > 1:
        rows.append(_SERVERS)
    return [{"when": when, "use": use, "note": note} for use, when, note in rows]
