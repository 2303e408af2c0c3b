"""What a tool's result is worth to a script: the value to print, and the exit code. Pure.

Called by `callmux.cli.call`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from callmux.metatools.table import traits
from callmux.shell.failure import ShellFailed
from callmux.shell.message import Digits, parse

TOLD = "callmux/outcome"
"""The member of `_meta` that says how calls went, where the answer itself is for models."""
WORKED, TOOL_FAILED, STEP_FAILED = 0, 1, 2


class Outcome(NamedTuple):
    """A result, read.

    Attributes:
        value: Its structured content; else its text, as JSON where it is; else its other parts; else None.
        texts: Its texts.
        others: Its parts that are no text: images, audio, resources.
        is_error: Whether the tool says that it failed.
        told: How the calls went, where the answer to several is no JSON; else None.
        content: All of its parts, in their order.
    """

    value: Any
    texts: list[str]
    others: list[dict[str, Any]]
    is_error: bool
    told: Any = None
    content: Sequence[dict[str, Any]] = ()


def read_result(result: dict[str, Any]) -> Outcome:
    """Reads the result of `tools/call`."""
    content = result.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    texts = [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    others = [part for part in parts if part.get("type") != "text"]
    value: Any = result.get("structuredContent")
    if value is None and texts:
        value = _json_or_text("\n".join(texts))
    elif value is None and others:
        value = others
    meta = result.get("_meta")
    told = meta.get(TOLD) if isinstance(meta, dict) else None
    return Outcome(value, texts, others, result.get("isError") is True, told, parts)


def _json_or_text(text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return text


def exit_code(tool: str, outcome: Outcome) -> int:
    """0 where everything worked, 1 where a tool failed, 2 where a step of a pipeline could not be made."""
    if outcome.is_error:
        return TOOL_FAILED
    payload = outcome.value if outcome.told is None else outcome.told
    own = traits(tool)
    if own is None or not own.tells_of_calls or not isinstance(payload, dict):
        return WORKED
    status = payload.get("status")
    if status == "failed" and "failedStep" in payload:
        return STEP_FAILED if _was_not_made(payload) else TOOL_FAILED
    failed = payload.get("failed")
    some = isinstance(failed, Digits) and failed != "0"
    return TOOL_FAILED if status in ("failed", "partial") or some or payload.get("failedIndexes") else WORKED


def _was_not_made(payload: dict[str, Any]) -> bool:
    """Whether the step that failed has an error of ours in place of its tool's result."""
    if payload.get("notMade") is True:
        return True
    steps = payload.get("steps")
    number = payload.get("failedStep")
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict) and step.get("step") == number:
            return isinstance(step.get("error"), str)
    return False


def field(value: Any, path: str) -> Any:
    """What stands at `path`, such as `results[0].result`, in a result.

    Raises:
        ShellFailed: Nothing does; names what does.
    """
    from callmux.rings.shield.paths import split

    found = value
    for key in split(path):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise ShellFailed(f"the result has no {path}: {json.dumps(key)} is not in {_shape(found)}")
    return found


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        keys = [json.dumps(key, ensure_ascii=False) for key in list(value)[:10]]
        return f"an object with {', '.join(keys) or 'no keys'}{' ...' if len(value) > 10 else ''}"
    return f"a list of {len(value)}" if isinstance(value, list) else "a plain value"
