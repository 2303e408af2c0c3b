"""The text of callmux's own answers: JSON, TOON, or plain content, as asked for. A request stage.

Calls `callmux.rings.toon` and `callmux.rings.plain`, and `callmux.tokens` to tell which form costs least. It
sees only what the meta-tools answer, `callmux_call` included; a direct call's result goes out as its server
sent it. Rules: docs/configuration.md, `outputFormat`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.errors import CallmuxError
from callmux.names import join
from callmux.observe.bus import Bus
from callmux.observe.facts import ResultShortened
from callmux.plan import Plan
from callmux.protocol.shapes import Result, json_in
from callmux.rings import toon
from callmux.rings.envelope import encode
from callmux.rings.ring import Job
from callmux.rings.route import Find, Route
from callmux.rings.shield.shortening import TOOL
from callmux.rings.stage import Outcome
from callmux.traits import Traits


class _Item(msgspec.Struct):
    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET


_ITEM = msgspec.json.Decoder(_Item)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_DECODE = msgspec.json.Decoder().decode

Render = Callable[[Raw], str | None]


class Formatting:
    """Request stage: renders answers.

    Args:
        default: The format of requests that name none: `json`, `toon`, `auto`, `plain` or `shortest`.
        find: Gives the route of a name, and of the server beside it.
        bus: Who hears of results that became shorter.
    """

    def __init__(self, default: str, find: Find, bus: Bus | None = None) -> None:
        self._default = default
        self._find = find
        self._bus = bus or Bus()

    def concerns(self, route: Route) -> bool:
        """Whether this stage concerns a request: a direct call's result goes out as its server sent it."""
        return False

    def leave(self, job: Job, outcome: Outcome) -> Outcome:
        plan, own = job.plan, None if job.route is None else job.route.own
        if plan is None or own is None or not isinstance(outcome, Result) or outcome.is_error:
            return outcome
        wanted = plan.output_format or self._default
        if wanted == "json" or not own.formatted:
            return outcome
        if wanted == "shortest":
            how, shown = self._shortest(outcome, plan, own)
        elif wanted == "plain":
            how, shown = "plain", _plain(outcome, plan)
        else:
            how = "toon"
            shown = self._as_toon(
                outcome, plan, own, toon.render if wanted == "toon" else toon.render_if_shorter
            )
        if shown is not outcome and self._bus.hears(ResultShortened):
            sizes = {"before": len(outcome.raw), "after": len(shown.raw)}
            self._bus.publish(ResultShortened(how=how, server="", tool=plan.name, **sizes))
        return shown

    def _as_toon(self, result: Result, plan: Plan, own: Traits, render: Render) -> Result:
        return formatted(result, render, keep_structured=own.relays and self._is_bound(plan))

    def _shortest(self, result: Result, plan: Plan, own: Traits) -> tuple[str, Result]:
        """The form that costs a model the fewest tokens, as far as they are estimated; JSON where none is
        cheaper."""
        from callmux.rings.plain import texts
        from callmux.tokens import estimate

        ways = {
            "json": result,
            "plain": _plain(result, plan),
            "toon": self._as_toon(result, plan, own, toon.render),
        }
        how = min(ways, key=lambda way: sum(map(estimate, texts(ways[way]))))
        return how, ways[how]

    def _is_bound(self, plan: Plan) -> bool:
        """Whether a server's own result has to keep to the output schema of its tool."""
        if len(plan.calls) != 1:
            return False
        try:
            tool = self._find(plan.calls[0].spelling, plan.calls[0].server).tool
        except CallmuxError:
            return False
        return tool is not None and tool.has_output_schema


def _plain(result: Result, plan: Plan) -> Result:
    """The answer to several calls, or a page of a text, as plain content; any other answer as it is."""
    told = result.told
    if len(result.raw) > toon.LARGEST or (told is None and plan.name != TOOL):
        return result
    from callmux.rings.plain import paged, plainly

    if told is None:
        return paged(result) or result
    names = [
        call.spelling if call.server is None else join(call.server, call.spelling) for call in plan.calls
    ]
    return plainly(result, told, names) or result


def formatted(result: Result, render: Render, *, keep_structured: bool) -> Result:
    """`result` with TOON in place of JSON texts; the same object where there is nothing to render.

    Structured content is left out where its rendering takes its place: a client that gets both shows the
    structured one. Images, prose and whatever else there is stays as it is.

    Args:
        keep_structured: Whether the tool promises structured content.
    """
    head = result.head
    items = [] if head.content is UNSET else list(head.content)
    structured = head.structured_content
    if structured is UNSET or bytes(structured) == b"null":
        rendered = [_rendered(item, render) for item in items]
        if not any(rendered):
            return result
        return _rebuilt(result, [new or old for new, old in zip(rendered, items, strict=True)], structured)
    text = render(structured)
    if text is None:
        return result
    copy = next((n for n, item in enumerate(items) if _says(item, structured)), None)
    if copy is not None:
        items[copy] = _with_text(items[copy], text)
    elif keep_structured:
        return result
    else:
        items.insert(0, Raw(encode({"type": "text", "text": text})))
    return _rebuilt(result, items, structured if keep_structured else UNSET)


def _rebuilt(result: Result, items: list[Raw], structured: Raw | UnsetType) -> Result:
    members: dict[str, Any] = dict(result.members())
    members["content"] = items
    if structured is UNSET:
        members.pop("structuredContent", None)
    return Result(encode(members))


def _text(item: Raw) -> str | None:
    """The text of a text item."""
    try:
        read = _ITEM.decode(item)
    except msgspec.MsgspecError:
        return None
    return read.text if read.type == "text" and isinstance(read.text, str) else None


def _json_of(item: Raw) -> Raw | None:
    """The object or list that a text item says as JSON."""
    text = _text(item)
    return json_in(text) if text is not None and text.lstrip()[:1] in ("{", "[") else None


def _rendered(item: Raw, render: Render) -> Raw | None:
    value = _json_of(item)
    text = None if value is None else render(value)
    return None if text is None else _with_text(item, text)


def _says(item: Raw, structured: Raw) -> bool:
    """Whether a text item says the same as the structured content."""
    value = _json_of(item)
    if value is None:
        return False
    return bytes(value) == bytes(structured) or bool(_DECODE(value) == _DECODE(structured))


def _with_text(item: Raw, text: str) -> Raw:
    members: dict[str, Any] = dict(_MEMBERS.decode(item))
    members["text"] = text
    return Raw(encode(members))
