"""How calls that wait for approval are shown, and the form by which a client is asked. Pure.

Called by `callmux.rings.asking` for clients and by `callmux.process.approval` for terminals. What a model
or a server wrote is data here: secrets are hidden, nothing moves the cursor or begins a line of its own, and
what is too long is cut with a word about what is missing.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from callmux.config.redact import MASK, is_secret_key, mask_text
from callmux.config.veil import EVERYWHERE
from callmux.guard.approvals import DENY, ONCE, PROJECT, SESSION, Need, Question

MOST_CALLS = 20
"""Calls of one question that are shown one by one."""
MOST_LETTERS = 2000
"""Letters of the arguments of one call."""
ALL_LETTERS = 12000
"""Letters of all arguments together; what is left of it is for the calls that follow."""
LEAST_LETTERS = 200
NAME_LETTERS = 300
READ_BYTES = 200_000
"""Larger arguments are not read as a whole."""
DEEPEST = 50
"""Levels of arguments that are shown."""

ACTION = "elicitation/create"
FIELD = "decision"


def shown(question: Question) -> dict[str, Any]:
    """The calls of a question, as JSON values whose texts are safe to print.

    Returns:
        `calls`, and `more` with how many others there are of which tool.
    """
    left = ALL_LETTERS
    calls = []
    for need in question.needs[:MOST_CALLS]:
        arguments = arguments_of(need, max(LEAST_LETTERS, min(MOST_LETTERS, left)))
        left -= len(arguments)
        told = {"server": _name(need.subject.server), _kind(need): _name(need.subject.target)}
        told |= {"tier": need.tier, "arguments": arguments}
        if need.cwd is not None:
            told["cwd"] = _name(need.cwd)
        calls.append(told)
    found: dict[str, Any] = {"calls": calls}
    if len(question.needs) > MOST_CALLS:
        others = Counter(title_of(need) for need in question.needs[MOST_CALLS:])
        found["more"] = dict(others)
    return found


def title_of(need: Need) -> str:
    """A call in a few words: what it calls and what that may do."""
    return f"{_name(need.subject.server)}: {_name(need.subject.target)} ({_what(need)})"


def _what(need: Need) -> str:
    method = need.subject.method
    return need.tier if method == "tools/call" else f"{need.tier}, {_name(method)}"


def _kind(need: Need) -> str:
    return {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}.get(
        need.subject.method, "method"
    )


def lines_of(question: Question) -> list[str]:
    """The calls of a question, line by line."""
    found = shown(question)
    lines = []
    for number, (need, told) in enumerate(zip(question.needs, found["calls"], strict=False), 1):
        lines.append(f"{number}. {title_of(need)}" + (f" in {told['cwd']}" if "cwd" in told else ""))
        if told["arguments"]:
            lines.append(f"   {told['arguments']}")
    lines += [f"and {count} more of {title}" for title, count in found.get("more", {}).items()]
    return lines


def form(question: Question) -> bytes:
    """The params of `elicitation/create` (MCP 2025-06-18 and later, client/elicitation)."""
    count = len(question.needs)
    head = "callmux: may this call be made?" if count == 1 else f"callmux: may these {count} calls be made?"
    labels = {
        ONCE: "Yes, this time",
        SESSION: "Yes, and not ask again about the same tools in this session",
        PROJECT: f"Yes, and not ask again about the same tools in {_name(question.asker.directory or '')}",
        DENY: "No",
    }
    decision = {
        "type": "string",
        "title": "Decision",
        "description": "What was answered for a session or a directory holds for any arguments.",
        "enum": list(question.choices),
        "enumNames": [labels[choice] for choice in question.choices],
    }
    schema = {"type": "object", "properties": {FIELD: decision}, "required": [FIELD]}
    message = "\n".join([head, *lines_of(question)])
    return msgspec.json.encode({"message": message, "requestedSchema": schema})


class _Content(msgspec.Struct):
    decision: str | None = None


class _Reply(msgspec.Struct):
    action: str = ""
    content: _Content | None = None


_REPLY = msgspec.json.Decoder(_Reply)


def choice_of(reply: bytes, choices: Sequence[str]) -> str:
    """What the client's person decided. Whatever is not clearly a yes is a no."""
    try:
        read = _REPLY.decode(reply)
    except (msgspec.MsgspecError, RecursionError):
        return DENY
    decision = read.content.decision if read.content is not None else None
    if read.action != "accept" or decision is None:
        return DENY
    return decision if decision in choices else DENY


def arguments_of(need: Need, letters: int) -> str:
    """The arguments of a call as one printable line without secrets; empty for none."""
    raw = need.arguments
    if raw is None:
        return ""
    if len(raw) > READ_BYTES:
        # What is not shown is not looked at: others wait meanwhile.
        part = 8 * letters
        missing = len(raw) - 2 * part
        head, tail = (
            printable(EVERYWHERE.hide(end.decode("utf-8", "replace"))) for end in (raw[:part], raw[-part:])
        )
        half = letters // 2
        return f"{head[:half]} [... more than {missing} bytes are not shown ...] {tail[-half:]}"
    try:
        text = _rendered(json.loads(raw, object_pairs_hook=_Pairs, parse_int=_Digits, parse_float=_Digits))
    except (ValueError, RecursionError):
        text = EVERYWHERE.hide(raw.decode("utf-8", "replace"))
    return cut(printable(text), letters)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object: one that stands twice is shown twice, whichever a server believes."""


class _Digits(str):
    """A number as it was written."""


def _rendered(value: Any, *, secret: bool = False, levels: int = DEEPEST) -> str:
    """A value as compact JSON, with `[redacted]` for what is a secret by its name or its shape."""
    if isinstance(value, _Pairs | list) and not levels:
        return '"[nested too deeply to be shown]"'
    if isinstance(value, _Pairs):
        members = (
            f"{_quoted(mask_text(key))}:"
            + _rendered(member, secret=secret or is_secret_key(key), levels=levels - 1)
            for key, member in value
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        items = (_rendered(item, secret=secret, levels=levels - 1) for item in value)
        return "[" + ",".join(items) + "]"
    if isinstance(value, str):
        if secret and value:
            return _quoted(MASK)
        return str(value) if isinstance(value, _Digits) else _quoted(EVERYWHERE.hide(value))
    return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def cut(text: str, letters: int) -> str:
    """The beginning and the end of a text that is too long, and how much is missing between them."""
    if len(text) <= letters:
        return text
    tail = letters // 4
    return f"{text[: letters - tail]} [... {len(text) - letters} letters are not shown ...] {text[-tail:]}"


def printable(text: str) -> str:
    """One line in which nothing moves the cursor, turns the direction of writing or cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if _is_plain(letter) else f"\\u{{{ord(letter):x}}}" for letter in text)


def _is_plain(letter: str) -> bool:
    return letter.isprintable() and letter not in _BLANK and unicodedata.category(letter) != "Me"


_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE0E)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Letters that look like nothing, though they count as printable."""


def _name(text: str) -> str:
    return cut(printable(EVERYWHERE.hide(text)), NAME_LETTERS)
