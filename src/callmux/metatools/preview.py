"""What a plan would do, call by call, without doing it.

Called by `callmux.metatools.dry_run` and `.recipe_dry_run`. Each call is prepared exactly as it is when it is
made (`Engine.prepare`), and nothing is sent; `callmux.metatools.advice` looks at the outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from callmux import names
from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.metatools import advice, get_result
from callmux.metatools.modes import CALL, PIPELINE, Mode
from callmux.metatools.pipeline import Step
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Tool
from callmux.rings.call import Call
from callmux.rings.schemas import Node, compile_schema

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

SELF = "callmux"
SCHEMA = frozenset({"inputSchema", "hint"})
"""Members that show the input schema of a tool, once for each tool."""
TURN = 50
"""Calls that are prepared before others get a turn."""


async def preview(mode: Mode, plan: Plan, engine: Engine, context: CallContext) -> dict[str, Any]:
    """The payload: every call of `plan`, which was parsed for `mode`, and a summary."""
    items: list[dict[str, Any]] = []
    hits = size = warnings = 0
    reminded: set[str] = set()
    for n, call in enumerate(plan.calls):
        if n % TURN == TURN - 1:
            await asyncio.sleep(0)
        step: Step | None = plan.options[n] if mode is PIPELINE else None
        head = {"source": _source(mode, n, step), "tool": call.spelling}
        try:
            item = head | await _prepared(call, step, n, engine, context)
        except CallmuxError as error:
            item = head | _refused(call, error)
        if (beside := item.keys() & SCHEMA) and (tool := item["resolved"]["qualifiedTool"]) in reminded:
            item = {key: value for key, value in item.items() if key not in beside}
        elif beside:
            reminded.add(tool)
        items.append(item)
        hits += item.get("cacheHitCandidate", False)
        size += item.get("resolvedArgumentBytes", 0)
        warnings += len(item.get("warnings", ()))
    if plan.name == get_result.NAME:
        items.append(_page(mode))
    valid = sum("error" not in item for item in items)
    payload: dict[str, Any] = {
        "mode": mode.name,
        "valid": valid == len(items),
        "items": items,
        "summary": {
            "totalCalls": len(items),
            "validCalls": valid,
            "invalidCalls": len(items) - valid,
            "cacheHitCandidates": hits,
            "estimatedResolvedArgumentBytes": size,
            "warningCount": warnings + len(plan.warnings),
        },
    }
    if plan.warnings:
        payload["warnings"] = plan.warnings
    return payload


def _source(mode: Mode, index: int, step: Step | None) -> dict[str, Any]:
    if mode is CALL:
        return {"mode": mode.name}
    if step is None:
        return {"mode": mode.name, "index": index}
    return {
        "mode": mode.name,
        "step": index,
        "hasInputMapping": bool(step.mappings),
        "onMappingMissing": "fail" if step.must_map else "continue",
    }


def _page(mode: Mode) -> dict[str, Any]:
    """A page of a kept result, which callmux itself would give."""
    resolved = {"server": SELF, "actualTool": get_result.NAME, "qualifiedTool": get_result.NAME}
    return {"source": _source(mode, 0, None), "tool": get_result.NAME, "resolved": resolved}


def _refused(call: ToolCall, error: CallmuxError) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if call.server is not None:
        # Callers read the one here and the other on valid items: both have both.
        shown = {"server": call.server, "serverHint": call.server}
    described: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        described["details"] = error.details
    return shown | {"error": described}


async def _prepared(
    call: ToolCall, step: Step | None, index: int, engine: Engine, context: CallContext
) -> dict[str, Any]:
    """An item that could be sent."""
    sent = await engine.prepare(call, context)
    node = None if sent.tool is None else compile_schema(sent.tool.input_schema)
    shown, paths = await _as_a_client_sends_it(call, sent, node, engine, context)
    warnings: list[dict[str, str]] = []
    note = None
    if step is not None and step.mappings:
        mapping, note = _about_mapping(step, index)
        warnings.append(mapping)
    mapped = frozenset(step.mappings) if step is not None else frozenset[str]()
    warnings += _advice(shown, paths, node, mapped)
    item: dict[str, Any] = {}
    if call.server is not None:
        item |= {"serverHint": call.server, "server": call.server}
    if call.timeout_ms is not None:
        item["timeoutMs"] = call.timeout_ms
    if call.cwd is not None:
        item["cwd"] = call.cwd
    item["resolved"] = {
        "server": sent.server,
        "actualTool": sent.target,
        "qualifiedTool": names.join(sent.server, sent.target),
    }
    if sent.route.asks:
        item["needsApproval"] = True
    if shown is not None:
        item["resolvedArguments"] = shown
    if paths:
        item["sentArguments"] = _raw(sent)
    if warnings:
        item["warnings"] = warnings
    if engine.index_tokens and (tool := _seen(sent, engine, context)) is not None:
        item |= _schema(sent, tool, warnings, mapped)
    item["resolvedArgumentBytes"] = 0 if shown is None else advice.size_of(shown)
    hit = engine.is_cached(sent)
    item["cacheHitCandidate"] = hit if isinstance(hit, bool) else await hit
    return item if note is None else item | {"note": note}


async def _as_a_client_sends_it(
    call: ToolCall, sent: Call, node: Node | None, engine: Engine, context: CallContext
) -> tuple[Raw | None, Sequence[str]]:
    """The arguments as they would arrive through a client that writes structures as text where a field takes
    only text, and the paths where that makes a difference. callmux itself does no such thing."""
    whole = _raw(sent)
    if node is None or call.arguments is None or whole is None:
        return whole, ()
    try:
        text, paths = advice.as_strings(call.arguments, node)
    except (msgspec.MsgspecError, RecursionError):
        return whole, ()
    if not paths:
        return whole, ()
    arrived = await engine.prepare(msgspec.structs.replace(call, arguments=text), context)
    if arrived.arguments is None or arrived.arguments == sent.arguments:
        return whole, ()
    return _raw(arrived), paths


def _raw(sent: Call) -> Raw | None:
    """The arguments of a call, as a part of what is shown."""
    return None if sent.arguments is None else Raw(sent.arguments)


def _advice(
    shown: Raw | None, paths: Sequence[str], node: Node | None, mapped: frozenset[str]
) -> list[dict[str, str]]:
    found = advice.about_text(paths)
    try:
        if shown is not None:
            found += advice.about_values(shown)
        if node is not None:
            found += advice.about_schema(shown, node, mapped)
    except (msgspec.MsgspecError, RecursionError):
        # Nested too deeply to be looked at; it would be sent all the same.
        pass
    return found


def _seen(sent: Call, engine: Engine, context: CallContext) -> Tool | None:
    """The tool as the client is listed it; None where it is not."""
    entries = engine.seen_by(context).of_server(sent.server)
    return next((entry.tool for entry in entries if entry.tool.name == sent.target), None)


def _schema(sent: Call, tool: Tool, warnings: Sequence[dict[str, str]], mapped: Set[str]) -> dict[str, Raw]:
    """The input schema of a tool that would refuse its arguments, as far as that is known; else nothing."""
    from callmux.rings.reminding import is_broken, schema_of  # where an index of tools is listed alone

    of_schema = any(warning["code"] in advice.OF_SCHEMA for warning in warnings)
    is_wrong = of_schema or (not mapped and is_broken(tool, sent.arguments))
    return schema_of(tool) if is_wrong else {}


def _about_mapping(step: Step, index: int) -> tuple[dict[str, str], str]:
    argument = ", ".join(step.mappings)
    if step.must_map:
        advice_given = "If a value is not there, the step fails and its tool is not called"
    else:
        advice_given = 'If a value is not there, it is left out; "onMappingMissing": "fail" stops instead'
    warning = {
        "code": "pipeline_mapping_not_evaluated_in_dry_run",
        "path": f"steps[{index}].inputMapping",
        "message": f"the values of {argument} come from earlier results, which there are none of",
        "recommendation": advice_given,
    }
    return warning, f"Without the mapped arguments: {argument}"
