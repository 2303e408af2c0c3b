"""`callmux_pipeline`: calls in a chain, each fed from what came before.

Called through `callmux.metatools.table`; evaluates `callmux.metatools.mapping` and makes its calls through
`callmux.metatools.children`, one after the other, up to the first that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.fields import Fields
from callmux.metatools.definitions import TEXT_FORMAT, closed, definition, listed, step
from callmux.metatools.entries import CALL_KEYS, Repairs, output_format, read_call
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.envelope import encode

if TYPE_CHECKING:
    from callmux.metatools import mapping
    from callmux.metatools.children import ChildOutcome
    from callmux.metatools.engine import Engine

NAME = "callmux_pipeline"

DEFINITION = definition(
    NAME,
    "Run calls in a chain, each fed from results before it. Stops at the first failure: failedStep, "
    "skippedMappings.",
    closed(
        {
            "steps": listed(
                step(
                    "Argument name to expression: $text or $json of the previous result, a path such as "
                    '$json.items.0.id or $json["a.b"], an earlier step as $steps[0].json.id; anything '
                    "else is literal"
                )
            ),
            "outputFormat": TEXT_FORMAT,
        },
        "steps",
    ),
)

STEP_KEYS = CALL_KEYS | {"inputMapping", "onMappingMissing"}
_EXAMPLE = '{"tool": "…", "arguments": {…}}'


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a step adds to its call.

    Attributes:
        mappings: Expression by argument; empty for the first step.
        must_map: Whether a mapping that leads nowhere fails the step.
    """

    mappings: dict[str, mapping.Expression]
    must_map: bool


class Mapped(msgspec.Struct, frozen=True):
    """The evaluated mappings of one step."""

    arguments: dict[str, Raw]
    skipped: list[dict[str, str]]

    def shown(self) -> dict[str, Any]:
        """The members of a step's entry, those that have something to say."""
        shown: dict[str, Any] = {}
        if self.arguments:
            shown["mappedArguments"] = self.arguments
        if self.skipped:
            shown["skippedMappings"] = self.skipped
        return shown


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed; nothing may run then.
    """
    repairs = Repairs("steps", _EXAMPLE)
    entries = fields.objects("steps")
    if not entries:
        raise fields.fail("steps", "must hold at least one step")
    calls: list[ToolCall] = []
    steps: list[Step] = []
    for index, entry in enumerate(entries):
        calls.append(read_call(entry, repairs, STEP_KEYS))
        mappings = _mappings(entry, index, repairs)
        must_map = entry.choice("onMappingMissing", ("continue", "fail")) == "fail"
        steps.append(Step(mappings=mappings, must_map=must_map))
    shown_as = output_format(fields)
    repairs.ignore(key for key in fields.members if key not in ("steps", "outputFormat"))
    return Plan(
        name=NAME, calls=calls, output_format=shown_as, options=tuple(steps), warnings=repairs.warnings()
    )


def _mappings(entry: Fields, index: int, repairs: Repairs) -> dict[str, mapping.Expression]:
    from callmux.metatools import mapping

    members = entry.optional_object("inputMapping")
    found: dict[str, mapping.Expression] = {}
    for argument, raw in (members or {}).items():
        try:
            source = msgspec.json.decode(raw, type=str)
        except (msgspec.MsgspecError, RecursionError):
            raise entry.fail("inputMapping", f'must map names to strings: "{argument}" is none') from None
        found[argument] = mapping.parse(source)
    if index == 0:
        if found:
            repairs.add(
                "mapping_ignored_on_first_step",
                f"{entry.path('inputMapping')} was ignored: the first step has no earlier result",
                f"Put fixed values into arguments: {_EXAMPLE}",
            )
        return {}
    for argument, expression in found.items():
        where = f"{entry.path('inputMapping')}.{argument}"
        if expression.step is not None and expression.step >= index:
            raise InvalidArguments(
                f'{where}: "{expression.source}" looks at step {expression.step}, which has not run before '
                f"step {index}",
                field=entry.path("inputMapping"),
            )
        if expression.doubtful:
            repairs.add(
                "unknown_mapping_expression",
                f'{where}: "{expression.source}" is no expression and was sent as it stands',
                "Use $text, $json, $json.path, $steps[0].text or $steps[0].json.path",
            )
    return found


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Runs the steps up to the first that fails."""
    from callmux.metatools.children import answered, milliseconds, run_one, without_progress

    started = engine.clock.monotonic()
    steps: Sequence[Step] = plan.options
    context = without_progress(context) if len(steps) > 1 else context
    results: list[Result] = []
    entries: list[dict[str, Any]] = []
    outcomes: list[ChildOutcome | None] = []
    last: Raw | None = None
    failed = False
    for index, (call, at) in enumerate(zip(plan.calls, steps, strict=True)):
        mapped = await _evaluate(at, results, engine)
        entry: dict[str, Any] = {"step": index, "tool": call.spelling} | mapped.shown()
        entries.append(entry)
        if mapped.skipped and at.must_map:
            missing = ", ".join(f'"{s["argument"]}" ({s["reason"]})' for s in mapped.skipped)
            entry |= {"ok": False, "error": f"required inputMapping failed: {missing}", "durationMs": 0}
            failed = True
            outcomes.append(None)
        else:
            sent = with_mapped(call, mapped.arguments)
            outcome = await run_one(sent, engine, context, keep=True)
            entry |= outcome.shown()
            results.append(outcome.kept)
            outcomes.append(outcome)
            last = outcome.value
            failed = not outcome.ok
        if failed:
            break
    payload: dict[str, Any] = {"status": "failed" if failed else "completed"}
    if failed:
        payload["failedStep"] = len(entries) - 1
    payload["steps"] = entries
    if not failed:
        payload["finalResult"] = last
    payload["totalDurationMs"] = milliseconds(engine.clock.monotonic() - started)
    if plan.warnings:
        payload["warnings"] = plan.warnings
    if plan.made is not None:
        plan.made.in_turns = True
    return await answered(payload, plan, outcomes, engine, keep=engine.tells(plan))


async def _evaluate(step: Step, results: Sequence[Result], engine: Engine) -> Mapped:
    from callmux.metatools import mapping
    from callmux.metatools.children import in_turns

    mapped = Mapped({}, [])
    for argument, expression in step.mappings.items():
        value = await in_turns(mapping.evaluating(expression, results), engine.large)
        if isinstance(value, mapping.Missing):
            mapped.skipped.append(
                {"argument": argument, "expression": expression.source, "reason": value.reason}
            )
        else:
            mapped.arguments[argument] = value
    return mapped


def with_mapped(call: ToolCall, mapped: dict[str, Raw]) -> ToolCall:
    """The call with mapped arguments over its own. They are a server's data, never read as references."""
    if not mapped:
        return call
    own = {} if call.arguments is None else msgspec.json.decode(call.arguments, type=dict[str, Raw])
    return msgspec.structs.replace(call, arguments=Raw(encode(own | mapped)), opaque=frozenset(mapped))
