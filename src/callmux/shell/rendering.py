"""Values as JSON with every digit kept, and results as people read them. Pure.

Called by `callmux.cli.call` and `callmux.cli.tools`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from callmux.shell.message import Digits
from callmux.shell.outcome import Outcome

_WORDS = {None: "null", True: "true", False: "false"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def pretty(value: Any, indent: str = "\n") -> str:
    """JSON with two blanks of indentation; numbers as they came."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, str):
        # Half a pair has no UTF-8: it stays the escape it was.
        return (encode_basestring_ascii if _SURROGATE.search(value) else encode_basestring)(value)
    deeper = indent + "  "
    if isinstance(value, dict):
        if not value:
            return "{}"
        members = (f"{pretty(key)}: {pretty(item, deeper)}" for key, item in value.items())
        return f"{{{deeper}{f',{deeper}'.join(members)}{indent}}}"
    if isinstance(value, list):
        if not value:
            return "[]"
        return f"[{deeper}{f',{deeper}'.join(pretty(item, deeper) for item in value)}{indent}]"
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


def in_format(value: Any, wanted: str) -> str:
    """A value as `json`, `toon`, `auto`, `plain` or `shortest`; what TOON cannot say is JSON, what is no text
    is not plain."""
    if wanted in ("plain", "shortest") and isinstance(value, str) and not isinstance(value, Digits):
        return value
    text = pretty(value)
    if wanted in ("json", "plain"):
        return text
    from callmux.rings import toon

    if wanted == "toon":
        return toon.render(text.encode()) or text
    import msgspec

    # It has to be shorter than the shortest JSON, not than ours with its indentation.
    compact = msgspec.json.format(text.encode(), indent=-1)
    if wanted == "auto":
        return toon.render_if_shorter(compact) or text
    from callmux.tokens import estimate

    ways = (compact.decode(), toon.render(compact))
    return min((way for way in ways if way is not None), key=estimate)


def as_it_came(outcome: Outcome) -> str:
    """A result as it came: its texts as they stand, and a line for what is no text."""
    if outcome.told is None:
        lines = [*outcome.texts, *map(_other, outcome.others)]
        return "\n".join(lines) if lines else pretty(outcome.value)
    # Headings stand on lines of their own by themselves.
    shown = ""
    for part in outcome.content:
        if part.get("type") == "text":
            shown += str(part.get("text", ""))
        else:
            shown += ("" if shown.endswith("\n") else "\n") + _other(part) + "\n"
    return shown.removesuffix("\n")


def visible(text: str) -> str:
    """Text that does nothing to a terminal: what a tool says is not to move the cursor or set a title."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))


def readable(outcome: Outcome) -> str:
    """A result for people: text as it stands, calls of several one by one, a line for what is no text."""
    value = outcome.value
    lines = [_other(part) for part in outcome.others]
    entries = value.get("results", value.get("steps")) if isinstance(value, dict) else None
    if isinstance(entries, list) and entries and all(map(_is_entry, entries)):
        return visible("\n".join([*_entries(entries), *lines, _tally(value)]))
    if value is not None and value is not outcome.others:
        lines.insert(0, value if isinstance(value, str) and not isinstance(value, Digits) else pretty(value))
    return visible("\n".join(lines) or "(the tool answered nothing)")


def failure_text(value: Any) -> str:
    """What a failed tool says: the message of an error object, else all of it."""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        details = error.get("details")
        shown = f"\n{pretty(details)}" if isinstance(details, dict) and len(details) > 1 else ""
        return visible(f"{error['message']} ({error.get('code', 'error')}){shown}")
    text = error if isinstance(error, str) else value
    return visible(text if isinstance(text, str) else pretty(text))


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and "durationMs" in entry


def _entries(entries: Iterable[dict[str, Any]]) -> Iterable[str]:
    for number, entry in enumerate(entries):
        call = entry.get("call")
        tool = entry.get("tool") or (call.get("tool") if isinstance(call, dict) else None)
        failed = entry.get("ok") is False or "error" in entry
        name = f" {tool}" if isinstance(tool, str) else ""
        yield f"[{number}]{name}  {'failed' if failed else 'ok'}  {entry['durationMs']} ms"
        result = entry.get("error") if "error" in entry else entry.get("result")
        text = failure_text(_unwrapped(result)) if failed else result
        text = text if isinstance(text, str) else pretty(text)
        yield "\n".join(f"    {line}" for line in text.splitlines() or [""])


def _unwrapped(result: Any) -> Any:
    """The structured content of a whole result, where that is what stands there."""
    structured = result.get("structuredContent") if isinstance(result, dict) else None
    return result if structured is None else structured


def _tally(value: dict[str, Any]) -> str:
    status = value.get("status", "done")
    failed = value.get("failedIndexes") or ([value["failedStep"]] if "failedStep" in value else [])
    which = f", failed: {', '.join(map(str, failed))}" if failed else ""
    return f"{status} in {value.get('totalDurationMs', '?')} ms{which}"


def _other(part: dict[str, Any]) -> str:
    kind = part.get("type", "part")
    resource = part.get("resource")
    inner = resource if isinstance(resource, dict) else part
    about = [inner[key] for key in ("uri", "name", "mimeType") if isinstance(inner.get(key), str)]
    data = inner.get("data", inner.get("blob"))
    if isinstance(data, str):
        about.append(f"{len(data) * 3 // 4} bytes")
    return f"[{' '.join([str(kind), *about])}]"
